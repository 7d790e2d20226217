"""``/v1/status``: what somebody who runs the service wants to know at a glance; `limner doctor --url` reads it."""

import shutil
from importlib.metadata import version
from typing import Literal

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel, Field

from limner.apps.service.api.desk import Desk, Reader, TheDesk
from limner.apps.service.api.problems import told
from limner.apps.service.leases import PRESENT
from limner.apps.service.queueing import waiting
from limner.apps.service.settings import Limits
from limner.apps.service.tables import workers

router = APIRouter(prefix="/v1/status", tags=["system"], responses=told(401, 403, 422, 503))


class WorkerView(BaseModel):
    """Somebody who draws."""

    alive: bool = Field(description="Whether it gave a sign lately.")
    seconds_since_sign: float


class StatusView(BaseModel):
    """How the service does."""

    version: str = Field(description="Of Limner.")
    time: float = Field(description="Seconds since 1970 by the clock that all its machines share.")
    database: Literal["sqlite", "postgresql"]
    free_bytes: int = Field(description="Room left where pictures are kept.")
    workers: list[WorkerView]
    waiting_pictures: int = Field(description="That could be drawn now, everybody's.")
    longest_wait_seconds: float = Field(description="Of the first of them; 0 if none waits.")
    limits: dict[str, int] = Field(description="As in the settings.")


@router.get("", operation_id="status")
def status(desk: TheDesk, owner: Reader) -> StatusView:
    """Version, clock, database, disk, workers, queue and limits."""
    with desk.database.reading() as connection:
        now = desk.database.now(connection)
        rows, oldest = waiting(connection)
        signs = list(connection.scalars(sa.select(workers.c.seen_at).order_by(workers.c.seen_at.desc())))
    return StatusView(
        version=version("limner"),
        time=now,
        database="sqlite" if desk.database.is_sqlite else "postgresql",
        free_bytes=_free_bytes(desk),
        workers=[_view(now - seen, desk.settings.times.lease) for seen in signs],
        waiting_pictures=rows,
        longest_wait_seconds=0.0 if oldest is None else max(now - oldest, 0.0),
        limits={name: getattr(desk.settings.limits, name) for name in Limits.model_fields},
    )


def _view(silence: float, lease: float) -> WorkerView:
    return WorkerView(alive=silence < PRESENT * lease, seconds_since_sign=max(silence, 0.0))


def _free_bytes(desk: Desk) -> int:
    folder = desk.blobs.folder
    folder.mkdir(parents=True, exist_ok=True)  # nothing may have been kept yet
    return shutil.disk_usage(folder).free
