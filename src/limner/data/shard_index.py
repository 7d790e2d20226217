"""Random access to the records of a folder of shards.

Beside each shard ``a.tar`` lies ``a.index.json`` with the place, person, split and source of each record. It is made
when first needed, and made anew when the shard has changed; where it cannot be written it is kept in memory only.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from limner.core.errors import InputError
from limner.core.files import replacing
from limner.data.record import FACTS, FaceRecord, decode_facts, record_of, shards_in
from limner.data.tar_samples import Place, Sample, path_errors, read_place, require_end, scan_places

SIDECAR = ".index.json"
VERSION = 1


@dataclass(frozen=True)
class Entry:
    """What the index knows of one record."""

    shard: str
    place: Place
    person: str
    split: str
    source: str


class ShardIndex:
    """Records by number, in the order of ``read_shards``. Holds no open file, so it may be handed to other processes.

    Attributes:
        entries: one per record.
        people: person -> numbers of the person's records, in order.
        split: ``train`` or ``validation`` per record.

    Raises:
        InputError: the folder holds no shard, or a broken one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries = [entry for shard in shards_in(folder) for entry in entries_of(shard)]
        self.people: dict[str, list[int]] = people_of(self.entries, range(len(self.entries)))
        self.split = [entry.split for entry in self.entries]

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, number: int) -> FaceRecord:
        """Read one record from disk.

        Raises:
            InputError: the shard is gone or was changed since.
        """
        shard = self.folder / self.entries[number].shard
        with path_errors(shard):
            return record_of(self.sample(number), shard)

    def sample(self, number: int) -> Sample:
        """One record's members, not decoded."""
        entry = self.entries[number]
        return read_place(self.folder / entry.shard, entry.place)

    def facts(self, number: int) -> dict[str, Any]:
        """One record without pixels and cached tensors, arrays as lists."""
        shard = self.folder / self.entries[number].shard
        with path_errors(shard):
            return decode_facts(self.sample(number).parts[FACTS], shard)

    def people_in(self, split: str) -> dict[str, list[int]]:
        """People and record numbers of one split only."""
        return people_of(self.entries, self.numbers_of(split))

    def of_split(self, split: str) -> "ChosenRecords":
        """The records of one split, in order."""
        return ChosenRecords(self, self.numbers_of(split))

    def numbers_of(self, split: str) -> list[int]:
        """Numbers of the records of one split, in order."""
        return [number for number, entry in enumerate(self.entries) if entry.split == split]


class ChosenRecords(Sequence[FaceRecord]):
    """Some records of an index, read from disk whenever one is asked for: more pictures than fit into memory."""

    def __init__(self, index: ShardIndex, numbers: Sequence[int]) -> None:
        self._index, self._numbers = index, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> FaceRecord: ...

    @overload
    def __getitem__(self, place: slice) -> list[FaceRecord]: ...

    def __getitem__(self, place: int | slice) -> FaceRecord | list[FaceRecord]:
        """One record, or a list of them.

        Raises:
            InputError: the shard is gone or was changed since.
        """
        chosen = self._numbers[place]
        return self._index[chosen] if isinstance(chosen, int) else [self._index[number] for number in chosen]


def people_of(entries: list[Entry], numbers: Iterable[int]) -> dict[str, list[int]]:
    """Person -> record numbers, people in the order of their first record."""
    people: dict[str, list[int]] = {}
    for number in numbers:
        people.setdefault(entries[number].person, []).append(number)
    return people


def sidecar_of(shard: Path) -> Path:
    """Where the index of a shard lies."""
    return shard.with_suffix(SIDECAR)


def entries_of(shard: Path) -> list[Entry]:
    """The index of one shard, from its sidecar if that is up to date.

    Raises:
        InputError: the shard is broken.
    """
    stamp = _stamp(shard)
    known = _read_sidecar(sidecar_of(shard), stamp)
    if known is None:
        known = _scan(shard)
        with suppress(InputError), replacing(sidecar_of(shard)) as unfinished:
            unfinished.write_text(json.dumps({"version": VERSION, "shard": stamp, "records": known}))
    return [
        Entry(shard.name, Place(key, start, end), person, split, source)
        for key, start, end, person, split, source in known
    ]


def _stamp(shard: Path) -> list[int]:
    with path_errors(shard):
        state = shard.stat()
    return [state.st_size, state.st_mtime_ns]


def _read_sidecar(path: Path, stamp: list[int]) -> list[list[Any]] | None:
    """The rows, or None if there are none for the shard as it is now."""
    try:
        content = json.loads(path.read_text())
        return content["records"] if (content["version"], content["shard"]) == (VERSION, stamp) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _scan(shard: Path) -> list[list[Any]]:
    with path_errors(shard), shard.open("rb") as file:
        require_end(file)
        rows = []
        for place, content in scan_places(file, FACTS):
            about = decode_facts(content, shard)
            rows.append([place.key, place.start, place.end, about["person"], about["split"], about["source"]])
        return rows
