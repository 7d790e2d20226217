"""What requests for pictures have in common: their fields, and what this service draws at most."""

from typing import Annotated, Any, Literal

from pydantic import Field

from limner.apps.service.errors import UnacceptableError
from limner.apps.service.requests import Request, Words
from limner.apps.service.settings import ModelName, ServiceSettings
from limner.apps.settings import Dials, PortraitSettings
from limner.apps.styles import find_style
from limner.core.errors import ConfigError
from limner.data.invented_people import named_in

ENLARGED = 4
"""How many times as many pixels a picture has whose side was doubled."""
MODEL_SIDE = 512
"""Side in pixels that is assumed for the cost and the limit where the request leaves it to the model."""
PASS = ("num_steps", "guidance_scale", "adapter_scale", "identity_guidance")
"""Settings that hold for all pictures of one forward pass."""

Seed = Annotated[int, Field(ge=0, lt=2**32, description="Of the first picture; each further one has the next.")]
Enlarge = Annotated[
    bool, Field(description="Double the side with the model's own network for that; refused where it brings none.")
]
StyleName = Annotated[
    str | None, Field(pattern="^[a-z0-9][a-z0-9-]{0,63}$", description="One of /v1/styles; adds its words.")
]


class DrawingRequest(Request):
    """Dials of a picture."""

    model: Annotated[ModelName | None, Field(description="One of /v1/models; the default one if left out.")] = None
    negative_prompt: Annotated[Words, Field(description="What the pictures should not show.")] = ""
    style: StyleName = None
    num_steps: Annotated[int, Field(ge=1, le=1000, description="Sampling steps.")] = 25
    guidance_scale: Annotated[
        float | None,
        Field(ge=1, le=100, allow_inf_nan=False, description="How closely the words are followed; 1 is unguided."),
    ] = None
    adapter_scale: Annotated[
        float, Field(ge=0, le=10, allow_inf_nan=False, description="How strongly the person is kept.")
    ] = 0.8
    identity_guidance: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            allow_inf_nan=False,
            description="How far a recogniser that looks on pulls towards the person; 0 is faster, and the model's own "
            "value holds if it is left out.",
        ),
    ] = None

    glasses: Annotated[
        Literal["photo", "words"],
        Field(
            description="Where no sentence speaks of glasses: photo, on or off as in the photos; words, as the "
            "seed will."
        ),
    ] = "photo"

    def model_in(self, settings: ServiceSettings) -> str:
        """The model that draws.

        Raises:
            UnacceptableError: there is none of this name.
        """
        model = self.model or settings.default_model
        if model not in settings.models:
            raise UnacceptableError(f"there is no model {model!r}; this service has {', '.join(settings.models)}")
        return model


def require_somebody(scale: float, person: str | None, sentence: str, *, what: str = "") -> None:
    """Check that somebody is named where somebody is to be drawn; ``what`` says of what that is asked.

    Raises:
        UnacceptableError: nobody is, or the sentence names several invented people.
    """
    if person is not None or scale == 0:
        return
    try:
        named = named_in(sentence)
    except ConfigError as error:
        raise UnacceptableError(f"{what}{error}") from error
    if named is None:
        raise UnacceptableError(
            f"{what}no identity was given; name one, or an invented person in the prompt, or draw anybody with "
            "adapter_scale 0"
        )


def require_limits(wanted: Dials, pixels: int, settings: ServiceSettings) -> None:
    """Check what the request and its style come to.

    Raises:
        UnacceptableError: it is more than this service draws.
        ConfigError: there is no such style.
    """
    limits = settings.limits
    if isinstance(wanted, PortraitSettings) and wanted.enlarge:
        pixels *= ENLARGED
    for what, given, most in (
        ("count", wanted.count, limits.pictures_per_job),
        ("num_steps", wanted.num_steps, limits.steps),
        ("height times width", pixels, limits.picture_pixels),
    ):
        if given > most:
            raise UnacceptableError(f"{what} is {given}, and this service draws at most {most}")
    if wanted.style is not None:
        find_style(wanted.style)


def carried(request: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Some values of a request; jobs that were handed in before a field existed have none."""
    return {name: request[name] for name in names if name in request}
