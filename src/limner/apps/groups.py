"""Several people in one picture: each shown in a region of their own, looked for, and drawn again where they fail."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from limner.apps.drawing import Placed, Progress, Row, draw_rows
from limner.apps.group_redrawing import NOBODY, Checked, redraw_failed
from limner.apps.portrait_making import portrait_making
from limner.apps.settings import GroupSettings
from limner.core.errors import ConfigError
from limner.identity.enrolment import Photo, read_photo
from limner.identity.identity import Identity
from limner.trust.making import Making
from limner.trust.marks import save_picture

if TYPE_CHECKING:
    from limner.apps.studio import Studio

MAX_PEOPLE = 6
"""In one picture; whom a face shows is found by trying all assignments, and six have 720."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture, in [0, 1]."""
_WHITE_FROM = 128


@dataclass(frozen=True, eq=False)
class GroupPortrait:
    """One picture of several people.

    Attributes:
        image: RGB uint8 (height, width, 3).
        seed: draws this picture again.
        similarities: per person the cosine to the face that was assigned to them, None where none was left. Faces and
            people are matched one to one by the guide so that the sum is largest.
        in_place: per person whether that face lies in their own region.
        redrawn: per person how often their region was drawn again, because they were not found there.
        settings: what it was drawn with, nothing left open.
        making: what everybody may know about it.
    """

    image: np.ndarray
    seed: int
    similarities: tuple[float | None, ...]
    in_place: tuple[bool, ...]
    redrawn: tuple[int, ...]
    settings: GroupSettings
    making: Making

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a PNG that says what it is; raises InputError if it cannot be written."""
        save_picture(path, self.image, self.making)


def draw_group(
    studio: "Studio",
    people: Sequence[Identity],
    settings: GroupSettings,
    *,
    boxes: Sequence[Box] | None,
    masks: Sequence[Photo] | None,
    progress: Progress | None,
) -> list[GroupPortrait]:
    """See :meth:`limner.apps.studio.Studio.group`; the settings are complete."""
    assert settings.height is not None
    assert settings.width is not None
    size = settings.height, settings.width
    regions = _regions(len(people), size, boxes, masks)
    prompt, negative = studio.words(settings)
    for person in people:
        studio.guard.request(prompt, person)
    if settings.enlarge:
        _ = studio.assembly.enlarger  # a base without one is told before anything is drawn
    placed = Placed(tuple(people), regions)
    seeds = range(settings.seed, settings.seed + settings.count * settings.best_of)
    rows = [Row(prompt, seed, negative_prompt=negative, placed=placed) for seed in seeds]
    images = draw_rows(studio.assembly, rows, settings, size=size, progress=progress)
    for image in images:
        studio.guard.picture(image, prompt)
    check = partial(_check, studio, people, regions)
    drawn = [check(image) for image in images]
    found = list(zip(seeds, redraw_failed(studio, rows, drawn, settings, check=check, progress=progress), strict=True))
    if settings.best_of > 1:
        found = sorted(found, key=lambda one: one[1].rank, reverse=True)[: settings.count]
    return [_finished(studio, seed, one, settings) for seed, one in found]


def _finished(studio: "Studio", seed: int, found: Checked, settings: GroupSettings) -> GroupPortrait:
    making = portrait_making(studio.assembly, settings, seed)
    image = studio.assembly.enlarged(found.image, settings)
    return GroupPortrait(image, seed, found.similarities, found.in_place, found.redrawn, settings, making)


def columns(num_people: int) -> list[Box]:
    """Equal columns from left to right."""
    return [(number / num_people, 0.0, (number + 1) / num_people, 1.0) for number in range(num_people)]


def _regions(
    num_people: int, size: tuple[int, int], boxes: Sequence[Box] | None, masks: Sequence[Photo] | None
) -> np.ndarray:
    """bool (people, height, width), where each person is shown."""
    if not 1 <= num_people <= MAX_PEOPLE:
        raise ConfigError(f"{num_people} people were given; 1 to {MAX_PEOPLE} can be shown in one picture")
    if boxes is not None and masks is not None:
        raise ConfigError("boxes and masks were both given; say with one of them where people are")
    given = masks if masks is not None else boxes if boxes is not None else columns(num_people)
    if len(given) != num_people:
        raise ConfigError(f"{num_people} people and {len(given)} regions were given; give one region for each person")
    regions = np.zeros((num_people, *size), bool)
    for number in range(num_people):
        if masks is not None:
            regions[number] = _mask(masks[number], number, size)
        else:
            _fill(regions[number], (boxes or columns(num_people))[number])
        if not regions[number].any():
            raise ConfigError(f"the region of person {number} is empty; make it larger")
    return regions


def _fill(region: np.ndarray, box: Box) -> None:
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ConfigError(
            f"the box {box} is no part of the picture; give left, top, right, bottom as shares from 0 to 1"
        )
    height, width = region.shape
    region[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = True


def _mask(source: Photo, number: int, size: tuple[int, int]) -> np.ndarray:
    mask = read_photo(source, f"mask {number}").mean(axis=2) >= _WHITE_FROM
    if mask.shape != size:
        raise ConfigError(
            f"mask {number} is {mask.shape[1]} x {mask.shape[0]} pixels and the picture {size[1]} x {size[0]}; give "
            "masks of the picture's size"
        )
    return mask


def _check(studio: "Studio", people: Sequence[Identity], regions: np.ndarray, image: np.ndarray) -> Checked:
    """Whom each face shows, one to one."""
    faces = sorted(studio.analyzer.detect(image), key=lambda face: -face.area)[:MAX_PEOPLE]
    table = np.array([[_told(studio.similarity(image, one, face)) for face in faces] for one in people])
    chosen = match(table.reshape(len(people), len(faces)))
    similarities: list[float | None] = []
    in_place: list[bool] = []
    for number, face in enumerate(chosen):
        if face is None:
            similarities.append(None)
            in_place.append(False)
            continue
        similarities.append(None if table[number, face] == NOBODY else float(table[number, face]))
        column, row = (round(value) for value in faces[face].center)
        inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
        in_place.append(inside and bool(regions[number, row, column]))
    return Checked(image, tuple(similarities), tuple(in_place), (0,) * len(people))


def match(table: np.ndarray) -> list[int | None]:
    """For each person (row) the face (column) that is theirs, one to one, so that the sum of cosines is largest.

    Where there are fewer faces than people, those whom the faces resemble least go without.
    """
    people, faces = table.shape
    padded = np.full((people, max(people, faces)), NOBODY - 1)
    padded[:, :faces] = table
    rows = np.arange(people)
    best = max(permutations(range(padded.shape[1]), people), key=lambda order: float(padded[rows, order].sum()))
    return [face if face < faces else None for face in best]


def _told(similarity: float | None) -> float:
    return NOBODY if similarity is None else similarity
