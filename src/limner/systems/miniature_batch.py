"""One training batch of the miniature: pictures with noise, what the denoiser should answer, and their captions."""

from dataclasses import dataclass

import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from limner.data.captions import Traits, caption
from limner.diffusion.schedule import draw_timesteps, signal_to_noise, training_schedule
from limner.losses.denoising import VELOCITY_WEIGHTS, WeightName, denoising_loss
from limner.systems.miniature_data import EncodedFaces

EMPTY_PROMPT_PROBABILITY = 0.1
NOISE_WORD_PROBABILITY = 0.15
_NOISE_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class NoisyBatch:
    """Batch of ``B`` pictures.

    ``record`` and ``variant`` ``(B,)`` say which; ``token_ids`` ``(B, max_tokens)`` are their captions; ``noisy`` and
    ``target`` (velocity) ``(B, 32, rows, columns)`` float32, channels last; ``timesteps`` ``(B,)``.
    """

    record: Tensor
    variant: Tensor
    token_ids: Tensor
    noisy: Tensor
    timesteps: Tensor
    target: Tensor


class NoisyPictures:
    """Draws batches from encoded pictures, and measures a denoiser's answer to them."""

    def __init__(
        self, faces: EncodedFaces, tokenizer: PreTrainedTokenizerFast, *, batch: int, weight: WeightName
    ) -> None:
        """``weight``: how much each sample's velocity error counts, by its signal-to-noise ratio."""
        self.faces, self.tokenizer, self.batch = faces, tokenizer, batch
        self.weight = VELOCITY_WEIGHTS[weight]
        self.schedule: DDPMScheduler = training_schedule()

    def draw(self, rng: torch.Generator) -> NoisyBatch:
        """A batch decided by ``rng`` alone; timesteps are uniform."""
        record = torch.randint(len(self.faces.traits), (self.batch,), generator=rng)
        variant = torch.randint(self.faces.latents.shape[1], (self.batch,), generator=rng)
        latents = self.faces.latents[record, variant].float().contiguous(memory_format=torch.channels_last)
        prompts = [
            training_prompt(self.faces.traits[r][v], rng)
            for r, v in zip(record.tolist(), variant.tolist(), strict=True)
        ]
        noise = torch.randn(latents.shape, generator=rng).contiguous(memory_format=torch.channels_last)
        timesteps = draw_timesteps(self.batch, rng)
        return NoisyBatch(
            record=record,
            variant=variant,
            token_ids=tokenize(self.tokenizer, prompts),
            noisy=self.schedule.add_noise(latents, noise, timesteps),  # pyright: ignore[reportArgumentType]
            timesteps=timesteps,
            target=self.schedule.get_velocity(latents, noise, timesteps),  # pyright: ignore[reportArgumentType]
        )

    def loss(self, prediction: Tensor, batch: NoisyBatch) -> Tensor:
        """Weighted velocity error of ``prediction``, shaped as ``batch.target``."""
        weight = self.weight(signal_to_noise(self.schedule, batch.timesteps))
        return denoising_loss(prediction, batch.target, weight)


def tokenize(tokenizer: PreTrainedTokenizerFast, prompts: list[str]) -> Tensor:
    """Token ids ``(prompts, max_tokens)``, cut and padded as the stock pipeline does."""
    batch = tokenizer(
        prompts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    )
    return batch.input_ids  # pyright: ignore[reportReturnType]


def training_prompt(traits: Traits, rng: torch.Generator) -> str:
    """A caption; sometimes empty (for guidance), sometimes with a meaningless word (so that such words do no harm)."""
    if float(torch.rand((), generator=rng)) < EMPTY_PROMPT_PROBABILITY:
        return ""
    sentence = caption(traits, rng)
    if float(torch.rand((), generator=rng)) < NOISE_WORD_PROBABILITY:
        letters = torch.randint(len(_NOISE_LETTERS), (int(torch.randint(3, 10, (), generator=rng)),), generator=rng)
        word = "".join(_NOISE_LETTERS[i] for i in letters.tolist())
        parts = sentence.split(", ")
        parts.insert(1 + int(torch.randint(len(parts), (), generator=rng)), word)
        sentence = ", ".join(parts)
    return sentence
