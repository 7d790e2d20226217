"""Redrawing part of a picture with any stock image-to-image pipeline.

diffusers' inpainting pipelines take bases with 4 latent channels (or 9, trained for it) only. This does in the callback
that every stock pipeline calls after a step what they do inside: outside the mask the latents are set back to the
picture's own, noised as far as the step is (RePaint without resampling, arXiv:2201.09865).
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class LatentBlend:
    """What to hand to ``callback_on_step_end``, with the tensor input ``latents``; it serves one call."""

    tensor_inputs = ("latents",)

    def __init__(self, latents: Tensor, mask: Tensor, noise: Tensor) -> None:
        """Keep what the outside is to be.

        Args:
            latents: of the pictures, ``(batch, channels, rows, columns)``, as the denoiser sees them.
            mask: ``(batch, 1, height, width)`` bool, True where the picture is drawn anew.
            noise: as ``latents``, standard normal.
        """
        self.latents, self.noise = latents, noise
        # A position that holds any pixel to be redrawn is redrawn; the picture's own pixels are put back afterwards.
        self.mask = F.adaptive_max_pool2d(mask.to(latents), latents.shape[-2:])

    def __call__(self, pipeline: Any, step: int, timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Set the outside back to the picture at the noise of the next step."""
        coming = pipeline.scheduler.timesteps[len(pipeline.scheduler.timesteps) - pipeline.num_timesteps + step + 1 :]
        outside = self.latents
        if len(coming):
            outside = pipeline.scheduler.add_noise(self.latents, self.noise, coming[:1])
        latents = tensors["latents"]
        return {"latents": torch.where(self.mask > 0, latents, outside.to(latents))}


def seeded_noise(seeds: Sequence[int], like: Tensor) -> Tensor:
    """Standard normal noise shaped as ``like``, each row from its own seed and drawn on the CPU."""
    rows = [torch.randn(like.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows).to(like)
