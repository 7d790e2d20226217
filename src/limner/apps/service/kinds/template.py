"""Templates: a person in the place of a face of an uploaded picture, whose other pixels stay as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from limner.apps.service.bench import Bench
from limner.apps.service.blobs import UPLOADS
from limner.apps.service.drawing_requests import MODEL_SIDE, PASS, DrawingRequest, Seed, carried, require_limits
from limner.apps.service.job import Job
from limner.apps.service.job_kinds import Outcome, Plan, Step
from limner.apps.service.requests import Id, Words
from limner.apps.service.results import keep_pictures
from limner.apps.service.settings import ServiceSettings
from limner.apps.settings import DEFAULT_PROMPT, InpaintSettings
from limner.core.errors import LimnerError

if TYPE_CHECKING:
    from limner.apps.inpainting import Scene

NAME = "template"
CARRIED = ("prompt", "negative_prompt", "style", "count", "seed", "region", "strength", *PASS)


class TemplateRequest(DrawingRequest):
    """Put a person into a picture. The uploads are used up; the template must have a face."""

    kind: Literal["template"]
    identity: Annotated[Id, Field(description="Who.")]
    template: Annotated[Id, Field(description="Upload: the picture to put them into.")]
    mask: Annotated[
        Id | None, Field(description="Upload of the same size, white where the picture may change; not the same one.")
    ] = None
    face: Annotated[
        int | None, Field(ge=0, le=1000, description="Whose place, 0 the leftmost; the largest if left out.")
    ] = None
    region: Annotated[Literal["face", "head"], Field(description="What changes.")] = "face"
    strength: Annotated[float, Field(gt=0, le=1, description="How much of what was there goes; 1 forgets it.")] = 0.6
    prompt: Annotated[Words, Field(min_length=1, description="What is to be seen in this place.")] = DEFAULT_PROMPT
    count: Annotated[int, Field(ge=1, le=1000, description="Number of pictures.")] = 1
    seed: Seed = 0


class TemplateKind:
    """See :class:`limner.apps.service.job_kinds.JobKind`."""

    name = NAME
    request = TemplateRequest

    def plan(self, request: TemplateRequest, settings: ServiceSettings) -> Plan:
        model = request.model_in(settings)
        wanted = _settings(request.model_dump())
        require_limits(wanted, MODEL_SIDE**2, settings)
        uploads = (request.template,) if request.mask is None else (request.template, request.mask)
        return Plan(
            model=model,
            group=f"{NAME}/{request.template}",  # each has a picture of its own, so none is drawn with another
            rows=wanted.count,
            cost=float(wanted.count * wanted.num_steps),
            identity=request.identity,
            uploads=uploads,
        )

    def work(self, jobs: Sequence[Job], bench: Bench, step: Step) -> list[Outcome]:
        return [_put(job, bench, step) for job in jobs]


KIND = TemplateKind()


@dataclass(frozen=True, eq=False)
class _OfOnePerson:
    """A scene as a picture of a job."""

    scene: "Scene"

    @property
    def image(self) -> np.ndarray:
        return self.scene.image

    @property
    def seed(self) -> int:
        return self.scene.seed

    @property
    def similarity(self) -> float | None:
        return self.scene.similarities[0]

    def save(self, path: Any) -> None:
        self.scene.save(path)


def _settings(request: dict[str, Any]) -> InpaintSettings:
    return InpaintSettings.of(**carried(request, CARRIED))


def _put(job: Job, bench: Bench, step: Step) -> Outcome:
    request = dict(job.request)
    assert job.identity_id is not None
    # As pictures, not as files: messages then say "the template", not where it lies.
    template, mask = (_read(request[name], bench) for name in ("template", "mask"))
    assert template is not None
    try:
        scenes = bench.studio(job.model).inpaint(
            [bench.person(job.identity_id)],
            template,
            assign=None if request["face"] is None else [request["face"]],
            mask=mask,
            progress=step,
            **_settings(request).model_dump(include=set(CARRIED)),
        )
    except LimnerError as error:
        return Outcome(problem=error)
    return keep_pictures(job, {position: _OfOnePerson(scene) for position, scene in enumerate(scenes)}, bench)


def _read(upload: str | None, bench: Bench) -> bytes | None:
    return None if upload is None else bench.blobs.path(UPLOADS, upload).read_bytes()
