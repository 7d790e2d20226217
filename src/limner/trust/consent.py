"""Whether a person's consent still holds, and taking it back for every copy of a card."""

from datetime import date
from pathlib import Path

from limner.core.consent import Consent
from limner.core.errors import ConsentError
from limner.trust import audit
from limner.trust.folder import private_folder

NAME = "revoked.txt"


def require_consent(consent: Consent, today: date | None = None) -> None:
    """Refuse a person whose consent does not hold today.

    Raises:
        ConsentError: it was revoked, is not given yet, or has ended.
    """
    day = today or date.today()
    if consent.revoked is not None or consent.numbers & revoked_numbers():
        raise ConsentError(f"this person took the consent back ({consent}); delete the card")
    if consent.until is not None and day > consent.until:
        raise ConsentError(
            f"the consent ended on {consent.until} ({consent}); ask the person again and make a new card"
        )
    if consent.given is not None and day < consent.given:
        raise ConsentError(f"the consent begins on {consent.given} ({consent}); wait, or correct the card")


def revoke(consent: Consent) -> Consent:
    """Take a consent back: the record with today's date, and every copy of the card is refused on this computer."""
    for number in sorted(consent.numbers - revoked_numbers()):
        with _list().open("a", encoding="ascii") as file:
            file.write(f"{number}\n")
        audit.record("consent revoked", consent=number)
    return consent.model_copy(update={"revoked": consent.revoked or date.today()})


def revoked_numbers() -> frozenset[str]:
    """Numbers of all consents taken back on this computer."""
    path = _list()
    return frozenset(path.read_text(encoding="ascii").split()) if path.exists() else frozenset()


def _list() -> Path:
    return private_folder() / NAME
