from datetime import date

import pytest

from limner.core.consent import Consent
from limner.core.errors import ConsentError
from limner.trust import consent
from limner.trust.audit import read_log

TODAY = date(2026, 11, 23)
AGREED = Consent(who="Ana", purpose="a calendar", given=date(2026, 1, 2), until=TODAY)


def test_a_consent_that_holds_passes() -> None:
    consent.require_consent(AGREED, TODAY)
    consent.require_consent(Consent(), TODAY)


def test_one_that_ended_or_begins_later_is_refused() -> None:
    with pytest.raises(ConsentError, match=r"ended on 2026-11-23 .*Ana"):
        consent.require_consent(AGREED, date(2026, 11, 24))
    with pytest.raises(ConsentError, match="begins on 2026-01-02"):
        consent.require_consent(AGREED, date(2026, 1, 1))


def test_one_that_was_taken_back_is_refused_in_every_copy() -> None:
    other = AGREED.model_copy(update={"number": "another"})
    revoked = consent.revoke(AGREED)
    assert revoked.revoked == date.today()
    for copy in (revoked, AGREED):
        with pytest.raises(ConsentError, match="took the consent back"):
            consent.require_consent(copy, TODAY)
    consent.require_consent(other, TODAY)
    assert consent.revoke(revoked) == revoked
    assert [line["event"] for line in read_log()] == ["consent revoked"]


def test_a_card_that_says_so_is_refused_on_another_computer_too() -> None:
    with pytest.raises(ConsentError, match="took the consent back"):
        consent.require_consent(AGREED.model_copy(update={"revoked": TODAY}), TODAY)
