"""What training and evaluation know of a system: two protocols and what passes through them. There is no base class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from limner.core.config import Config
from limner.core.errors import PromptError

LossTerms = Mapping[str, Tensor]
"""Named scalar losses, not weighted; the weights stand in the recipe."""

Batch = TypeVar("Batch", contravariant=True)


@dataclass(frozen=True)
class Phase:
    """Parameters that one optimizer moves in turn; most systems have one phase, an adversarial one has two."""

    name: str
    parameters: tuple[nn.Parameter, ...]


class Trainable(Protocol[Batch]):
    """A system that a training loop can train."""

    @property
    def phases(self) -> Sequence[Phase]:
        """The phases of one step, in order."""
        ...

    def loss(self, batch: Batch, phase: Phase, generator: torch.Generator) -> LossTerms:
        """Named losses of one batch; all random numbers come from ``generator``."""
        ...


class GenerateRequest(Config):
    """Pictures that somebody asks for.

    Attributes:
        prompt: what the picture shows.
        references: photos of the person, or one identity card.
        negative_prompt: what it should not show.
        count: number of pictures.
        seed: same seed, same machine: same pictures.
        num_steps: sampling steps.
        guidance_scale: classifier-free guidance, 1 is none.
        adapter_scale: how strongly the person is kept, 0 is the base model.
        height: in pixels; the backbone's own if None.
        width: in pixels; the backbone's own if None.

    Raises:
        PromptError: the prompt is empty.
    """

    prompt: str
    references: tuple[Path, ...] = Field(min_length=1)
    negative_prompt: str = ""
    count: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    num_steps: int = Field(default=25, ge=1)
    guidance_scale: float = Field(default=5.0, ge=1.0)
    adapter_scale: float = Field(default=0.8, ge=0.0)
    height: int | None = Field(default=None, ge=8)
    width: int | None = Field(default=None, ge=8)

    @field_validator("prompt")
    @classmethod
    def _has_words(cls, prompt: str) -> str:
        if not prompt.strip():
            raise PromptError('the prompt is empty; say what the picture shows, e.g. "a photo of a person, smiling"')
        return prompt


class Generator(Protocol):
    """A system that makes pictures."""

    def generate(self, request: GenerateRequest) -> list[np.ndarray]:
        """Pictures, each RGB uint8 ``(height, width, 3)``."""
        ...
