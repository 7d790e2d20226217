"""Denoising losses: plain means of squared error, with a weight per sample."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor


def denoising_loss(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Weighted mean squared error in float32.

    Args:
        prediction: ``(batch, channels, height, width)``.
        target: same shape; noise, picture or velocity, as the backbone predicts.
        weight: ``(batch,)``, or None for 1.
    """
    per_sample = (prediction.float() - target.float()).square().mean(dim=(1, 2, 3))
    return per_sample.mean() if weight is None else (per_sample * weight).mean()


def min_snr_weight_velocity(signal_to_noise: Tensor, gamma: float = 5.0) -> Tensor:
    """Min-SNR weight for velocity prediction (arXiv:2303.09556), ``(batch,)``: ``min(snr, gamma) / (snr + 1)``."""
    return signal_to_noise.clamp(max=gamma) / (signal_to_noise + 1)


def floored_min_snr_weight_velocity(signal_to_noise: Tensor, gamma: float = 5.0) -> Tensor:
    """Min-SNR that does not vanish at pure noise, ``(batch,)``: ``(min(snr, gamma) + 1) / (snr + 1)``."""
    return (signal_to_noise.clamp(max=gamma) + 1) / (signal_to_noise + 1)


WeightName = Literal["uniform", "min-snr", "floored-min-snr"]
VELOCITY_WEIGHTS: dict[WeightName, Callable[[Tensor], Tensor]] = {
    "uniform": torch.ones_like,
    "min-snr": min_snr_weight_velocity,
    "floored-min-snr": floored_min_snr_weight_velocity,
}
"""Signal-to-noise ratio ``(batch,)`` -> weight of each sample's velocity error, by the name a recipe uses."""
