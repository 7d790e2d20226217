"""What training knows of a system: one protocol. There is no base class."""

from typing import Protocol

import torch
from torch import Tensor, nn

LossTerms = dict[str, Tensor]
"""Named scalar losses, not weighted; the weights stand in the recipe."""


class Objective(Protocol):
    """What is to fall: one batch's losses, and the module that holds everything trained."""

    @property
    def module(self) -> nn.Module:
        """All trained parameters; frozen ones may be among them."""
        ...

    def __call__(self, step: int, rng: torch.Generator) -> LossTerms:
        """Losses of the batch of one step; all random numbers come from ``rng``."""
        ...
