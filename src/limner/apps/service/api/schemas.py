"""What the API answers."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from limner.apps.service.job import Job, Picture, State
from limner.apps.service.people import Person
from limner.apps.service.requests import Id, Remark, Request
from limner.apps.service.settings import ModelName
from limner.apps.verdict_words import verdict_lines
from limner.trust.checking import Verdict

Time = Annotated[float, Field(description="Seconds since 1970.")]


class PictureView(BaseModel):
    """A finished picture; its pixels are at ``/v1/jobs/{job}/pictures/{id}``."""

    id: str
    seed: int
    similarity: float | None = Field(
        description="Cosine to the person by the guide, of several the least; null if a face was not found."
    )
    width: int
    height: int
    sha256: str = Field(description="Of the PNG file.")


class JobView(BaseModel):
    """A job and how far it is."""

    id: str
    kind: str
    model: str
    state: State
    identity: str | None = Field(description="Who is drawn or learnt; further people stand in the request.")
    request: dict[str, Any]
    attempt: int = Field(description="How often it was begun.")
    cancel_requested: bool
    steps_done: int
    steps_total: int
    problem: str | None = Field(description="Why there is no result, or what it lacks, in words.")
    problem_code: str | None
    created_at: Time
    started_at: float | None
    finished_at: float | None
    pictures: list[PictureView]

    @classmethod
    def of(cls, job: Job, pictures: list[Picture]) -> Self:
        """What its owner may see."""
        shared = {name: getattr(job, name) for name in cls.model_fields if hasattr(job, name)}
        views = [PictureView(**vars(picture)) for picture in pictures]
        request = dict(job.request)
        return cls(**{**shared, "identity": request.get("identity"), "request": request, "pictures": views})


class JobList(BaseModel):
    """Jobs from the newest to the oldest."""

    jobs: list[JobView]


class Page(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[Id | None, Field(description="The last one of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class JobPage(Page):
    """Which jobs."""

    state: State | None = None


class IdentityRequest(Request):
    """Learn a person from uploaded photos."""

    name: Annotated[Remark, Field(min_length=1, description="What you call the person.")]
    photos: Annotated[list[Id], Field(min_length=1, max_length=16, description="Uploads, all of one person.")]
    face_index: Annotated[
        list[Annotated[int, Field(ge=0, le=1000)]] | None,
        Field(max_length=16, description="Which face, 0 the leftmost; one for all photos or one each."),
    ] = None
    model: Annotated[ModelName | None, Field(description="One of /v1/models; the default one if left out.")] = None
    consent: Annotated[Remark, Field(description="Who agreed to what.")] = ""
    origin: Annotated[Remark, Field(description="Where the photos come from.")] = ""
    licence: Annotated[Remark, Field(description="Terms of the photos.")] = ""


class IdentityView(BaseModel):
    """A person; jobs may name one that is still pending, and wait for it."""

    id: str
    name: str
    consent: str
    origin: str
    licence: str
    model: str
    state: Literal["pending", "ready", "failed"]
    problem: str | None
    num_photos: int
    quality: float | None = Field(description="Mean of the photos, 0 to 1; null until it is ready.")
    created_at: Time
    job: str = Field(description="The job that makes it.")

    @classmethod
    def of(cls, person: Person) -> Self:
        """What its owner may see."""
        shared = {name: getattr(person, name) for name in cls.model_fields if hasattr(person, name)}
        return cls(**{**shared, "job": person.job_id})


class IdentityList(BaseModel):
    """People from the newest to the oldest."""

    identities: list[IdentityView]


class UploadView(BaseModel):
    """A picture that waits to be used."""

    id: str
    width: int
    height: int
    expires_at: Time


class ModelView(BaseModel):
    """Something that draws."""

    name: str
    default: bool


class ModelList(BaseModel):
    """The models of this service."""

    models: list[ModelView]


class KindList(BaseModel):
    """What jobs there are."""

    kinds: list[str]


class StyleView(BaseModel):
    """A look."""

    name: str = Field(description="What jobs write as `style`.")
    theme: str
    title: str
    base: str = Field(description="The kind of model it is for, or any.")
    miniature: bool = Field(description="Whether the packaged model was taught words for it.")


class StyleList(BaseModel):
    """The looks of this service."""

    styles: list[StyleView]


class WatermarkView(BaseModel):
    """A number that was read from the pixels."""

    name: str
    number: str = Field(description="Six hexadecimal digits.")
    false_alarm: float = Field(description="Probability that such a number is read from a picture without one.")


class CheckView(BaseModel):
    """What a picture says about itself, and whether it is true."""

    status: Literal["marked", "unmarked", "broken"] = Field(
        description="Unmarked does not say that no model drew it; broken: its manifest does not belong to its pixels."
    )
    problems: list[str]
    manifest: dict[str, Any] | None = Field(description="Who signed what; null if there is none.")
    watermark: WatermarkView | None
    told: list[tuple[str, str]] = Field(description="The same in words, name by name.")

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """As `limner check --json` tells it, with what it prints without."""
        shared = {name: value for name, value in verdict.as_json().items() if name in cls.model_fields}
        return cls(**shared, told=verdict_lines(verdict))


class Health(BaseModel):
    """Whether the service can do its work."""

    status: Literal["ok", "no worker", "no database"]
