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

from limner.data.measuring import PictureMeasurer
from limner.data.record import FaceRecord
from limner.data.synthetic_people import ADULT_YEARS, PIXELS

SHIPPABLE_SETS = ("synthetic-sfhq", "london-set", "cc0-interfaces", "us-congress")
"""Sets whose licence lets them train weights that ship: MIT, CC BY 4.0, CC0, public domain."""


def read_photos(folder: Path) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
    """Key, RGB uint8 picture and facts of every photo in the tars of one set."""
    for shard in sorted(folder.glob("*.tar")):
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
        stated = about["attributes"]
        if stated.get("gray"):
            continue
        image = cv2.resize(image, (PIXELS, PIXELS), interpolation=cv2.INTER_CUBIC)
        face = measurer.measure(image)
        if face is None:
            continue
        age, gender = stated.get("age"), str(stated.get("gender", "")).lower()
        years = face.age_gender.years if age in (None, "", "NA") else float(age)
        if years < ADULT_YEARS:
            continue
        known = {"m": 1.0, "male": 1.0, "man": 1.0, "f": 0.0, "female": 0.0, "woman": 0.0}
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
            male=known.get(gender, face.age_gender.male),
            guide_embedding=face.guide_embedding,
        )
