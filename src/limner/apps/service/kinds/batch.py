"""Batches: one picture a row, all of one person, drawn in as few passes as possible; rows that fail are told, the rest
goes on. Batches of several people are several jobs, which the queue draws together."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from limner.apps.service.bench import Bench
from limner.apps.service.drawing_requests import (
    MODEL_SIDE,
    PASS,
    DrawingRequest,
    Seed,
    StyleName,
    carried,
    require_limits,
)
from limner.apps.service.errors import UnacceptableError
from limner.apps.service.job import Job
from limner.apps.service.job_kinds import Outcome, Plan, Step
from limner.apps.service.requests import Id, Request, Words
from limner.apps.service.results import keep_pictures
from limner.apps.service.settings import ServiceSettings
from limner.apps.settings import PortraitSettings
from limner.core.errors import LimnerError, RefusedError

if TYPE_CHECKING:
    from limner.apps.portraits import Order, Portrait

NAME = "batch"
LONGEST_PROBLEM = 2000


class RowRequest(Request):
    """One picture of a batch."""

    prompt: Annotated[Words, Field(min_length=1, description="What the picture shows.")]
    seed: Seed = 0
    style: StyleName = None
    negative_prompt: Annotated[
        Words | None, Field(description="What it should not show; the batch's own if left out.")
    ] = None


class BatchRequest(DrawingRequest):
    """Draw a person in many ways; the picture at position ``i`` is that of row ``i``."""

    kind: Literal["batch"]
    identity: Annotated[Id | None, Field(description="Who; needed unless adapter_scale is 0.")] = None
    rows: Annotated[list[RowRequest], Field(min_length=1, max_length=1000)]


class BatchKind:
    """See :class:`limner.apps.service.job_kinds.JobKind`."""

    name = NAME
    request = BatchRequest

    def plan(self, request: BatchRequest, settings: ServiceSettings) -> Plan:
        model = request.model_in(settings)
        most = settings.limits.pictures_per_job
        if len(request.rows) > most:
            raise UnacceptableError(f"rows are {len(request.rows)}, and this service draws at most {most} a job")
        if request.identity is None and request.adapter_scale > 0:
            raise UnacceptableError("no identity was given; name one, or draw anybody with adapter_scale 0")
        wanted = _rows(request.model_dump())
        for row in wanted:
            require_limits(row, MODEL_SIDE**2, settings)
        told = json.dumps([model, *(getattr(request, name) for name in PASS)])
        return Plan(
            model=model,
            group=f"{NAME}/{hashlib.sha256(told.encode()).hexdigest()[:32]}",
            rows=len(wanted),
            cost=float(sum(row.num_steps for row in wanted)),
            identity=request.identity,
        )

    def work(self, jobs: Sequence[Job], bench: Bench, step: Step) -> list[Outcome]:
        asked = [_orders(job, bench) for job in jobs]
        wanted = [order for one in asked if not isinstance(one, LimnerError) for order in one]
        drawn = iter(bench.studio(jobs[0].model).draw_together(wanted, progress=step) if wanted else ())
        return [
            Outcome(problem=one) if isinstance(one, LimnerError) else _kept(job, [next(drawn) for _ in one], bench)
            for job, one in zip(jobs, asked, strict=True)
        ]


KIND = BatchKind()


def _rows(request: dict[str, Any]) -> list[PortraitSettings]:
    shared = carried(request, (*PASS, "negative_prompt", "style"))
    own = ({name: value for name, value in row.items() if value is not None} for row in request["rows"])
    return [PortraitSettings.of(**shared | row) for row in own]


def _orders(job: Job, bench: Bench) -> "list[Order] | LimnerError":
    from limner.apps.portraits import Order

    try:
        person = None if job.identity_id is None else bench.person(job.identity_id)
    except LimnerError as error:
        return error
    return [Order(person, row) for row in _rows(dict(job.request))]


def _kept(job: Job, drawn: "Sequence[list[Portrait] | RefusedError]", bench: Bench) -> Outcome:
    made: dict[int, Portrait] = {}
    refused = []
    for position, one in enumerate(drawn):
        if isinstance(one, RefusedError):
            refused.append(f"row {position}: {one}")
        else:
            [made[position]] = one
    remark = "; ".join(refused)[:LONGEST_PROBLEM]
    return keep_pictures(job, made, bench, remark=remark or None) if made else Outcome(problem=RefusedError(remark))
