"""The region-sparse path: after the first steps of a run a layer adds to the positions of the face only.

Where the face is, a layer tells from its own last whole increment: FACT is trained to add little elsewhere
(arXiv:2410.12312, FAIR). It is an approximation, whose error stands in docs/performance.md. Measured there and left out
again, because the error grew for the same number of positions: keeping the last increment outside instead of none, and
widening the region by its neighbours.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from limner.core.errors import AdapterError


@dataclass(frozen=True)
class Sparse:
    """How much is left out, and when.

    Attributes:
        share: of each block's positions that something is added to, in (0, 1].
        start: from which part of the run on, in [0, 1], fractions of the noise schedule from pure noise to picture.

    Raises:
        AdapterError: one is out of range.
    """

    share: float = 0.2
    start: float = 0.2

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0 or not 0.0 <= self.start <= 1.0:
            raise AdapterError(f"{self}; expected a share in (0, 1] and a start in [0, 1]")


class Region(NamedTuple):
    """Where a layer adds most: ``positions``, int64 ``(batch, inside)`` in order, of ``num_positions``."""

    positions: Tensor
    num_positions: int

    @classmethod
    def predicted(cls, increment: Tensor, share: float) -> "Region":
        """The share of positions with the strongest part of an increment ``(batch, positions, channels)``."""
        strength = increment.float().square().sum(dim=-1)
        # One number for all rows, so that shapes do not depend on pictures.
        inside = max(round(share * strength.shape[1]), 1)
        positions = strength.topk(inside, dim=1, sorted=False).indices
        # In order, so that what is read together lies together.
        return cls(positions.sort(dim=1).values, strength.shape[1])

    def fits(self, hidden: Tensor) -> bool:
        """Whether it was predicted for a batch of the size of ``(batch, positions, channels)``."""
        return hidden.shape[:2] == (len(self.positions), self.num_positions)

    def spread(self, inside: Tensor) -> Tensor:
        """``(batch, inside, channels)`` in its places among zeros, ``(batch, positions, channels)``."""
        zeros = inside.new_zeros(len(inside), self.num_positions, inside.shape[2])
        return zeros.scatter_(1, self.positions[..., None].expand_as(inside), inside)


class Run:
    """Follows one run after the other by their timesteps and says which calls may be sparse."""

    def __init__(self, sparse: Sparse) -> None:
        self.sparse = sparse
        self.is_late = False
        self._progress = 1.0

    def see(self, progress: float) -> bool:
        """Take note of a call at this part of a run, in [0, 1]; tells whether another run began."""
        begins = progress < self._progress
        self._progress = progress
        self.is_late = progress >= self.sparse.start
        return begins


def at_positions(hidden: Tensor, positions: Tensor | None) -> Tensor:
    """Rows ``(batch, inside, channels)`` of ``(batch, positions, channels)``; all of them if None."""
    if positions is None:
        return hidden
    return torch.gather(hidden, 1, positions[..., None].expand(-1, -1, hidden.shape[-1]))
