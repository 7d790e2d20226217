"""From much noise to little by a model's own predictions: a few DDIM steps (arXiv:2010.02502), deterministic."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from limner.losses.denoising import PredictionType, denoised_latents, denoising_target

Predict = Callable[[Tensor, Tensor], Tensor]
"""Noisy latents and their timesteps ``(rows,)`` -> the model's answer, shaped as the latents."""


def descent_timesteps(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Evenly spaced whole timesteps ``(steps + 1, rows)`` from ``start`` ``(rows,)`` to ``end`` ``(rows,)``."""
    shares = torch.linspace(0, 1, steps + 1, device=start.device)[:, None]
    return (start * (1 - shares) + end * shares).round().long()


def descend(
    predict: Predict, noisy: Tensor, timesteps: Tensor, alphas_cumprod: Tensor, prediction_type: PredictionType
) -> Tensor:
    """Latents at the last of ``timesteps``.

    Args:
        predict: the model.
        noisy: ``(rows, channels, height, width)`` at the first of ``timesteps``.
        timesteps: ``(steps + 1, rows)``, falling.
        alphas_cumprod: ``(num_train_timesteps,)``, the signal's share of the variance.
        prediction_type: what ``predict`` answers.
    """
    for now, then in pairwise(timesteps):
        kept, left = (alphas_cumprod.to(noisy)[one][:, None, None, None] for one in (now, then))
        clean = denoised_latents(prediction_type, predict(noisy, now), noisy, kept.flatten())
        noise = (noisy - kept.sqrt() * clean) / (1 - kept).sqrt()
        noisy = left.sqrt() * clean + (1 - left).sqrt() * noise
    return noisy


def answer_between(
    noisy: Tensor, arrived: Tensor, kept: Tensor, left: Tensor, prediction_type: PredictionType
) -> Tensor:
    """What a model must answer to come from ``noisy`` to ``arrived`` in a single DDIM step (arXiv:2202.00512, app. G).

    Args:
        noisy: ``(rows, channels, height, width)``, where the step begins.
        arrived: same shape, where it ends.
        kept: ``(rows,)``, the signal's share of the variance at the beginning.
        left: ``(rows,)``, the same at the end; more than ``kept``, at most 1.
    """
    begin, end = (one[:, None, None, None] for one in (kept, left))
    of_noisy = ((1 - end) / (1 - begin)).sqrt()
    clean = (arrived - of_noisy * noisy) / (end.sqrt() - of_noisy * begin.sqrt())
    noise = (noisy - begin.sqrt() * clean) / (1 - begin).sqrt()
    return denoising_target(prediction_type, clean, noise, kept)
