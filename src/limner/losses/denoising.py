"""Denoising losses: what a denoiser should answer, and plain means of its squared error."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

PredictionType = Literal["epsilon", "sample", "v_prediction"]
"""Noise, picture or velocity (arXiv:2202.00512), under the names that diffusers gives them."""
WeightName = Literal["uniform", "min-snr", "floored-min-snr"]


def denoising_target(prediction_type: PredictionType, latents: Tensor, noise: Tensor, kept: Tensor) -> Tensor:
    """What a denoiser that predicts ``prediction_type`` should answer, shaped as ``latents``.

    Args:
        latents: ``(batch, channels, height, width)``.
        noise: same shape, the noise that was mixed in.
        kept: ``(batch,)`` in [0, 1], the signal's share of the variance (``alphas_cumprod`` at the timesteps).
    """
    if prediction_type == "epsilon":
        return noise
    if prediction_type == "sample":
        return latents
    kept = kept[:, None, None, None]
    return kept.sqrt() * noise - (1 - kept).sqrt() * latents


def denoised_latents(prediction_type: PredictionType, prediction: Tensor, noisy: Tensor, kept: Tensor) -> Tensor:
    """The clean latents that a prediction amounts to, shaped as ``noisy``; the inverse of :func:`denoising_target`.

    Args:
        prediction: ``(batch, channels, height, width)``.
        noisy: same shape, what the denoiser was given.
        kept: ``(batch,)`` in (0, 1], as there.
    """
    if prediction_type == "sample":
        return prediction
    kept = kept[:, None, None, None]
    if prediction_type == "epsilon":
        return (noisy - (1 - kept).sqrt() * prediction) / kept.sqrt()
    return kept.sqrt() * noisy - (1 - kept).sqrt() * prediction


def denoising_loss(
    prediction: Tensor, target: Tensor, weight: Tensor | None = None, region: Tensor | None = None
) -> Tensor:
    """Weighted mean squared error in float32, a mean over samples.

    Args:
        prediction: ``(batch, channels, height, width)``.
        target: same shape; noise, picture or velocity, as the backbone predicts.
        weight: ``(batch,)``, or None for 1.
        region: ``(batch, 1, height, width)`` in [0, 1], where the error counts; a sample's loss is the mean over its
            region, 0 if that is empty. None for everywhere.
    """
    squares = (prediction.float() - target.float()).square()
    if region is None:
        per_sample = squares.mean(dim=(1, 2, 3))
    else:
        region = region.float()
        area = region.sum(dim=(1, 2, 3)) * prediction.shape[1]
        per_sample = (squares * region).sum(dim=(1, 2, 3)) / area.clamp_min(1e-6)
    return per_sample.mean() if weight is None else (per_sample * weight).mean()


def min_snr_weight_velocity(signal_to_noise: Tensor, gamma: float = 5.0) -> Tensor:
    """Min-SNR weight for velocity prediction (arXiv:2303.09556), ``(batch,)``: ``min(snr, gamma) / (snr + 1)``."""
    return signal_to_noise.clamp(max=gamma) / (signal_to_noise + 1)


def floored_min_snr_weight_velocity(signal_to_noise: Tensor, gamma: float = 5.0) -> Tensor:
    """Min-SNR that does not vanish at pure noise, ``(batch,)``: ``(min(snr, gamma) + 1) / (snr + 1)``."""
    return (signal_to_noise.clamp(max=gamma) + 1) / (signal_to_noise + 1)


VELOCITY_WEIGHTS: dict[WeightName, Callable[[Tensor], Tensor]] = {
    "uniform": torch.ones_like,
    "min-snr": min_snr_weight_velocity,
    "floored-min-snr": floored_min_snr_weight_velocity,
}
"""Signal-to-noise ratio ``(batch,)`` -> weight of each sample's velocity error, by the name a recipe uses."""


def denoising_weight(name: WeightName, prediction_type: PredictionType, signal_to_noise: Tensor) -> Tensor:
    """Weight of each sample's squared error, ``(batch,)``.

    "uniform" is 1 whatever is predicted. The others mean the same for every prediction type: an error of the noise is
    the velocity's times the signal's share of the amplitude, one of the picture times the noise's.
    """
    weight = VELOCITY_WEIGHTS[name](signal_to_noise)
    if name == "uniform" or prediction_type == "v_prediction":
        return weight
    if prediction_type == "epsilon":
        return weight * (1 + signal_to_noise) / signal_to_noise
    return weight * (1 + signal_to_noise)
