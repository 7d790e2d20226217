"""What somebody asks a studio for, checked before anything heavy is loaded."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, ValidationError, field_validator, model_validator

from limner.core.config import Config
from limner.core.errors import ConfigError, PromptError
from limner.diffusion.samplers import require_sampler

DEFAULT_PROMPT = "a photo of a person"
CHOSEN_BY_DIALS = ("adapter_scale", "window", "face_guidance", "guidance_scale")
"""What ``likeness`` and ``variety`` set."""
SET_BY_FAST = ("lora", "lora_weight", "num_steps", "guidance_scale", "scheduler", "likeness", "variety")
"""What cannot be asked for with ``fast``: what it sets itself, and dials that were measured without it."""

_OPTIONS = {"adapter_scale": "--scale", "guidance_scale": "--guidance", "num_steps": "--steps"}
"""On the command line, where that is not the name with dashes."""


def _told(names: Iterable[str]) -> str:
    """Settings as whoever named them knows them."""
    return ", ".join(f"{name} ({_OPTIONS.get(name, '--' + name.replace('_', '-'))})" for name in names)


class Dials(Config):
    """What a picture depends on besides the model, the person and its size.

    Attributes:
        prompt: what the picture shows.
        negative_prompt: what it should not show.
        count: number of pictures.
        seed: of the first picture; each further one has the next number.
        num_steps: sampling steps.
        guidance_scale: how closely the words are followed, 1 is unguided; None is the base's own default.
        adapter_scale: how strongly the person is kept, 0 is the base model.
        block_scales: factors on the adapter scale by the beginning of a block's path, such as ``down_blocks`` or
            ``up_blocks.1``; the longest that fits counts.
        window: (start, end) of the run in which the person is shown, fractions from pure noise to picture; None is the
            base's own default.
        face_guidance: what the unguided half sees: "dropped", the null face, so that guidance strengthens the person,
            or "shared", the person.
        identity_guidance: how far the guide, a recogniser, pulls what is drawn towards the person, as a share of the
            latents' length at each look, times ``adapter_scale``; 0 for no guide, None is the base's own default, see
            :mod:`limner.systems.identity_guidance`. Afterwards the guide's similarity is no verdict. A person without
            the guide's features is drawn without it.
        glasses: whose word counts where no sentence speaks of glasses: "photo", they are on or off as in the person's
            photos, see :mod:`limner.apps.glasses`; or "words", the seed decides. Pictures of several people are drawn
            by the words alone.
        likeness: how much like the person, 0 to 1 of what was measured with this adapter; sets ``CHOSEN_BY_DIALS``, see
            :mod:`limner.apps.dial_table`.
        variety: how different the pictures are from each other, likewise.
        sparse: show the person, after the first steps, only where the face is: faster, not quite the same picture.
        fast: draw in a few steps with the LoRA that the base brings for it, see :mod:`limner.apps.fast`.
        scheduler: short name of the sampler, see :mod:`limner.diffusion.samplers`; None is the base's own.
        style: name of a style, which adds words and recommends what is left open.
        styles: folder with styles of the user's own.
        lora: a LoRA of this base, safetensors.
        lora_weight: multiplier of the LoRA.
        strength: how far a picture to start from is noised, in (0, 1]; 1 forgets it. Without one it has no meaning.
    """

    prompt: str
    negative_prompt: str = ""
    count: PositiveInt = 1
    seed: int = Field(default=0, ge=0, lt=2**32)
    num_steps: PositiveInt = 25
    guidance_scale: float | None = Field(default=None, ge=1.0, allow_inf_nan=False)
    adapter_scale: NonNegativeFloat = Field(default=0.8, allow_inf_nan=False)
    block_scales: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    window: tuple[float, float] | None = None
    face_guidance: Literal["dropped", "shared"] = "dropped"
    identity_guidance: float | None = Field(default=None, ge=0.0, le=1.0)
    glasses: Literal["photo", "words"] = "photo"
    likeness: float | None = Field(default=None, ge=0.0, le=1.0)
    variety: float | None = Field(default=None, ge=0.0, le=1.0)
    sparse: bool = False
    fast: bool = False
    scheduler: str | None = None
    style: str | None = None
    styles: Path | None = None
    lora: Path | None = None
    lora_weight: float = Field(default=1.0, allow_inf_nan=False)
    strength: float = Field(default=0.6, gt=0.0, le=1.0)

    @field_validator("prompt")
    @classmethod
    def _has_words(cls, prompt: str) -> str:
        if not prompt.strip():
            raise PromptError('the prompt is missing; say what the picture shows, e.g. "a photo of a person, smiling"')
        return prompt

    @field_validator("window")
    @classmethod
    def _is_a_stretch(cls, window: tuple[float, float] | None) -> tuple[float, float] | None:
        if window is not None and not 0 <= window[0] < window[1] <= 1:
            raise ValueError("expected two fractions of the run, 0 <= start < end <= 1")
        return window

    @field_validator("scheduler")
    @classmethod
    def _is_known(cls, scheduler: str | None) -> str | None:
        if scheduler is not None:
            require_sampler(scheduler)
        return scheduler

    @model_validator(mode="after")
    def _one_hand_on_a_dial(self) -> Self:
        asked = [name for name in ("likeness", "variety") if getattr(self, name) is not None]
        twice = [name for name in CHOSEN_BY_DIALS if name in self.model_fields_set and getattr(self, name) is not None]
        if asked and twice:
            raise ConfigError(
                f"{' and '.join(asked)} set {_told(twice)}, given at the same time; leave out one or the other"
            )
        return self

    @model_validator(mode="after")
    def _fast_leaves_nothing_open(self) -> Self:
        twice = [name for name in SET_BY_FAST if name in self.model_fields_set and getattr(self, name) is not None]
        if self.fast and twice:
            raise ConfigError(
                f"fast (--fast) cannot be had with {_told(twice)}, which it settles; leave out one of the two"
            )
        return self

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Check the values.

        Raises:
            PromptError: the prompt has no words.
            ConfigError: a value is out of range; the message names it.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, one['loc']))} = {one['input']!r}: {one['msg']}" for one in error.errors())
            raise ConfigError("; ".join(problems)) from error


class PortraitSettings(Dials):
    """What a portrait depends on besides the model and the person.

    Attributes:
        height: in pixels, a multiple of 8; the base's own if None.
        width: likewise.
        best_of: pictures drawn for each one kept; the guide keeps those most like the person.
        enlarge: whether the base's own network doubles the side of what was drawn.
    """

    height: PositiveInt | None = Field(default=None, multiple_of=8)
    width: PositiveInt | None = Field(default=None, multiple_of=8)
    best_of: PositiveInt = 1
    enlarge: bool = False


class GroupSettings(PortraitSettings):
    """What a picture of several people depends on besides the model and the people.

    Attributes:
        retries: how often the region of somebody who is not found there is drawn again, at most.
    """

    retries: int = Field(default=1, ge=0)


class InpaintSettings(Dials):
    """What people in a template depend on besides the model, the people and the template.

    Attributes:
        region: what changes of each face, "face" or "head" (with ears, hair and hat).
    """

    prompt: str = DEFAULT_PROMPT
    region: Literal["face", "head"] = "face"
