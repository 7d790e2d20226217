"""Training of a LoRA that draws in a few steps: one step of it, unguided, ends where several guided ones would.

The teacher is the same base without the LoRA, led by sentence and face as a portrait is (guidance, the null face in the
other half). So both the steps and the second evaluation that guidance costs are distilled (arXiv:2202.00512,
arXiv:2210.03142), and the base itself stays as it is: adapters, ControlNets and other LoRAs go on fitting it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict
from torch import Tensor, nn

from limner.data.pairing import draw_targets, pairing_named
from limner.diffusion.backbone import StableDiffusionBackbone, TextStates
from limner.losses.denoising import denoising_loss
from limner.systems.contract import Batch, FaceAdapterSystem, Inspection, LossTerms, Plan
from limner.systems.descent import Predict, answer_between, descend, descent_timesteps
from limner.systems.frozen_inputs import FrozenInputs
from limner.systems.portraits import Portraits, draw_seeds, noise_of

LORA = "few-steps"
NUM_SHOWN = 4
PLACES = (
    *("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"),
    *("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj"),
    *("conv_in", "conv_out", "linear_1", "linear_2"),
)
"""Modules that get a LoRA: all but those that read the sentence as a whole."""


class FewSteps:
    """The loss of one step; ``module`` is the denoiser, of which only the LoRA is trained."""

    def __init__(
        self,
        backbone: StableDiffusionBackbone,
        system: FaceAdapterSystem,
        portraits: Portraits,
        *,
        batch: int,
        rank: int,
        steps: int,
        substeps: int,
        guidance: float,
        scale: float,
        face_probability: float,
    ) -> None:
        """Put a fresh LoRA and the system into the denoiser.

        Args:
            batch: rows.
            rank: of the LoRA.
            steps: of a picture, evenly spaced and trailing, as the sampler ``ddim`` takes them.
            substeps: of the teacher in each of them.
            guidance: of the teacher.
            scale: of the adapter.
            face_probability: of a row that shows a person.
        """
        assert isinstance(system, nn.Module)
        self.backbone, self.system, self.portraits, self.batch = backbone, system, portraits, batch
        self.steps, self.substeps, self.guidance, self.scale = steps, substeps, guidance, scale
        self.face_probability = face_probability
        self.inputs = FrozenInputs(backbone, None)
        self._pairing = pairing_named("cross", portraits.people)
        system.requires_grad_(False).eval()
        if not system.adapter.is_injected:
            system.adapter.inject(backbone.pipeline.unet)
        unet: Any = backbone.pipeline.unet
        unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(PLACES)), adapter_name=LORA)
        self.module: nn.Module = unet

    @property
    def frozen(self) -> Sequence[nn.Module]:
        """Text encoder, autoencoder and the face adapter."""
        assert isinstance(self.system, nn.Module)
        return [*(part for part in self.backbone.parts if part is not self.module), self.system]

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move everything."""
        self.backbone.place(device, dtype)
        assert isinstance(self.system, nn.Module)
        self.system.to(device)

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        """Pictures, the step of the run in question, seeds, and who is shown."""
        rows = self.batch
        records = draw_targets(self.portraits.people, rows, rng, per_person=1)
        return {
            "record": torch.tensor(records),
            "reference": torch.tensor(self._pairing(records, rng)),
            "variant": torch.randint(self.portraits.num_variants, (rows,), generator=rng),
            "keep_face": torch.rand(rows, generator=rng) < self.face_probability,
            "keep_text": torch.ones(rows, dtype=torch.bool),
            # one of each in turn, so that no step is short of rows
            "step": (torch.arange(rows) + torch.randint(self.steps, (1,), generator=rng)) % self.steps,
            "noise_seed": draw_seeds(rows, rng),
            "text_seed": draw_seeds(rows, rng),
        }

    def collate(self, plan: Plan) -> Batch:
        """The rows with their pictures, faces, sentences and noise."""
        noise = noise_of(plan["noise_seed"], self.backbone.latent_shape)
        return {"keep_face": plan["keep_face"], "step": plan["step"], "noise": noise} | self.portraits.load(plan)

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """``denoising``: squared error to the answer that would end where the teacher did."""
        schedule, latents = self.backbone.noise_schedule, self.inputs.latents(batch)
        kind = schedule.config.prediction_type
        # After the last timestep there is the picture itself, found at -1.
        alphas = torch.cat([schedule.alphas_cumprod.to(latents), latents.new_ones(1)])
        length = schedule.config.num_train_timesteps // self.steps
        begin = schedule.config.num_train_timesteps - 1 - batch["step"] * length
        way = descent_timesteps(begin, begin - length, self.substeps)
        noisy = schedule.add_noise(latents, batch["noise"], begin)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), self._without_lora():
            arrived = descend(self._guided(batch), noisy, way, alphas, kind)
        target = answer_between(noisy, arrived, alphas[begin], alphas[begin - length], kind)
        tokens, text = self._face_tokens(batch), self.inputs.text(batch)
        with self.system.adapter.conditioned(tokens, scale=self.scale):
            return {"denoising": denoising_loss(self.backbone.predict(noisy, begin, text), target)}

    @torch.no_grad()
    def inspect(self) -> Inspection:
        """The same people at the same seeds every time, in few steps."""
        plan = self.draw(0, torch.Generator().manual_seed(0))
        device = next(self.module.parameters()).device
        batch = {name: rows[:NUM_SHOWN].to(device) for name, rows in self.collate(plan).items()}
        text, rows = self.inputs.text(batch), min(NUM_SHOWN, self.batch)
        with self.system.adapter.conditioned(self._face_tokens(batch), guided=False, scale=self.scale):
            drawn = self.backbone.sample(
                text, self.inputs.empty_text(device), seeds=range(rows), num_steps=self.steps, guidance_scale=1.0
            )
        return Inspection(list(drawn), {})

    def lora(self) -> dict[str, Tensor]:
        """What was trained, under diffusers' names."""
        found = get_peft_model_state_dict(self.module, adapter_name=LORA)
        return {f"unet.{name}": tensor.detach() for name, tensor in found.items()}

    def _guided(self, batch: Batch) -> Predict:
        """The teacher's answer: away from no words and no face, to these words and this face."""
        tokens, text = self._face_tokens(batch), self.inputs.text(batch)
        empty = self.inputs.empty_text(tokens.device).repeated(len(tokens))
        both = TextStates(torch.cat([empty.context, text.context]))

        def predict(noisy: Tensor, now: Tensor) -> Tensor:
            with self.system.adapter.conditioned(tokens, self.system.null_tokens, guided=True, scale=self.scale):
                away, to = self.backbone.predict(torch.cat([noisy] * 2), torch.cat([now] * 2), both).chunk(2)
            return away + self.guidance * (to - away)

        return predict

    def _face_tokens(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            return self.system.face_tokens(self.inputs.face_features(batch))

    @contextmanager
    def _without_lora(self) -> Iterator[None]:
        unet: Any = self.module
        unet.disable_adapters()
        try:
            yield
        finally:
            unet.enable_adapters()
