"""Several people in one picture: which positions of a block see which of them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from limner.core.errors import AdapterError


def fitted(regions: Tensor, num_positions: int) -> Tensor:
    """Regions at the size of a block's picture.

    Args:
        regions: ``(people, persons, rows, columns)`` in [0, 1], at the size of the latents.
        num_positions: of the block, whose picture is the latents' halved, rounding up, so many times.

    Returns:
        ``(people, persons, positions)``, the share of each position that lies in the region.

    Raises:
        AdapterError: no halving gives so many positions.
    """
    rows, columns = regions.shape[-2:]
    while rows * columns > num_positions:
        rows, columns = -(-rows // 2), -(-columns // 2)
    if rows * columns != num_positions:
        raise AdapterError(
            f"regions of {regions.shape[-2]} x {regions.shape[-1]} positions cannot be laid on a block of "
            f"{num_positions}; give them at the size of the latents"
        )
    return F.adaptive_avg_pool2d(regions, (rows, columns)).flatten(2)


def visible(regions: Tensor, num_tokens: int) -> Tensor:
    """Which face tokens each position sees: those of the persons whose region it touches.

    A position in nobody's region sees all, because attention must see something; what it gets is thrown away.

    Args:
        regions: ``(people, persons, positions)``, see :func:`fitted`.
        num_tokens: of all persons of a row together, as many each.

    Returns:
        bool ``(people, positions, tokens)``.
    """
    touched = regions.mT > 0
    seen = touched | ~touched.any(dim=-1, keepdim=True)
    return torch.repeat_interleave(seen, num_tokens // regions.shape[1], dim=-1)
