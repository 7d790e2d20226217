"""Whom an evaluation draws: people of shards, and real people of a packed photo set that no training has seen."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from limner.core.errors import InputError
from limner.data.captions import describe
from limner.data.photo_sets import read_photos
from limner.data.record import FaceRecord
from limner.data.shard_index import ShardIndex
from limner.data.synthetic_people import SOURCE
from limner.evaluation.measuring import Instruments, enlarged
from limner.evaluation.protocol import Person, Protocol

SPLIT = "validation"
_TOGETHER = 64  # pictures of which the feature network's maps are held at a time
_GENERATED = re.compile(r"generated-\d+")
"""Names that `limner data synthesize` gives."""


def people_of(index: ShardIndex, rules: Protocol, *, split: str = SPLIT) -> list[Person]:
    """People of a split with two photos or more, in the order of the shards.

    Raises:
        InputError: there are fewer than two.
    """
    chosen = [numbers for numbers in index.people_in(split).values() if len(numbers) > 1][: rules.people]
    if len(chosen) < 2:
        raise InputError(
            f"{index.folder} has {len(chosen)} people with two photos or more in the split {split!r}; two people are "
            "needed, so that a likeness can be told from a chance one. Give shards with more people (--shards)"
        )
    return [_of_records([index[number] for number in numbers[: rules.photos]]) for numbers in chosen]


def features_of(index: ShardIndex, instruments: Instruments, side: int) -> np.ndarray:
    """Features ``(pictures, width)`` of all pictures of shards, made as coarse as drawn ones of that side."""
    numbers = range(len(index))
    parts = [numbers[start : start + _TOGETHER] for start in numbers[::_TOGETHER]]
    return np.concatenate([instruments.pooled([index[number].image for number in part], side) for part in parts])


def spaces_of(index: ShardIndex) -> list[str]:
    """Feature spaces in which the shards' faces are embedded; whoever made them filtered the data."""
    firsts = {entry.shard: number for number, entry in reversed(list(enumerate(index.entries)))}
    return sorted({space for number in firsts.values() for space in index.facts(number)["embeddings"]})


def real_people(folder: Path, rules: Protocol, instruments: Instruments) -> list[Person]:
    """People with two colour photos or more whose first photo has a face, in the order of their names.

    Their pictures are measured and thrown away.

    Raises:
        InputError: the folder holds no photo set, or fewer than two such people.
    """
    grouped: dict[str, list[np.ndarray]] = defaultdict(list)
    for _, image, about in read_photos(folder):
        if not about["attributes"].get("gray") and len(grouped[about["identity"]]) < rules.photos:
            grouped[about["identity"]].append(enlarged(image))
    people: list[Person] = []
    for name, photos in sorted(grouped.items()):
        if len(photos) > 1 and len(people) < rules.people and (person := _of_photos(name, photos, instruments)):
            people.append(person)
    if len(people) < 2:
        raise InputError(f"{folder} has {len(people)} people with two photos of a face; two are needed (--real)")
    return people


def _of_records(records: Sequence[FaceRecord]) -> Person:
    first = records[0]
    return Person(
        name=first.person,
        photos=[record.image for record in records],
        gender=describe(first.numbers, age_years=first.age_years, male=first.male).gender,
        age=first.age_years,
        skin_tone=first.numbers.skin_tone_angle,
        yaw=first.numbers.yaw,
        generated=first.source == SOURCE and _GENERATED.fullmatch(first.person) is not None,
    )


def _of_photos(name: str, photos: Sequence[np.ndarray], instruments: Instruments) -> Person | None:
    face = instruments.face_of(photos[0])
    if face is None:
        return None
    return Person(
        name=name,
        photos=photos,
        gender=face.traits.gender,
        age=face.years,
        skin_tone=face.numbers.skin_tone_angle,
        yaw=face.numbers.yaw,
        generated=False,
    )
