"""Templates: people in the places of faces of an uploaded picture, whose other pixels stay as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from limner.apps.service.bench import Bench
from limner.apps.service.blobs import UPLOADS
from limner.apps.service.drawing_requests import MODEL_SIDE, PASS, DrawingRequest, Seed, carried, require_limits
from limner.apps.service.errors import UnacceptableError
from limner.apps.service.job import Job
from limner.apps.service.job_kinds import Outcome, Plan, Step
from limner.apps.service.requests import Id, Request, Words
from limner.apps.service.results import keep_pictures
from limner.apps.service.settings import ServiceSettings
from limner.apps.settings import DEFAULT_PROMPT, InpaintSettings
from limner.core.errors import LimnerError

if TYPE_CHECKING:
    from limner.apps.inpainting import Scene

NAME = "template"
CARRIED = ("prompt", "negative_prompt", "style", "glasses", "count", "seed", "region", "strength", *PASS)
FaceNumber = Annotated[int, Field(ge=0, le=1000)]


class PlacedRequest(Request):
    """One of several people."""

    identity: Annotated[Id, Field(description="Who.")]
    face: Annotated[
        FaceNumber | None, Field(description="Whose place, 0 the leftmost; for all people or for none.")
    ] = None


class TemplateRequest(DrawingRequest):
    """Put people into a picture. The uploads are used up; the template must have a face for each."""

    kind: Literal["template"]
    identity: Annotated[Id | None, Field(description="Who, where it is one person.")] = None
    people: Annotated[
        list[PlacedRequest] | None,
        Field(min_length=1, max_length=100, description="Who, where they are several; from left to right, or by face."),
    ] = None
    template: Annotated[Id, Field(description="Upload: the picture to put them into.")]
    mask: Annotated[
        Id | None, Field(description="Upload of the same size, white where the picture may change; not the same one.")
    ] = None
    face: Annotated[
        FaceNumber | None, Field(description="Whose place identity takes, 0 the leftmost; the largest if left out.")
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
        told = request.model_dump()
        wanted, (people, _) = _settings(told), _people(told)
        require_limits(wanted, MODEL_SIDE**2, settings)
        rows = wanted.count * len(people)
        if rows > settings.limits.pictures_per_job:
            most = settings.limits.pictures_per_job
            raise UnacceptableError(f"count times people is {rows}, and this service draws at most {most}")
        uploads = (request.template,) if request.mask is None else (request.template, request.mask)
        return Plan(
            model=model,
            group=f"{NAME}/{request.template}",  # each has a picture of its own, so none is drawn with another
            rows=rows,
            cost=float(rows * wanted.num_steps),
            people=people,
            uploads=uploads,
        )

    def work(self, jobs: Sequence[Job], bench: Bench, step: Step) -> list[Outcome]:
        return [_put(job, bench, step) for job in jobs]


KIND = TemplateKind()


@dataclass(frozen=True, eq=False)
class _Finished:
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
        told = [one for one in self.scene.similarities if one is not None]
        return min(told) if len(told) == len(self.scene.similarities) else None

    def save(self, path: Any) -> None:
        self.scene.save(path)


def _settings(request: dict[str, Any]) -> InpaintSettings:
    return InpaintSettings.of(**carried(request, CARRIED))


def _people(request: dict[str, Any]) -> tuple[tuple[str, ...], list[int] | None]:
    """Everybody who is put in, and the number of each one's face; None for the largest faces.

    Raises:
        UnacceptableError: nobody is named, or it is not clear where they go.
    """
    several = request.get("people")  # jobs that were handed in before there could be several have none
    if (several is None) == (request["identity"] is None):
        raise UnacceptableError("give identity for one person, or people for several; one of the two")
    if several is None:
        return (request["identity"],), None if request["face"] is None else [request["face"]]
    faces = [one["face"] for one in several if one["face"] is not None]
    if request["face"] is not None or len(faces) not in (0, len(several)):
        raise UnacceptableError("of several people each has a face of their own, or none has; give all or none")
    if len(set(faces)) < len(faces):
        raise UnacceptableError("the same face was given to two people; give each another")
    return tuple(one["identity"] for one in several), faces or None


def _put(job: Job, bench: Bench, step: Step) -> Outcome:
    request = dict(job.request)
    # As pictures, not as files: messages then say "the template", not where it lies.
    template, mask = (_read(request[name], bench) for name in ("template", "mask"))
    assert template is not None
    try:
        people, faces = _people(request)
        scenes = bench.studio(job.model).inpaint(
            [bench.person(one) for one in people],
            template,
            assign=faces,
            mask=mask,
            progress=step,
            **_settings(request).model_dump(include=set(CARRIED)),
        )
    except LimnerError as error:
        return Outcome(problem=error)
    return keep_pictures(job, {position: _Finished(scene) for position, scene in enumerate(scenes)}, bench)


def _read(upload: str | None, bench: Bench) -> bytes | None:
    return None if upload is None else bench.blobs.path(UPLOADS, upload).read_bytes()
