"""Somebody looks on while a picture is drawn: the clean latents that a step predicts are corrected before it is taken.

Only the scheduler's step changes, so every stock diffusers pipeline draws so. Guidance on what is predicted, instead of
on what is noisy: arXiv:2302.07121, "forward guidance"; with face networks: DiffFace, arXiv:2212.13344.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from torch import Tensor

from limner.core.errors import ConfigError
from limner.losses.denoising import denoised_latents, denoising_target

Correct = Callable[[Tensor], Tensor]
"""Predicted clean latents ``(rows, channels, height, width)`` -> the same, corrected."""

CORRECTABLE = ("DPMSolverMultistepScheduler", "DDIMScheduler", "UniPCMultistepScheduler")
"""diffusers' samplers whose noisy latents are those of training and whose steps ask the denoiser once; they are
stepped by what the model answers, at the noise level of the timestep."""
BEGINS, ENDS, APART = 0.65, 0.08, 0.075
"""Shares of the noise schedule: where the corrections lay that a second recogniser liked best (docs/training-log.md).
Between two of them the denoiser makes what a picture can be; closer ones cost time: at 25 steps every second is
corrected."""


def can_be_corrected(scheduler: Any) -> bool:
    """Whether it is one of :data:`CORRECTABLE`."""
    return type(scheduler).__name__ in CORRECTABLE


def require_correctable(scheduler: Any) -> None:
    """Refuse a sampler whose steps mean something else.

    Raises:
        ConfigError: it is none of :data:`CORRECTABLE`.
    """
    if not can_be_corrected(scheduler):
        raise ConfigError(
            f"identity guidance (identity_guidance, --identity-guidance) cannot look into the steps of "
            f"{type(scheduler).__name__}; choose the sampler dpm, ddim or unipc (--scheduler), or set it to 0"
        )


def correct_steps(scheduler: Any, correct: Correct, *, window: tuple[float, float]) -> None:
    """Have the steps of one run taken from corrected predictions.

    Args:
        scheduler: diffusers' own, used for nothing else afterwards.
        correct: called at most once for each :data:`APART` of the noise schedule.
        window: (start, end) of the run in which it is asked, fractions from pure noise to picture.

    Raises:
        ConfigError: see :func:`require_correctable`.
    """
    require_correctable(scheduler)
    plain, config = scheduler.step, scheduler.config
    begins, ends = min(BEGINS, 1 - window[0]), max(ENDS, 1 - window[1])
    kind, last = config.prediction_type, [2.0]

    @wraps(plain)
    def step(model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **options: Any) -> Any:
        share = float(timestep) / config.num_train_timesteps
        if ends <= share <= begins and last[0] - share >= APART:
            last[0] = share
            kept = scheduler.alphas_cumprod.to(sample)[int(timestep)].expand(len(sample))
            clean = correct(denoised_latents(kind, model_output, sample, kept))
            signal, noise_share = kept[0].sqrt(), (1 - kept[0]).sqrt()
            model_output = denoising_target(kind, clean, (sample - signal * clean) / noise_share, kept)
        return plain(model_output, timestep, sample, *args, **options)

    scheduler.step = step
