"""The people of this computer: a folder of identity cards, each with what its person agreed to."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from limner.apps.portrait_job import CARD_SUFFIX
from limner.core.errors import ConsentError, InputError, LimnerError
from limner.trust import consent

if TYPE_CHECKING:
    from limner.identity.identity import Identity

_NAME = re.compile(r"[\w][\w .'-]{0,60}")
"""No separators and no dot in front, so that a name never leaves the folder."""


@dataclass(frozen=True)
class Person:
    """Somebody in the folder.

    Attributes:
        consent: in words.
        problem: why the card cannot be used, in words; empty if it can.
    """

    name: str
    num_photos: int
    quality: float
    consent: str
    problem: str


class People:
    """Identity cards by name; a name is never a path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """In alphabetical order."""
        return sorted((path.stem for path in self.folder.glob(f"*{CARD_SUFFIX}")), key=str.casefold)

    def card(self, name: str) -> Path:
        """The file of somebody who is there.

        Raises:
            InputError: there is nobody of this name.
        """
        if name not in self.names():
            raise InputError(f"there is nobody called {name!r} here; choose one of the list")
        return self.folder / f"{name}{CARD_SUFFIX}"

    def new_card(self, name: str) -> Path:
        """The file for somebody new.

        Raises:
            InputError: the name cannot be that of a file, or is taken.
        """
        name = name.strip()
        if not _NAME.fullmatch(name):
            raise InputError(
                "a person needs a name of letters, digits, spaces, dots, hyphens and apostrophes, at most 61 of them"
            )
        if name.casefold() in (known.casefold() for known in self.names()):
            raise InputError(f"there is somebody called {name!r} already; choose another name, or delete that card")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.folder / f"{name}{CARD_SUFFIX}"

    def listed(self) -> list[Person]:
        """Everybody, those included whose card is broken or whose consent is over."""
        return [self._person(name) for name in self.names()]

    def delete(self, name: str) -> None:
        """Remove a card.

        Raises:
            InputError: there is nobody of this name.
        """
        self.card(name).unlink(missing_ok=True)

    def revoke(self, name: str) -> None:
        """Take a consent back: every copy of the card is refused on this computer.

        Raises:
            InputError: there is nobody of this name.
            ConsentError: the card holds no consent.
            CheckpointError: the card is broken.
        """
        card = self.card(name)
        person = self._load(card)
        if person.consent is None:
            raise ConsentError(f"the card of {name} holds no consent that could be taken back; delete the card")
        replace(person, consent=consent.revoke(person.consent)).save(card)

    def _person(self, name: str) -> Person:
        try:
            person = self._load(self.card(name))
        except LimnerError as error:
            return Person(name, 0, 0.0, "", " ".join(str(error).split()))
        problem = ""
        if person.consent is not None:
            try:
                consent.require_consent(person.consent)
            except ConsentError as error:
                problem = str(error)
        told = "nothing was written down" if person.consent is None else str(person.consent)
        return Person(name, person.num_photos, float(person.quality.mean()), told, problem)

    def _load(self, card: Path) -> "Identity":
        from limner.identity.identity import Identity

        return Identity.load(card)
