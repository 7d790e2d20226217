"""The region-sparse path: after the first steps of a run only the positions where the face is are brought up to date.

Where the face is, a layer tells from its own last whole increment: FACT is trained to add little elsewhere
(arXiv:2410.12312, FAIR). The other positions keep what was added to them last. It is an approximation, whose error
stands in docs/performance.md.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from limner.core.errors import AdapterError


@dataclass(frozen=True)
class Sparse:
    """How much is left out, and when.

    Attributes:
        share: of each block's positions that are brought up to date, in (0, 1].
        start: from which part of the run on, in [0, 1], fractions of the noise schedule from pure noise to picture.

    Raises:
        AdapterError: one is out of range.
    """

    share: float = 0.25
    start: float = 0.2

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0 or not 0.0 <= self.start <= 1.0:
            raise AdapterError(f"{self}; expected a share in (0, 1] and a start in [0, 1]")


@dataclass(frozen=True, eq=False)
class Region:
    """What a layer keeps of its last whole increment.

    Attributes:
        positions: int64 ``(batch, inside)``, where the face is.
        increment: ``(batch, positions, channels)``, the whole increment.
    """

    positions: Tensor
    increment: Tensor

    @classmethod
    def predicted(cls, increment: Tensor, size: tuple[int, int], share: float) -> "Region":
        """The positions where most was added, and their neighbours.

        Args:
            increment: ``(batch, positions, channels)``.
            size: rows and columns of the block's picture.
            share: of the positions.
        """
        strength = increment.float().square().sum(dim=-1).unflatten(1, size)[:, None]
        dilated = F.max_pool2d(strength, kernel_size=3, stride=1, padding=1).flatten(1)
        # One number for all rows, so that shapes do not depend on pictures.
        inside = max(round(share * dilated.shape[1]), 1)
        # In order, so that what is read together lies together.
        return cls(dilated.topk(inside, dim=1, sorted=False).indices.sort(dim=1).values, increment)

    def renewed(self, inside: Tensor) -> Tensor:
        """The whole increment with these values ``(batch, inside, channels)`` in the region."""
        return self.increment.scatter(1, self.positions[..., None].expand_as(inside), inside.to(self.increment.dtype))


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
