"""What training knows of a system: protocols. There is no base class."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from limner.core.checkpoint import Header

Plan = dict[str, Tensor]
"""What a batch will be, in numbers: the first axis of every entry counts the rows."""
Batch = dict[str, Tensor]
"""What a step reads; the first axis of every entry counts the rows."""
LossTerms = dict[str, Tensor]
"""Named scalar losses, means over the rows, not weighted; the weights stand in the recipe."""


class Trainable(Protocol):
    """What is to fall, and what is moved for it.

    A step is made in three parts, so that any number of processes sees together what one would see alone: the plan is
    drawn for the whole batch, its rows are shared out, and each process loads and computes its own.
    """

    @property
    def module(self) -> nn.Module:
        """All trained parameters; frozen ones may be among them."""
        ...

    @property
    def frozen(self) -> Sequence[nn.Module]:
        """Other networks a step runs through; they must not get a gradient."""
        ...

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move the frozen networks; ``dtype`` is what they may compute in."""
        ...

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        """The plan of a whole step; cheap, and every random number comes from ``rng``."""
        ...

    def collate(self, plan: Plan) -> Batch:
        """Load the rows of a plan, or of a part of one; on the CPU, perhaps in another process."""
        ...

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """Losses of a batch on the device."""
        ...


@dataclass(frozen=True, eq=False)
class Inspection:
    """A look at a system in training.

    Attributes:
        pictures: ``(height, width, 3)`` RGB uint8, of the same seeds every time.
        ratios: FAIR ratio by layer, of the same batch every time.
    """

    pictures: Sequence[np.ndarray]
    ratios: dict[str, float]


@runtime_checkable
class Inspectable(Protocol):
    """A :class:`Trainable` that can show how far it is."""

    def inspect(self) -> Inspection:
        """Draw and measure with the weights as they are; no random state outside changes."""
        ...


class Increment(Protocol):
    """The two parts of what an adapter layer adds, ``(batch, positions, channels)``."""

    @property
    def attention(self) -> Tensor: ...

    @property
    def feed_forward(self) -> Tensor: ...


class LayerRecord(Protocol):
    """What one adapter layer added in one call, and what it was added to, ``(batch, positions, channels)``."""

    @property
    def layer(self) -> str: ...

    @property
    def block_input(self) -> Tensor: ...

    @property
    def increments(self) -> Increment: ...


class FaceAdapter(Protocol):
    """The part of a conditioned system that sits in the backbone."""

    @property
    def is_injected(self) -> bool: ...

    def inject(self, backbone: nn.Module) -> None: ...

    def eject(self) -> None: ...

    def conditioned(
        self,
        face_tokens: Tensor,
        null_tokens: Tensor | None = None,
        *,
        guided: bool | None = None,
        scale: float | None = None,
    ) -> AbstractContextManager[None]: ...

    def record_increments(self) -> AbstractContextManager[Sequence[LayerRecord]]: ...

    def checkpointed(self, module: nn.Module, *args: Any) -> Any: ...


class FaceAdapterSystem(Protocol):
    """A system that shows a person to a frozen backbone, such as FACT; it is an ``nn.Module``, all of it trained."""

    @property
    def adapter(self) -> FaceAdapter: ...

    @property
    def projector(self) -> nn.Module:
        """The part that makes face tokens of features."""
        ...

    @property
    def null_tokens(self) -> Tensor:
        """The tokens of "no face", ``(1, tokens, context_width)``."""
        ...

    def face_tokens(self, face_features: Tensor) -> Tensor:
        """``(people, photos, patches, width)`` -> ``(people, tokens, context_width)``; zeros are "no face"."""
        ...

    def require_space(self, feature_space: str) -> None:
        """Refuse features of another recogniser."""
        ...

    def header(self) -> Header:
        """What a file of these weights says about itself."""
        ...

    def state_dict(self) -> dict[str, Any]: ...
