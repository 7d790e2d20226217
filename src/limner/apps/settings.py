"""What somebody asks a studio for, checked before anything heavy is loaded."""

from typing import Any, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, ValidationError, field_validator

from limner.core.config import Config
from limner.core.errors import ConfigError, PromptError


class PortraitSettings(Config):
    """Everything besides the model and the person that a picture depends on.

    Attributes:
        prompt: what the picture shows.
        negative_prompt: what it should not show.
        count: number of pictures.
        seed: of the first picture; each further one has the next number.
        num_steps: sampling steps.
        guidance_scale: how closely the words are followed, 1 is unguided; None is the base's own default.
        adapter_scale: how strongly the person is kept, 0 is the base model.
        height: in pixels, a multiple of 8; the base's own if None.
        width: likewise.
    """

    prompt: str
    negative_prompt: str = ""
    count: PositiveInt = 1
    seed: int = Field(default=0, ge=0, lt=2**32)
    num_steps: PositiveInt = 25
    guidance_scale: float | None = Field(default=None, ge=1.0, allow_inf_nan=False)
    adapter_scale: NonNegativeFloat = Field(default=0.8, allow_inf_nan=False)
    height: PositiveInt | None = Field(default=None, multiple_of=8)
    width: PositiveInt | None = Field(default=None, multiple_of=8)

    @field_validator("prompt")
    @classmethod
    def _has_words(cls, prompt: str) -> str:
        if not prompt.strip():
            raise PromptError('the prompt is missing; say what the picture shows, e.g. "a photo of a person, smiling"')
        return prompt

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
