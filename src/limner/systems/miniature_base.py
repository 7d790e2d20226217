"""Training of the miniature's base: text -> face, the denoiser and the text encoder together, from scratch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import nn

from limner.diffusion.miniature import Miniature
from limner.diffusion.schedule import draw_timesteps, signal_to_noise, training_schedule
from limner.diffusion.text import token_ids
from limner.losses.denoising import WeightName, denoising_loss, denoising_target, denoising_weight
from limner.systems.contract import Batch, Inspection, LossTerms, Plan
from limner.systems.miniature_data import EncodedFaces
from limner.systems.miniature_prompts import training_prompts
from limner.systems.portraits import draw_seeds, noise_of

SAMPLE_PROMPTS = (
    "a photo of a woman, smiling",
    "a photo of a man with glasses",
    "a pencil drawing of a man",
    "a photo of a person, black hair",
)
_SAMPLE_STEPS, _SAMPLE_GUIDANCE = 12, 3.0


class MiniatureBase:
    """The loss of one step; ``module`` holds what is trained."""

    def __init__(
        self,
        miniature: Miniature,
        faces: EncodedFaces,
        *,
        batch: int,
        weight: WeightName,
        timestep_shift: float = 1.0,
    ) -> None:
        """``weight``: how much each sample's velocity error counts, by its signal-to-noise ratio; ``timestep_shift``:
        see :func:`limner.diffusion.schedule.draw_timesteps`."""
        self.timestep_shift = timestep_shift
        self.miniature, self.faces, self.batch = miniature, faces, batch
        self.weight: WeightName = weight
        self.module = nn.ModuleDict({"unet": miniature.unet, "text_encoder": miniature.text_encoder})
        self.frozen: Sequence[nn.Module] = ()
        self.schedule: DDPMScheduler = training_schedule()

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """The autoencoder is needed for sample pictures only."""
        self.miniature.vae.to(device)  # pyright: ignore[reportArgumentType] (diffusers wraps ``to``)

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        """Pictures, timesteps and seeds of every row."""
        return {
            "record": torch.randint(len(self.faces.traits), (self.batch,), generator=rng),
            "variant": torch.randint(self.faces.latents.shape[1], (self.batch,), generator=rng),
            "timesteps": draw_timesteps(self.batch, rng, shift=self.timestep_shift),
            "noise_seed": draw_seeds(self.batch, rng),
            "text_seed": draw_seeds(self.batch, rng),
        }

    def collate(self, plan: Plan) -> Batch:
        """Latents, noise and the captions' token ids."""
        latents = self.faces.latents[plan["record"], plan["variant"]].float()
        prompts = training_prompts(self.faces.traits, plan)
        return {
            "latents": latents,
            "noise": noise_of(plan["noise_seed"], tuple(latents.shape[1:])),
            "timesteps": plan["timesteps"],
            "token_ids": token_ids(self.miniature.tokenizer, prompts),
        }

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """``denoising``: the weighted velocity error."""
        latents, noise, timesteps = batch["latents"], batch["noise"], batch["timesteps"]
        noisy: Any = self.schedule.add_noise(latents, noise, timesteps)  # pyright: ignore[reportArgumentType]
        text = self.module["text_encoder"](batch["token_ids"]).last_hidden_state
        prediction = self.module["unet"](noisy.contiguous(memory_format=torch.channels_last), timesteps, text).sample
        kept = self.schedule.alphas_cumprod.to(latents.device)[timesteps]
        target = denoising_target("v_prediction", latents, noise, kept)
        weight = denoising_weight(self.weight, "v_prediction", signal_to_noise(self.schedule, timesteps))
        return {"denoising": denoising_loss(prediction, target, weight)}

    @torch.no_grad()
    def inspect(self) -> Inspection:
        """The same sentences at the same seeds every time."""
        pipeline = self.miniature.pipeline()
        pipeline.set_progress_bar_config(disable=True)
        drawn: Any = pipeline(
            list(SAMPLE_PROMPTS),
            generator=[torch.Generator().manual_seed(seed) for seed in range(len(SAMPLE_PROMPTS))],
            num_inference_steps=_SAMPLE_STEPS,
            guidance_scale=_SAMPLE_GUIDANCE,
            output_type="np",
        )
        return Inspection(list((drawn.images * 255).round().astype(np.uint8)), {})
