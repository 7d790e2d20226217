"""Batches: one picture a row, each of its own person, drawn in as few passes as possible; rows that fail are told, the
rest goes on."""

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
    Enlarge,
    Seed,
    StyleName,
    carried,
    require_limits,
    require_somebody,
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
    from limner.identity.identity import Identity

NAME = "batch"
LONGEST_PROBLEM = 2000
SHARED = (*PASS, "enlarge")
OWN = ("prompt", "seed", "style", "negative_prompt")
"""Settings that each row has for itself."""


class RowRequest(Request):
    """One picture of a batch."""

    identity: Annotated[Id | None, Field(description="Who; the batch's own if left out.")] = None
    prompt: Annotated[Words, Field(min_length=1, description="What the picture shows.")]
    seed: Seed = 0
    style: StyleName = None
    negative_prompt: Annotated[
        Words | None, Field(description="What it should not show; the batch's own if left out.")
    ] = None


class BatchRequest(DrawingRequest):
    """Draw people in many ways; the picture at position ``i`` is that of row ``i``."""

    kind: Literal["batch"]
    identity: Annotated[
        Id | None,
        Field(
            description="Who, in rows that name nobody; one of them is needed unless the prompt names an invented "
            "person, or adapter_scale is 0."
        ),
    ] = None
    enlarge: Enlarge = False
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
        for number, row in enumerate(request.rows):
            require_somebody(
                request.adapter_scale, row.identity or request.identity, row.prompt, what=f"row {number}: "
            )
        wanted = _rows(request.model_dump())
        for row in wanted:
            require_limits(row, MODEL_SIDE**2, settings)
        told = json.dumps([model, *(getattr(request, name) for name in SHARED)])
        return Plan(
            model=model,
            group=f"{NAME}/{hashlib.sha256(told.encode()).hexdigest()[:32]}",
            rows=len(wanted),
            cost=float(sum(row.num_steps for row in wanted)),
            people=tuple(one.identity for one in (request, *request.rows) if one.identity is not None),
        )

    def work(self, jobs: Sequence[Job], bench: Bench, step: Step) -> list[Outcome]:
        from limner.apps.portraits import draw_each

        if jobs[0].request.get("enlarge"):  # as all jobs of a group
            bench.require_enlarger(jobs[0].model)
        asked = [_orders(job, bench) for job in jobs]
        wanted = [order for own in asked for order in own if not isinstance(order, LimnerError)]
        drawn = iter(draw_each(bench.studio(jobs[0].model), wanted, progress=step) if wanted else ())
        return [
            _kept(job, [one if isinstance(one, LimnerError) else next(drawn) for one in own], bench)
            for job, own in zip(jobs, asked, strict=True)
        ]


KIND = BatchKind()


def _rows(request: dict[str, Any]) -> list[PortraitSettings]:
    shared = carried(request, (*SHARED, "negative_prompt", "style", "glasses"))
    own = ({name: row[name] for name in OWN if row[name] is not None} for row in request["rows"])
    return [PortraitSettings.of(**shared | row) for row in own]


def _orders(job: Job, bench: Bench) -> "list[Order | LimnerError]":
    from limner.apps.portraits import Order

    request = dict(job.request)
    names = [row.get("identity") or request["identity"] for row in request["rows"]]
    wanted = _rows(request)
    asked = [(name, "" if name else row.prompt) for name, row in zip(names, wanted, strict=True)]
    people = {one: _person(one[0], row, job.model, bench) for one, row in dict(zip(asked, wanted, strict=True)).items()}
    return [
        who if isinstance(who, LimnerError) else Order(who, row)
        for who, row in zip((people[one] for one in asked), wanted, strict=True)
    ]


def _person(name: str | None, row: PortraitSettings, model: str, bench: Bench) -> "Identity | LimnerError | None":
    try:
        return bench.whom(name, row, model)
    except LimnerError as error:
        return error


def _kept(job: Job, drawn: "Sequence[list[Portrait] | LimnerError]", bench: Bench) -> Outcome:
    made: dict[int, Portrait] = {}
    failed = []
    for position, one in enumerate(drawn):
        if isinstance(one, LimnerError):
            failed.append(f"row {position}: {one}")
        else:
            [made[position]] = one
    remark = "; ".join(failed)[:LONGEST_PROBLEM]
    return keep_pictures(job, made, bench, remark=remark or None) if made else Outcome(problem=RefusedError(remark))
