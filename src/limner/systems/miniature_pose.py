"""Training of the miniature's pose ControlNet (arXiv:2302.05543): lines of a face -> that pose, the base frozen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from torch import Tensor, nn

from limner.diffusion.backbone import StableDiffusionBackbone
from limner.diffusion.schedule import draw_timesteps, signal_to_noise
from limner.losses.denoising import WeightName, denoising_loss, denoising_target, denoising_weight
from limner.systems.contract import Batch, Inspection, LossTerms, Plan
from limner.systems.miniature_pose_data import PosedFaces, lines_of
from limner.systems.miniature_prompts import training_prompts
from limner.systems.portraits import draw_seeds, noise_of

NUM_SHOWN = 4
_SAMPLE_PROMPT, _SAMPLE_STEPS, _SAMPLE_GUIDANCE = "a photo of a person", 12, 2.0


class MiniaturePose:
    """The loss of one step; ``module`` is what is trained."""

    def __init__(
        self,
        network: ControlNetModel,
        backbone: StableDiffusionBackbone,
        faces: PosedFaces,
        *,
        batch: int,
        weight: WeightName,
        timestep_shift: float,
    ) -> None:
        """``timestep_shift``: above 1 more rows are noisy, where a pose is settled; see
        :func:`limner.diffusion.schedule.draw_timesteps`."""
        self.module: nn.Module = network
        self.backbone, self.faces, self.batch = backbone, faces, batch
        self.weight: WeightName = weight
        self.timestep_shift = timestep_shift

    @property
    def frozen(self) -> Sequence[nn.Module]:
        """The base."""
        return self.backbone.parts

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move the base."""
        self.backbone.place(device, dtype)

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
        """Latents, noise, the captions' token ids, and the lines in uint8."""
        record, variant = plan["record"], plan["variant"]
        latents = self.faces.latents[record, variant].float()
        prompts = training_prompts(self.faces.traits, plan)
        return {
            "latents": latents,
            "noise": noise_of(plan["noise_seed"], tuple(latents.shape[1:])),
            "timesteps": plan["timesteps"],
            "lines": lines_of(self.faces.meshes[record, variant], self.backbone.pixels),
            **self.backbone.tokenize(prompts),
        }

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """``denoising``: the weighted velocity error of the base with the lines shown."""
        latents, noise, timesteps = batch["latents"], batch["noise"], batch["timesteps"]
        schedule = self.backbone.noise_schedule
        noisy = schedule.add_noise(latents, noise, timesteps)
        context = self.backbone.encode_text({name: batch[name] for name in self.backbone.tokenizer_names}).context
        prediction = self._predict(noisy, timesteps, context, batch["lines"].float() / 255)
        kept = schedule.alphas_cumprod.to(latents.device)[timesteps]
        target = denoising_target("v_prediction", latents, noise, kept)
        weight = denoising_weight(self.weight, "v_prediction", signal_to_noise(schedule, timesteps))
        return {"denoising": denoising_loss(prediction, target, weight)}

    def _predict(self, noisy: Tensor, timesteps: Tensor, context: Tensor, lines: Tensor) -> Tensor:
        down, middle = self.module(noisy, timesteps, context, lines, return_dict=False)
        return self.backbone.unet(
            noisy,
            timesteps,
            context,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]

    @torch.no_grad()
    def inspect(self) -> Inspection:
        """The same poses at the same seeds every time: the lines, and what is drawn with them."""
        from diffusers.pipelines.auto_pipeline import AutoPipelineForText2Image

        lines = lines_of(self.faces.meshes[:NUM_SHOWN, 0], self.backbone.pixels)
        pipeline: Any = AutoPipelineForText2Image.from_pipe(self.backbone.pipeline, controlnet=self.module)
        pipeline.set_progress_bar_config(disable=True)
        drawn = pipeline(
            [_SAMPLE_PROMPT] * len(lines),
            image=lines.float() / 255,
            generator=[torch.Generator().manual_seed(seed) for seed in range(len(lines))],
            num_inference_steps=_SAMPLE_STEPS,
            guidance_scale=_SAMPLE_GUIDANCE,
            output_type="np",
        ).images
        shown = lines.permute(0, 2, 3, 1).numpy()
        made = (drawn * 255).round().astype(np.uint8)
        return Inspection([np.hstack(pair) for pair in zip(shown, made, strict=True)], {})
