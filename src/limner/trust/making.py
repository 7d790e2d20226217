"""How a picture was made, in words that may be public: what its manifest says."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

Kind = Literal["created", "composite"]
"""``created``: everything was drawn by a model. ``composite``: a model changed or joined existing pictures."""


class Making(BaseModel):
    """What everybody may know about a picture.

    The sentence it was drawn from is private, since it may name somebody; so are the photos of the person.

    Attributes:
        kind: see :data:`Kind`.
        model: name of the generator.
        adapter: what the face adapter is, None without one.
        licences: names of licence records, or terms in words, of everything that took part.
        parameters: settings that may be public, such as seed and steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    model: str
    adapter: str | None = None
    licences: tuple[str, ...] = ()
    parameters: dict[str, JsonValue] = {}


@dataclass(frozen=True)
class Source:
    """A picture that a composite was made from, such as a template: the bytes of its file, so that its manifest stays.

    Attributes:
        data: the file as it was given.
        mime: its type, e.g. "image/jpeg".
        title: what the manifest calls it.
    """

    data: bytes
    mime: str
    title: str = "template"
