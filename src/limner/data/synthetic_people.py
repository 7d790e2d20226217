"""Makes training shards of invented people: draw, measure, filter, write. Killed at any point, it goes on where it was.

A folder holds ``crowd.json`` (who is in it), ``pictures/`` (256 px JPEG and the edits of each person) and, once
measured, ``shards/*.tar``.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from limner.core.errors import InputError
from limner.core.files import replacing
from limner.core.images import read_image
from limner.data.face_generator import FaceGenerator
from limner.data.measuring import ApparentPerson, MeasuredFace, PictureMeasurer, same_person
from limner.data.pools import Pool
from limner.data.record import FaceRecord, write_shard
from limner.data.synthesis import Directions, plan_person

PIXELS = 256
PEOPLE_PER_SHARD = 250
SAME_PERSON = 0.45
"""Guide similarity to the person's first picture; real pairs average 0.645, the threshold at FAR 1e-3 is 0.362."""
GROWN_UP_YEARS = 25
"""Whoever looks younger is left out. Of the generated people whom the estimator of age held for 20 to 25 about one in
seven looked like a child to the eye, so the line lies above what is asked of photos of real people."""
VALIDATION_EVERY = 16
"""Every sixteenth person is never trained on."""
SOURCE = "random-face"
LICENCE = "generated-people"
"""Record in `limner licences`."""

Progress = Callable[[int, int], None]
ArtistMaker = Callable[[], tuple[FaceGenerator, Directions]]
"""Of the generator, in the precision that it is to draw in, and of the edits; sent to each process."""
MeasurerMaker = Callable[[], PictureMeasurer]


@dataclass(frozen=True)
class Crowd:
    """Which people to make: numbers 0 to ``people`` - 1, ``pictures`` of each, from one ``seed``."""

    people: int
    pictures: int = 3
    seed: int = 1


class CrowdWorkbench:
    """What one process needs to draw and to measure people of a crowd; networks are read when they are first used."""

    def __init__(self, folder: Path, crowd: Crowd, make_artist: ArtistMaker, make_measurer: MeasurerMaker) -> None:
        self._folder, self._crowd, self._make_artist, self._make_measurer = folder, crowd, make_artist, make_measurer

    def draw(self, person: int) -> None:
        """Write the pictures of this person, and last, as the sign that all are there, the edits."""
        pictures, (generator, directions) = self._folder / "pictures", self._artist
        shots = plan_person(person, self._crowd.pictures, generator, directions, seed=self._crowd.seed)
        precision = next(generator.blocks.buffers()).dtype
        faces = generator(torch.stack([shot.styles for shot in shots]).to(precision))
        faces = F.interpolate(faces, (PIXELS, PIXELS), mode="area").clamp(-1, 1)
        for shot, face in zip(shots, ((faces + 1) * 127.5).round().byte(), strict=True):
            bgr = face.permute(1, 2, 0).numpy()[..., ::-1]
            jpeg = cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
            with replacing(_picture_of(self._folder, person, shot.picture)) as path:
                path.write_bytes(jpeg.tobytes())
        with replacing(pictures / f"{person:05d}.json") as path:
            path.write_text(json.dumps([shot.edits for shot in shots]))

    def measure(self, person: int) -> list[MeasuredFace | None]:
        """What is to be seen in each picture of this person; None where there is no face."""
        paths = (_picture_of(self._folder, person, i) for i in range(self._crowd.pictures))
        return [self._measurer.measure(read_image(path)) for path in paths]

    @cached_property
    def _artist(self) -> tuple[FaceGenerator, Directions]:
        return self._make_artist()

    @cached_property
    def _measurer(self) -> PictureMeasurer:
        return self._make_measurer()


def draw_pictures(folder: Path, crowd: Crowd, pool: Pool, progress: Progress) -> None:
    """Write ``pictures/`` for every person that is not there yet; ``pool`` has a :class:`CrowdWorkbench`.

    Raises:
        InputError: the folder holds another crowd; it may only grow.
    """
    _join_crowd(folder, crowd)
    missing = [p for p in range(crowd.people) if not (folder / "pictures" / f"{p:05d}.json").exists()]
    progress(crowd.people - len(missing), crowd.people)
    for number, _ in enumerate(pool.map("draw", missing), 1 + crowd.people - len(missing)):
        progress(number, crowd.people)


def write_shards(folder: Path, crowd: Crowd, pool: Pool, progress: Progress) -> dict[str, int]:
    """Measure the pictures and write the missing shards; returns how many pictures of these shards were kept and
    dropped, by reason."""
    counts = {"kept": 0, "too young": 0, "another person": 0, "no face": 0}
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    for start in range(0, crowd.people, PEOPLE_PER_SHARD):
        shard = _shard_of(folder, start)
        people = range(start, min(start + PEOPLE_PER_SHARD, crowd.people))
        if not shard.exists():
            write_shard(shard, _records(folder, people, crowd, pool, counts, progress))
        progress(people.stop, crowd.people)
    return counts


def _picture_of(folder: Path, person: int, picture: int) -> Path:
    return folder / "pictures" / f"{person:05d}_{picture}.jpg"


def _shard_of(folder: Path, person: int) -> Path:
    return folder / "shards" / f"generated-{person // PEOPLE_PER_SHARD:03d}.tar"


def _join_crowd(folder: Path, crowd: Crowd) -> None:
    """Write down whose folder it is; where more people are wanted than before, the last, unfilled shard goes."""
    path = folder / "crowd.json"
    before = Crowd(**json.loads(path.read_text())) if path.exists() else crowd
    if (before.pictures, before.seed) != (crowd.pictures, crowd.seed) or before.people > crowd.people:
        raise InputError(
            f"{folder} was begun for {before}, not for {crowd}; choose another folder, or only more people"
        )
    if before.people < crowd.people and before.people % PEOPLE_PER_SHARD:
        _shard_of(folder, before.people).unlink(missing_ok=True)
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(asdict(crowd)))


def _records(
    folder: Path, people: range, crowd: Crowd, pool: Pool, counts: dict[str, int], progress: Progress
) -> Iterator[FaceRecord]:
    for person, measured in zip(people, pool.map("measure", people), strict=True):
        images = [read_image(_picture_of(folder, person, i)) for i in range(crowd.pictures)]
        edits = json.loads((folder / "pictures" / f"{person:05d}.json").read_text())
        found = [m.age_gender for m in measured if m is not None and m.age_gender is not None]
        progress(person, crowd.people)
        who = ApparentPerson.of(found)
        if not found or who.years < GROWN_UP_YEARS:
            counts["too young" if found else "no face"] += len(images)
            continue
        kept = same_person(measured, threshold=SAME_PERSON)
        for number, (face, keep) in enumerate(zip(measured, kept, strict=True)):
            counts["kept" if keep else "no face" if face is None else "another person"] += 1
            if face is None or not keep:
                continue
            yield FaceRecord(
                key=f"{person:05d}_{number}",
                person=f"generated-{person:05d}",
                source=SOURCE,
                split="validation" if person % VALIDATION_EVERY == 0 else "train",
                image=images[number],
                labels=face.labels,
                landmarks=face.landmarks,
                numbers=face.numbers,
                age_years=who.years_in(face.age_gender),
                male=who.male,
                embeddings=dict(face.embeddings),
                edits=edits[number],
                licence=LICENCE,
                quality=face.quality,
                face_box=face.face_box,
            )
