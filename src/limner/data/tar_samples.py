"""Tars in webdataset's layout: members that belong together share a key, the part of their names before the first dot.

A sample's bytes lie in one piece, so that it can be read without its neighbours, and copied without being decoded.
"""

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from limner.core.errors import InputError
from limner.core.files import replacing

Parts = dict[str, bytes]
"""Content by ending without the leading dot, e.g. ``jpg``, in the order of the file."""
BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Sample:
    """Members of one key."""

    key: str
    parts: Parts


@dataclass(frozen=True)
class Place:
    """Where a sample lies: bytes ``start`` to ``end`` of its tar."""

    key: str
    start: int
    end: int


def write_samples(path: Path, samples: Iterable[Sample]) -> int:
    """Write a tar and return the number of samples; the file appears under its name only when complete."""
    count = 0
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        for sample in samples:
            file.write(sample_bytes(sample))
            count += 1
        file.write(bytes(2 * BLOCK))
        file.write(bytes(-file.tell() % tarfile.RECORDSIZE))
    return count


def sample_bytes(sample: Sample) -> bytes:
    """A sample as it lies in a tar; pieces put together, with two empty blocks at the end, are one."""
    pieces = []
    for ending, content in sample.parts.items():
        member = tarfile.TarInfo(f"{sample.key}.{ending}")
        member.size = len(content)
        pieces += [member.tobuf(), content, bytes(-len(content) % BLOCK)]
    return b"".join(pieces)


def read_samples(path: Path) -> Iterator[Sample]:
    """All samples of a whole tar in their order.

    Raises:
        InputError: it is missing, cut or no tar.
    """
    with path_errors(path), path.open("rb") as file:
        require_end(file)
        for place, parts in _grouped(file):
            yield Sample(place.key, parts)


def scan_places(file: BinaryIO, wanted: str) -> Iterator[tuple[Place, bytes]]:
    """Where each sample of an open tar lies, with the content of its part ``wanted`` (empty if it lacks one); other
    contents are skipped."""
    for place, parts in _grouped(file, only=wanted):
        yield place, parts.get(wanted, b"")


def read_place(path: Path, place: Place) -> Sample:
    """One sample of a tar.

    Raises:
        InputError: the file is missing, or something else lies there.
    """
    with path_errors(path), path.open("rb") as file:
        file.seek(place.start)
        stream = io.BytesIO(file.read(place.end - place.start))
        found = [Sample(one.key, parts) for one, parts in _grouped(stream)]
        if [sample.key for sample in found] != [place.key]:
            raise tarfile.ReadError(f"{place.key} is not where it was")
    return found[0]


class path_errors:
    """Turns whatever goes wrong while a tar is read into one error that names it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, tarfile.TarError | OSError | ValueError | KeyError | TypeError):
            raise InputError(f"{self._path} is not a whole shard ({error}); delete it and make it anew") from error


def require_end(file: BinaryIO) -> None:
    """A tar ends in two blocks of zeros; one that was cut between two members could be read without a complaint.

    Raises:
        tarfile.ReadError: the end is missing.
    """
    file.seek(0, io.SEEK_END)
    if file.tell() < 2 * BLOCK:
        raise tarfile.ReadError("it is empty")
    file.seek(-2 * BLOCK, io.SEEK_END)
    if any(file.read()):
        raise tarfile.ReadError("its end is missing")
    file.seek(0)


def _grouped(file: BinaryIO, *, only: str | None = None) -> Iterator[tuple[Place, Parts]]:
    """Members put together by key; of the contents all, or those of one ending. A repeated ending begins a sample."""
    key, start, end, endings, parts = "", 0, 0, set[str](), Parts()
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            # tarfile would keep every header it has seen; its stubs hide the list.
            tar.members = []  # pyright: ignore[reportAttributeAccessIssue]
            name, _, ending = member.name.partition(".")
            if key and (name != key or ending in endings):
                yield Place(key, start, end), parts
                key = ""
            if not key:
                key, start, endings, parts = name, member.offset, set(), Parts()
            endings.add(ending)
            content = tar.extractfile(member) if only in (None, ending) else None
            if content is not None:
                parts[ending] = content.read()
            end = member.offset_data + -(-member.size // BLOCK) * BLOCK
    if key:
        yield Place(key, start, end), parts
