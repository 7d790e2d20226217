"""The miniature's noise schedule: cosine, 1000 steps, velocity prediction, and the sampler that goes with it."""

import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor

NUM_TRAIN_TIMESTEPS = 1000


def training_schedule() -> DDPMScheduler:
    """Noise schedule of training: squared-cosine betas (arXiv:2102.09672), velocity target (arXiv:2202.00512)."""
    return DDPMScheduler(
        num_train_timesteps=NUM_TRAIN_TIMESTEPS, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"
    )


def sampling_schedule() -> DPMSolverMultistepScheduler:
    """The matching fast sampler, DPM-Solver++ 2M (arXiv:2211.01095), from the last training step on."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=NUM_TRAIN_TIMESTEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,  # without effect here; stock pipelines demand it
    )


def signal_to_noise(schedule: DDPMScheduler, timesteps: Tensor) -> Tensor:
    """Signal-to-noise ratio (a ratio of variances) at ``timesteps`` ``(batch,)``."""
    kept = schedule.alphas_cumprod.to(timesteps.device)[timesteps]
    return kept / (1 - kept)


def draw_timesteps(
    batch: int, rng: torch.Generator, num_train_timesteps: int = NUM_TRAIN_TIMESTEPS, *, shift: float = 1.0
) -> Tensor:
    """Timesteps ``(batch,)``, one from each of ``batch`` strata of equal chance, in random order.

    Stratifying lowers the loss's variance between steps; the density stays what it is.

    Args:
        batch: rows.
        rng: where chance comes from.
        num_train_timesteps: steps of the schedule.
        shift: 1 for a uniform density; above 1 more steps are noisy, by ``u -> shift u / (1 + (shift - 1) u)``
            (arXiv:2403.03206, 5.3.2): with 3 the noisier half is drawn in three rows of four.
    """
    places = (torch.arange(batch) + torch.rand(batch, generator=rng)) / batch
    shifted = shift * places / (1 + (shift - 1) * places)
    steps = (shifted[torch.randperm(batch, generator=rng)] * num_train_timesteps).long()
    return steps.clamp_max(num_train_timesteps - 1)  # the sum above may round up to ``batch``
