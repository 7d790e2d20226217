"""Packed photo sets (tar of ``<key>.jpg`` + ``<key>.json``, see ``specs/datasets.md``) as records."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from limner.core.errors import InputError
from limner.data.measuring import ADULT_YEARS, PictureMeasurer
from limner.data.record import FaceRecord
from limner.data.synthetic_people import PIXELS

SHIPPABLE_SETS = ("synthetic-sfhq", "london-set", "cc0-interfaces", "us-congress")
"""Sets whose licence lets them train weights that ship: MIT, CC BY 4.0, CC0, public domain."""
_GENDERS = {"m": 1.0, "male": 1.0, "man": 1.0, "f": 0.0, "female": 0.0, "woman": 0.0}
"""Stated gender -> probability of male."""


def read_photos(folder: Path) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
    """Key, RGB uint8 picture and facts of every photo in the tars of one set.

    Raises:
        InputError: the folder holds no tar, or one that is not laid out like this.
    """
    shards = sorted(folder.glob("*.tar"))
    if not shards:
        raise InputError(f"{folder} holds no photo set; give a folder with tars of KEY.jpg and KEY.json in turn")
    for shard in shards:
        try:
            yield from _photos_of(shard)
        except (tarfile.TarError, OSError, ValueError) as error:
            raise InputError(f"{shard} is not a tar of KEY.jpg and KEY.json in turn ({error}); pack it anew") from error


def _photos_of(shard: Path) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
    with tarfile.open(shard) as tar:
        members = iter(tar)
        for picture, facts in zip(members, members, strict=True):
            image, about = tar.extractfile(picture), tar.extractfile(facts)
            assert image is not None
            assert about is not None
            yield (
                Path(picture.name).stem,
                np.asarray(Image.open(io.BytesIO(image.read())).convert("RGB")),
                json.loads(about.read()),
            )


def records_of_set(folder: Path, measurer: PictureMeasurer, *, split: str) -> Iterator[FaceRecord]:
    """Colour photos of adults with a face. Stated age and gender go before the classifier's."""
    for key, image, about in read_photos(folder):
        stated = about.get("attributes", {})
        if stated.get("gray"):
            continue
        image = cv2.resize(image, (PIXELS, PIXELS), interpolation=cv2.INTER_CUBIC)
        face = measurer.measure(image)
        if face is None or face.age_gender is None:
            continue
        years = _number(stated.get("age"), otherwise=face.age_gender.years)
        if years < ADULT_YEARS:
            continue
        yield FaceRecord(
            key=f"{folder.name}-{key}".replace(".", "_"),
            person=f"{folder.name}-{about['identity']}",
            source=folder.name,
            split=split,
            image=image,
            labels=face.labels,
            landmarks=face.landmarks,
            numbers=face.numbers,
            age_years=years,
            male=_GENDERS.get(str(stated.get("gender")).lower(), face.age_gender.male),
            embeddings=dict(face.embeddings),
            licence=folder.name,
            quality=face.quality,
            face_box=face.face_box,
        )


def _number(stated: object, *, otherwise: float) -> float:
    """Sets write "NA", nothing or a range where an age is not known."""
    try:
        return float(str(stated))
    except ValueError:
        return otherwise
