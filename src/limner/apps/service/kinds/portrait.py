"""Portraits: pictures of one person after a sentence; jobs of different people are drawn together."""

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
    carried,
    require_limits,
    require_somebody,
)
from limner.apps.service.job import Job
from limner.apps.service.job_kinds import Outcome, Plan, Step
from limner.apps.service.requests import Id, Words
from limner.apps.service.results import keep_pictures
from limner.apps.service.settings import ServiceSettings
from limner.apps.settings import PortraitSettings
from limner.core.errors import LimnerError

if TYPE_CHECKING:
    from limner.apps.portraits import Order

NAME = "portrait"
SIZED = (*PASS, "height", "width", "enlarge")
CARRIED = ("prompt", "negative_prompt", "style", "glasses", "count", "seed", *SIZED)


class PortraitRequest(DrawingRequest):
    """Draw a person."""

    kind: Literal["portrait"]
    identity: Annotated[
        Id | None, Field(description="Who; needed unless the prompt names an invented person, or adapter_scale is 0.")
    ] = None
    prompt: Annotated[Words, Field(min_length=1, description="What the pictures show.")]
    count: Annotated[int, Field(ge=1, le=1000, description="Number of pictures.")] = 1
    seed: Seed = 0
    height: Annotated[int | None, Field(ge=8, le=16384, multiple_of=8, description="In pixels.")] = None
    width: Annotated[int | None, Field(ge=8, le=16384, multiple_of=8, description="In pixels.")] = None
    enlarge: Enlarge = False


class PortraitKind:
    """See :class:`limner.apps.service.job_kinds.JobKind`."""

    name = NAME
    request = PortraitRequest

    def plan(self, request: PortraitRequest, settings: ServiceSettings) -> Plan:
        wanted = _settings(request.model_dump())
        model = request.model_in(settings)
        pixels = (wanted.height or MODEL_SIDE) * (wanted.width or MODEL_SIDE)
        require_limits(wanted, pixels, settings)
        require_somebody(wanted.adapter_scale, request.identity, wanted.prompt)
        told = json.dumps([model, *(getattr(wanted, name) for name in SIZED)])
        return Plan(
            model=model,
            group=f"{NAME}/{hashlib.sha256(told.encode()).hexdigest()[:32]}",
            rows=wanted.count,
            cost=wanted.count * wanted.num_steps * pixels / MODEL_SIDE**2,
            people=() if request.identity is None else (request.identity,),
        )

    def work(self, jobs: Sequence[Job], bench: Bench, step: Step) -> list[Outcome]:
        studio = bench.studio(jobs[0].model)
        if jobs[0].request.get("enlarge"):  # as all jobs of a group
            bench.require_enlarger(jobs[0].model)
        orders = [_order(job, bench) for job in jobs]
        wanted = [order for order in orders if not isinstance(order, LimnerError)]
        drawn = iter(studio.draw_together(wanted, progress=step) if wanted else ())
        told = [order if isinstance(order, LimnerError) else next(drawn) for order in orders]
        return [
            Outcome(problem=one) if isinstance(one, LimnerError) else keep_pictures(job, dict(enumerate(one)), bench)
            for job, one in zip(jobs, told, strict=True)
        ]


KIND = PortraitKind()


def _settings(request: dict[str, Any]) -> PortraitSettings:
    return PortraitSettings.of(**carried(request, CARRIED))


def _order(job: Job, bench: Bench) -> "Order | LimnerError":
    from limner.apps.portraits import Order

    request = dict(job.request)
    wanted = _settings(request)
    try:
        return Order(bench.whom(request.get("identity"), wanted, job.model), wanted)
    except LimnerError as error:
        return error
