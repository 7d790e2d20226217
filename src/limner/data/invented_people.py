"""Two hundred people who do not exist, by name: a photo of each comes with the package, good wherever a photo is.

A small base learned no face from names in captions (docs/training-log.md); a photo shows the person to every adapter.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from limner.core.assets import asset_path
from limner.core.errors import ConfigError

FOLDER, TABLE, SUFFIX = "people", "people.csv", ".webp"
LICENCE = "generated-people"
"""Record of `limner licences` for the photos."""
_FIRST = ("Alma", "Bruno", "Clio", "Dario", "Edda", "Falk", "Greta", "Hugo", "Ines", "Jona")
_LAST = (
    "Verin", "Mosk", "Tarell", "Quist", "Orlan", "Brisk", "Halden", "Sorel", "Wendt", "Zavik",
    "Calder", "Dross", "Emmer", "Fenn", "Garrick", "Hollis", "Imber", "Jarvik", "Kestrel", "Lorne",
)  # fmt: skip


NAMES: tuple[str, ...] = tuple(f"{first} {last}" for last in _LAST for first in _FIRST)
_NAMES_IN = re.compile(rf"\b(?:{'|'.join(NAMES)})\b", re.IGNORECASE)


@dataclass(frozen=True)
class InventedPerson:
    """A line of the packaged table; groups as in :mod:`limner.data.bins`, measured by networks, which err.

    Attributes:
        person: who this is in shards of `limner data synthesize` with its own seed, ``generated-00012``.
    """

    name: str
    person: str
    gender: str
    age: str
    skin_tone: str
    hair: str
    glasses: str


@cache
def invented_people() -> tuple[InventedPerson, ...]:
    """Everybody, in the order of :data:`NAMES`.

    Raises:
        CheckpointError: the package is not whole.
    """
    with asset_path(f"{FOLDER}/{TABLE}").open(encoding="utf-8", newline="") as file:
        return tuple(InventedPerson(**row) for row in csv.DictReader(file))


def photo_of(name: str) -> Path:
    """The packaged photo of somebody, 160 px a side.

    Raises:
        ConfigError: nobody is called so.
        CheckpointError: the package is not whole.
    """
    known = _spelt(name)
    if known is None:
        raise ConfigError(f"no invented person is called {name!r}; `limner people` lists them")
    return asset_path(f"{FOLDER}/{file_name(known)}")


def described(sentence: str) -> str:
    """The sentence with "a woman", "a man" or "a person" in the place of each name."""
    return _NAMES_IN.sub(lambda found: _noun(found[0].title()), sentence)


def _noun(name: str) -> str:
    gender = next(one.gender for one in invented_people() if one.name == name)
    return f"a {gender}" if gender in ("woman", "man") else "a person"


def file_name(name: str) -> str:
    """Of the photo, in the package."""
    return name.lower().replace(" ", "-") + SUFFIX


def name_of(photo: Path) -> str | None:
    """Whose packaged photo this is, None if it is none."""
    if photo.parent != asset_path(FOLDER):
        return None
    return next((name for name in NAMES if file_name(name) == photo.name), None)


def names_in(sentence: str) -> list[str]:
    """The people whom a sentence names, each once, in its order; upper and lower case are the same."""
    return list(dict.fromkeys(found.title() for found in _NAMES_IN.findall(sentence)))


def named_in(sentence: str) -> Path | None:
    """The photo of whom a sentence names, None if it names nobody.

    Raises:
        ConfigError: it names several.
    """
    names = names_in(sentence)
    if len(names) > 1:
        raise ConfigError(
            f"the sentence names {' and '.join(names)}, and a portrait shows one person; name one, or draw them "
            "together with `limner group`"
        )
    return photo_of(names[0]) if names else None


def person_file(words: str | Path, folder: Path = Path()) -> Path:
    """The file ``words`` in ``folder``; where there is none, the photo of the invented person who is called so."""
    file, known = folder / words, _spelt(str(words))
    return file if known is None or file.exists() else photo_of(known)


def _spelt(words: str) -> str | None:
    """The name that ``words`` are, as :data:`NAMES` has it."""
    return next((name for name in names_in(words) if name.casefold() == words.strip().casefold()), None)
