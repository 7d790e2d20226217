"""Portraits: pictures of one person after a sentence; jobs of different people are drawn together."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import Field

from limner.apps.service.bench import Bench
from limner.apps.service.blobs import PICTURES, new_id
from limner.apps.service.database import count
from limner.apps.service.errors import UnacceptableError
from limner.apps.service.job import Job
from limner.apps.service.job_kinds import Outcome, Plan, Step
from limner.apps.service.requests import Id, Request, Words
from limner.apps.service.settings import ModelName, ServiceSettings
from limner.apps.service.tables import pictures
from limner.apps.settings import PortraitSettings
from limner.core.errors import LimnerError

if TYPE_CHECKING:
    from limner.apps.portraits import Order, Portrait

NAME = "portrait"
MODEL_SIDE = 512
"""Side in pixels that is assumed for the cost and the limit where the request leaves it to the model."""
_PASS = ("num_steps", "guidance_scale", "adapter_scale", "height", "width")
_CARRIED = ("prompt", "negative_prompt", "count", "seed", *_PASS)


class PortraitRequest(Request):
    """Draw a person."""

    kind: Literal["portrait"]
    identity: Annotated[Id | None, Field(description="Who; needed unless adapter_scale is 0.")] = None
    model: Annotated[ModelName | None, Field(description="One of /v1/models; the default one if left out.")] = None
    prompt: Annotated[Words, Field(min_length=1, description="What the pictures show.")]
    negative_prompt: Annotated[Words, Field(description="What they should not show.")] = ""
    count: Annotated[int, Field(ge=1, le=1000, description="Number of pictures.")] = 1
    seed: Annotated[int, Field(ge=0, lt=2**32, description="Of the first picture; each further one has the next.")] = 0
    num_steps: Annotated[int, Field(ge=1, le=1000, description="Sampling steps.")] = 25
    guidance_scale: Annotated[
        float | None,
        Field(ge=1, le=100, allow_inf_nan=False, description="How closely the words are followed; 1 is unguided."),
    ] = None
    adapter_scale: Annotated[
        float, Field(ge=0, le=10, allow_inf_nan=False, description="How strongly the person is kept.")
    ] = 0.8
    height: Annotated[int | None, Field(ge=8, le=16384, multiple_of=8, description="In pixels.")] = None
    width: Annotated[int | None, Field(ge=8, le=16384, multiple_of=8, description="In pixels.")] = None


class PortraitKind:
    """See :class:`limner.apps.service.job_kinds.JobKind`."""

    name = NAME
    request = PortraitRequest

    def plan(self, request: PortraitRequest, settings: ServiceSettings) -> Plan:
        wanted = _settings(request.model_dump())
        model = request.model or settings.default_model
        pixels = (wanted.height or MODEL_SIDE) * (wanted.width or MODEL_SIDE)
        _require_limits(wanted, pixels, model, settings)
        if request.identity is None and wanted.adapter_scale > 0:
            raise UnacceptableError("no identity was given; name one, or draw anybody with adapter_scale 0")
        told = json.dumps([model, *(getattr(wanted, name) for name in _PASS)])
        return Plan(
            model=model,
            group=f"{NAME}/{hashlib.sha256(told.encode()).hexdigest()[:32]}",
            rows=wanted.count,
            cost=wanted.count * wanted.num_steps * pixels / MODEL_SIDE**2,
            identity=request.identity,
        )

    def work(self, jobs: Sequence[Job], bench: Bench, step: Step) -> list[Outcome]:
        studio = bench.studio(jobs[0].model)
        orders = [_order(job, bench) for job in jobs]
        wanted = [order for order in orders if not isinstance(order, LimnerError)]
        drawn = iter(studio.draw_together(wanted, progress=step) if wanted else ())
        told = [order if isinstance(order, LimnerError) else next(drawn) for order in orders]
        return [
            Outcome(problem=one) if isinstance(one, LimnerError) else _keep(job, one, bench)
            for job, one in zip(jobs, told, strict=True)
        ]


KIND = PortraitKind()


def _settings(request: dict[str, Any]) -> PortraitSettings:
    return PortraitSettings.of(**{name: request[name] for name in _CARRIED})


def _require_limits(wanted: PortraitSettings, pixels: int, model: str, settings: ServiceSettings) -> None:
    limits = settings.limits
    for what, given, most in (
        ("count", wanted.count, limits.pictures_per_job),
        ("num_steps", wanted.num_steps, limits.steps),
        ("height times width", pixels, limits.picture_pixels),
    ):
        if given > most:
            raise UnacceptableError(f"{what} is {given}, and this service draws at most {most}")
    if model not in settings.models:
        raise UnacceptableError(f"there is no model {model!r}; this service has {', '.join(settings.models)}")


def _order(job: Job, bench: Bench) -> "Order | LimnerError":
    from limner.apps.portraits import Order

    try:
        person = None if job.identity_id is None else bench.person(job.identity_id)
    except LimnerError as error:
        return error
    return Order(person, _settings(dict(job.request)))


def _keep(job: Job, portraits: "Sequence[Portrait]", bench: Bench) -> Outcome:
    """Write the pictures under names that no row has yet; the rows follow when the job ends."""
    rows = []
    for position, portrait in enumerate(portraits):
        picture_id = new_id()
        path = bench.blobs.path(PICTURES, picture_id)
        portrait.save(path)
        height, width = portrait.image.shape[:2]
        rows.append(
            {
                "id": picture_id,
                "job_id": job.id,
                "position": position,
                "seed": portrait.seed,
                "similarity": portrait.similarity,
                "width": width,
                "height": height,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        )

    def record(connection: sa.Connection) -> None:
        connection.execute(sa.insert(pictures), rows)
        count(connection, "pictures", len(rows))

    return Outcome(record, discard=lambda: bench.blobs.remove(PICTURES, [row["id"] for row in rows]))
