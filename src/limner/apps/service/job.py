"""What a job is: what is handed in, what is kept of it, and what it brought."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

import sqlalchemy as sa


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (State.QUEUED, State.RUNNING)
CANCELLED = "it was cancelled"
ENDED = (State.DONE, State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class NewJob:
    """What is handed in.

    Attributes:
        group: jobs of one group may share a forward pass.
        rows: pictures it adds to a forward pass.
        cost: work, for fairness between keys.
        people: identities that must be ready first; one may be named several times.
        uploads: pictures that it uses up.
    """

    owner: str
    kind: str
    model: str
    request: Mapping[str, Any]
    group: str
    rows: int
    cost: float
    people: tuple[str, ...] = ()
    uploads: tuple[str, ...] = ()
    idempotency_key: str | None = None

    @property
    def fingerprint(self) -> str:
        """Differs when the request differs."""
        told = json.dumps([self.kind, self.model, dict(self.request)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """A row of the table of jobs, with the request read."""

    id: str
    owner: str
    kind: str
    model: str
    request: Mapping[str, Any]
    rows: int
    num_uploads: int
    state: State
    attempt: int
    cancel_requested: bool
    steps_done: int
    steps_total: int
    problem_code: str | None
    problem: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    expires_at: float | None

    @classmethod
    def of(cls, row: sa.Row) -> Self:
        """Read a row of the whole table."""
        values = {field.name: row._mapping[field.name] for field in fields(cls)}
        return cls(**{**values, "request": json.loads(values["request"]), "state": State(values["state"])})


@dataclass(frozen=True)
class Picture:
    """What is known of a finished picture besides its pixels."""

    id: str
    seed: int
    similarity: float | None
    width: int
    height: int
    sha256: str
