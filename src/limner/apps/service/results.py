"""Finished pictures of a job: written under names that no row has yet; the rows follow when the job ends."""

import hashlib
import os
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import sqlalchemy as sa

from limner.apps.service.bench import Bench
from limner.apps.service.blobs import PICTURES, new_id
from limner.apps.service.database import count
from limner.apps.service.job import Job
from limner.apps.service.job_kinds import Outcome
from limner.apps.service.tables import jobs, pictures


class Finished(Protocol):
    """A picture that can be written with its marks; portraits and scenes are such."""

    @property
    def image(self) -> np.ndarray: ...

    @property
    def seed(self) -> int: ...

    @property
    def similarity(self) -> float | None: ...

    def save(self, path: str | os.PathLike[str]) -> None: ...


def keep_pictures(job: Job, made: Mapping[int, Finished], bench: Bench, *, remark: str | None = None) -> Outcome:
    """Write pictures, and say how their rows come into the tables.

    Args:
        made: by position among the pictures of the job.
        remark: what is to be said of a job that is done and lacks something.
    """
    rows = [_row(job, position, one, bench) for position, one in made.items()]
    names = [str(row["id"]) for row in rows]

    def record(connection: sa.Connection) -> None:
        connection.execute(sa.insert(pictures), rows)
        count(connection, "pictures", len(rows))
        if remark is not None:
            connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(problem=remark))

    return Outcome(record, discard=lambda: bench.blobs.remove(PICTURES, names))


def _row(job: Job, position: int, picture: Finished, bench: Bench) -> dict[str, object]:
    picture_id = new_id()
    path = bench.blobs.path(PICTURES, picture_id)
    picture.save(path)
    height, width = picture.image.shape[:2]
    return {
        "id": picture_id,
        "job_id": job.id,
        "position": position,
        "seed": picture.seed,
        "similarity": picture.similarity,
        "width": width,
        "height": height,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
