"""One face picture with what is known about it, and tar shards of them (webdataset layout).

A record is three members of a tar with the same key: ``.jpg`` (picture), ``.png`` (parser class ids), ``.json``; a
fourth, ``.safetensors``, holds what models made of it, if that was asked for.
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import TypeAdapter
from safetensors.numpy import load, save

from limner.core.errors import InputError
from limner.data.attributes import Measurements
from limner.data.tar_samples import Parts, Sample, path_errors, read_samples, write_samples
from limner.identity.recognition import GUIDE_SPACE

VERSION = 2
"""Version 1 had one embedding, the guide's, and neither caption, licence, quality nor box; it is still read."""
PICTURE, LABELS, FACTS, CACHED = "jpg", "png", "json", "safetensors"
JPEG_QUALITY = 95
_NUMBERS = TypeAdapter(Measurements)
_PLAIN = ("key", "person", "source", "split", "male", "edits", "caption", "licence", "quality")


@dataclass(frozen=True)
class FaceRecord:
    """One picture.

    Attributes:
        image: ``(height, width, 3)`` RGB uint8.
        labels: ``(rows, columns)`` parser class ids of the whole picture, at its own resolution.
        landmarks: ``(5, 2)`` in pixels of ``image``.
        split: ``train`` or ``validation``.
        age_years: apparent age; NaN where nobody looked.
        male: probability in [0, 1]; 0.5 where nobody looked.
        embeddings: unit vectors ``(dim,)`` by feature space.
        caption: a sentence that describes the picture; None if it has none, or a new one is to be made at each use.
        licence: name of a record in `limner licences`, or the terms in words.
        quality: recognisability, 0 to 1; None if not measured.
        face_box: x, y, width, height in pixels of ``image``.
        cached: what models made of the picture or its caption, by ``<kind>/<hash of the model>``.
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
    embeddings: dict[str, np.ndarray]
    edits: dict[str, float] = field(default_factory=dict)
    caption: str | None = None
    licence: str = ""
    quality: float | None = None
    face_box: tuple[float, float, float, float] | None = None
    cached: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def guide_embedding(self) -> np.ndarray:
        """The embedding ``(512,)`` of the recogniser that training may look at."""
        return self.embeddings[GUIDE_SPACE]


def write_shard(path: Path, records: Iterable[FaceRecord], *, jpeg_quality: int = JPEG_QUALITY) -> int:
    """Write records to a tar and return how many; the file appears under its name only when complete."""
    return write_samples(path, (sample_of(record, jpeg_quality=jpeg_quality) for record in records))


def shards_in(folder: Path) -> list[Path]:
    """The shards of a folder in the order of names.

    Raises:
        InputError: it holds none.
    """
    shards = sorted(path for path in folder.glob("*.tar") if not path.name.startswith("."))
    if not shards:
        raise InputError(
            f"{folder} holds no shards (*.tar); make them with `limner data synthesize` or `limner data prepare`"
        )
    return shards


def read_shards(folder: Path) -> Iterator[FaceRecord]:
    """Records of all ``*.tar`` in ``folder``, in the order of names.

    Raises:
        InputError: the folder holds no shard, or a shard is broken or was written by another version.
    """
    for shard in shards_in(folder):
        with path_errors(shard):
            for sample in read_samples(shard):
                yield record_of(sample, shard)


def sample_of(record: FaceRecord, *, jpeg_quality: int = JPEG_QUALITY) -> Sample:
    """A record as the members of a tar."""
    parts: Parts = {
        PICTURE: _encoded(record.image, "JPEG", quality=jpeg_quality),
        LABELS: _encoded(record.labels.astype(np.uint8), "PNG"),
        FACTS: encode_facts(facts_of(record)),
    }
    return Sample(record.key, parts | ({CACHED: save(record.cached)} if record.cached else {}))


def record_of(sample: Sample, shard: Path) -> FaceRecord:
    """The record in the members of a tar; ``shard`` is named in messages.

    Raises:
        InputError: another version wrote it.
        ValueError, KeyError, TypeError, OSError: it is no record.
    """
    about = decode_facts(sample.parts[FACTS], shard)
    arrays: dict[str, Any] = {
        "image": np.asarray(Image.open(io.BytesIO(sample.parts[PICTURE])).convert("RGB")),
        "labels": np.asarray(Image.open(io.BytesIO(sample.parts[LABELS]))),
        "landmarks": np.asarray(about["landmarks"], np.float32),
        "embeddings": {space: np.asarray(vector, np.float32) for space, vector in about["embeddings"].items()},
        "cached": load(sample.parts[CACHED]) if CACHED in sample.parts else {},
    }
    arrays["numbers"] = _NUMBERS.validate_python(about["numbers"])
    return FaceRecord(**about | arrays)


def facts_of(record: FaceRecord) -> dict[str, Any]:
    """Everything but the pixels and what models made of them, ready for JSON."""
    return {name: getattr(record, name) for name in _PLAIN} | {
        "version": VERSION,
        "age_years": None if np.isnan(record.age_years) else record.age_years,
        "landmarks": np.round(record.landmarks.astype(float), 2).tolist(),
        "face_box": None if record.face_box is None else [round(float(v), 2) for v in record.face_box],
        "embeddings": {s: np.round(vector.astype(float), 5).tolist() for s, vector in record.embeddings.items()},
        "numbers": asdict(record.numbers),
    }


def encode_facts(facts: Mapping[str, Any]) -> bytes:
    """Facts as a member of a tar; the same facts give the same bytes."""
    return json.dumps(facts, sort_keys=True).encode()


def decode_facts(content: bytes, shard: Path) -> dict[str, Any]:
    """Facts of a record of any version as the arguments of ``FaceRecord``, arrays as lists.

    Raises:
        InputError: a version that this Limner does not know.
    """
    about = json.loads(content)
    version = about.pop("version", None)
    if version not in (1, VERSION):
        raise InputError(f"{shard}: records are not of version {VERSION}; make the shards anew")
    if version == 1:
        about["embeddings"] = {GUIDE_SPACE: about.pop("guide_embedding")}
    about["age_years"] = float("nan") if about["age_years"] is None else about["age_years"]
    about["face_box"] = tuple(about["face_box"]) if about.get("face_box") else None
    return about


def _encoded(pixels: np.ndarray, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
