"""One face picture with what is known about it, and tar shards of them (webdataset layout).

A record is three members of a tar with the same key: ``.jpg`` (picture), ``.png`` (parser class ids), ``.json``.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from limner.core.errors import InputError
from limner.core.files import replacing
from limner.data.attributes import Measurements

VERSION = 1
_NUMBERS = TypeAdapter(Measurements)


@dataclass(frozen=True)
class FaceRecord:
    """One picture.

    ``image`` ``(height, width, 3)`` RGB uint8; ``labels`` ``(rows, columns)`` parser class ids of the whole picture,
    at its own resolution; ``landmarks`` ``(5, 2)`` in pixels of ``image``; ``male`` in [0, 1]; ``split`` is ``train``
    or ``validation``.
    """

    key: str
    person: str
    source: str
    split: str
    image: np.ndarray
    labels: np.ndarray
    landmarks: np.ndarray
    numbers: Measurements
    age_years: float
    male: float
    guide_embedding: np.ndarray
    edits: dict[str, float] = field(default_factory=dict)


def write_shard(path: Path, records: Iterable[FaceRecord], *, jpeg_quality: int = 95) -> int:
    """Write records to a tar and return how many; the file appears under its name only when complete."""
    count = 0
    with replacing(path) as unfinished, tarfile.open(unfinished, "w") as tar:
        for record in records:
            _add(tar, f"{record.key}.jpg", _encoded(record.image, "JPEG", quality=jpeg_quality))
            _add(tar, f"{record.key}.png", _encoded(record.labels.astype(np.uint8), "PNG"))
            _add(tar, f"{record.key}.json", json.dumps(_facts(record), sort_keys=True).encode())
            count += 1
    return count


def read_shards(folder: Path) -> Iterator[FaceRecord]:
    """Records of all ``*.tar`` in ``folder``, in the order of names.

    Raises:
        InputError: the folder holds no shard, or a shard is broken or was written by another version.
    """
    shards = sorted(folder.glob("*.tar"))
    if not shards:
        raise InputError(f"{folder} holds no shards (*.tar); make them with `limner data synthesize`")
    for shard in shards:
        yield from _records_of(shard)


def _records_of(shard: Path) -> Iterator[FaceRecord]:
    try:
        _require_end(shard)
        with tarfile.open(shard) as tar:
            members = iter(tar)
            for picture, labels, facts in zip(members, members, members, strict=True):
                about = json.loads(_content(tar, facts))
                if about.pop("version", None) != VERSION:
                    raise InputError(f"{shard}: records are not of version {VERSION}; make the shards anew")
                arrays = {
                    "image": np.asarray(Image.open(io.BytesIO(_content(tar, picture))).convert("RGB")),
                    "labels": np.asarray(Image.open(io.BytesIO(_content(tar, labels)))),
                    "landmarks": np.asarray(about["landmarks"], np.float32),
                    "guide_embedding": np.asarray(about["guide_embedding"], np.float32),
                }
                yield FaceRecord(**about | arrays | {"numbers": _NUMBERS.validate_python(about["numbers"])})
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{shard} is not a whole shard ({error}); delete it and make it anew") from error


def _require_end(shard: Path) -> None:
    """A tar ends in two blocks of zeros; one that was cut between two members could be read without a complaint."""
    with shard.open("rb") as file:
        file.seek(-2 * tarfile.BLOCKSIZE, io.SEEK_END)
        if any(file.read()):
            raise tarfile.ReadError("its end is missing")


def _facts(record: FaceRecord) -> dict[str, object]:
    plain = ("key", "person", "source", "split", "age_years", "male", "edits")
    return {name: getattr(record, name) for name in plain} | {
        "version": VERSION,
        "landmarks": np.round(record.landmarks.astype(float), 2).tolist(),
        "guide_embedding": np.round(record.guide_embedding.astype(float), 5).tolist(),
        "numbers": asdict(record.numbers),
    }


def _encoded(pixels: np.ndarray, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    assert stream is not None
    return stream.read()
