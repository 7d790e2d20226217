"""The job behind `limner identity`: photos of a person in, an identity card with their consent out."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from limner.core.consent import Consent

if TYPE_CHECKING:
    from limner.apps.studio import Studio
    from limner.identity.identity import Identity


@dataclass(frozen=True)
class IdentityJob:
    """A person to be learnt, and what they agreed to.

    Attributes:
        photos: of one person.
        indices: which face, once for all photos or once for each; None for the largest.
        purpose: what they agreed to, in words.
        who: who agreed.
        until: the last day it holds, None without an end.
        origin: where the photos come from.
        licence: terms of the photos.
    """

    photos: tuple[Path, ...]
    indices: tuple[int, ...] | None = None
    purpose: str = ""
    who: str = ""
    until: date | None = None
    origin: str = ""
    licence: str = ""

    @property
    def consent(self) -> Consent | None:
        """From today on; None if nothing was said about it."""
        if not (self.purpose or self.who or self.until):
            return None
        return Consent(who=self.who, purpose=self.purpose, given=date.today(), until=self.until)


def learn(job: IdentityJob, card: Path, studio: "Studio | None" = None) -> "Identity":
    """Learn the person and write the card.

    Args:
        studio: learns what its model reads; what the packaged one reads if None.

    Raises:
        LimnerError: see :meth:`limner.identity.identity.Identity.from_photos`.
        RefusedError: a photo may not be used.
    """
    from limner.apps.guard import Guard

    learning = Guard().enrol if studio is None else studio.identity
    seen = learning(list(job.photos), face_index=job.indices)
    person = replace(seen, consent=job.consent, origin=job.origin, licence=job.licence)
    person.save(card)
    return person
