"""Face Adapting Increment Regularization (FAIR): how much of the adapter's increment falls outside the face.

``||GSA(x) (1 - M)|| / ||x (1 - M)||`` of arXiv:2410.12312. The norm, which increment and how layers are joined is not
published; here: 2-norms per sample over positions and channels, mean over samples and layers, and the denominator
detached, so that inflating ``x`` does not pay. What ``GSA(x)`` is can be read in two ways, hence :data:`FairReading`.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

_EPSILON = 1e-6

FairReading = Literal["whole", "attention"]
"""The increment that counts: attention and feed-forward with their gates, which is what reaches the picture, or the
attention's part alone."""


def read_increment(attention: Tensor, feed_forward: Tensor, reading: FairReading) -> Tensor:
    """The increment that counts, of its two parts ``(batch, positions, channels)``."""
    return attention + feed_forward if reading == "whole" else attention


def increment_ratio(increment: Tensor, hidden: Tensor, face_mask: Tensor) -> Tensor:
    """FAIR of one layer, ``(batch,)``; not a number where the mask leaves no background.

    Args:
        increment: what the adapter adds, ``(batch, side * side, channels)``.
        hidden: what it adds to, same shape.
        face_mask: ``(batch, 1, height, width)`` in [0, 1], 1 on the face; area-resized to the layer's side, kept soft.
    """
    side = math.isqrt(increment.shape[1])
    outside = 1 - F.interpolate(face_mask.float(), size=(side, side), mode="area").flatten(2).mT
    added = (increment.float() * outside).flatten(1).norm(dim=1)
    present = (hidden.detach().float() * outside).flatten(1).norm(dim=1)
    ratio = added / (present + _EPSILON)
    return torch.where(outside.sum(dim=(1, 2)) > 0, ratio, torch.nan)


def increment_loss(layers: Sequence[tuple[Tensor, Tensor]], face_mask: Tensor) -> Tensor:
    """Mean over samples of the mean FAIR over layers; a layer at which a sample has no background is left out of that
    sample's mean, and a sample that never has one counts 0.

    So it is a mean over rows: parts of a batch can be computed apart.

    Args:
        layers: per layer the increment and the hidden states it is added to.
        face_mask: see :func:`increment_ratio`.
    """
    ratios = torch.stack([increment_ratio(increment, hidden, face_mask) for increment, hidden in layers])
    per_sample = ratios.nansum(dim=0) / (~ratios.isnan()).sum(dim=0).clamp_min(1)
    return per_sample.mean()
