from datetime import date

from limner.core.consent import Consent


def test_a_record_reads_as_a_sentence() -> None:
    consent = Consent(who="Ana", purpose="a calendar", given=date(2026, 1, 2), until=date(2027, 1, 2))
    assert str(consent) == "Ana, on 2026-01-02, for a calendar, until 2027-01-02"
    assert str(Consent()) == "nobody named"


def test_every_agreement_has_a_number_of_its_own_and_words_have_theirs() -> None:
    assert Consent().number != Consent().number
    assert Consent.in_words("it is me") == Consent.in_words("it is me")
    assert Consent.in_words("it is me").number != Consent.in_words("it is you").number
