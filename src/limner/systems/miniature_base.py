"""Training of the miniature's base: text -> face, the denoiser and the text encoder together, from scratch."""

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from limner.data.captions import Traits, caption
from limner.diffusion.schedule import draw_timesteps, signal_to_noise, training_schedule
from limner.losses.denoising import VELOCITY_WEIGHTS, WeightName, denoising_loss
from limner.systems.miniature_data import EncodedFaces

EMPTY_PROMPT_PROBABILITY = 0.1
NOISE_WORD_PROBABILITY = 0.15
_NOISE_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class MiniatureBase:
    """The loss of one step; ``module`` holds what is trained."""

    def __init__(
        self,
        unet: nn.Module,
        text_encoder: nn.Module,
        tokenizer: PreTrainedTokenizerFast,
        faces: EncodedFaces,
        *,
        batch: int,
        weight: WeightName,
    ) -> None:
        self.module = nn.ModuleDict({"unet": unet, "text_encoder": text_encoder})
        self.tokenizer, self.faces, self.batch = tokenizer, faces, batch
        self.weight = VELOCITY_WEIGHTS[weight]
        self.schedule = training_schedule()

    def __call__(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Loss terms of one batch drawn with ``rng``."""
        record = torch.randint(len(self.faces.traits), (self.batch,), generator=rng)
        variant = torch.randint(self.faces.latents.shape[1], (self.batch,), generator=rng)
        latents = self.faces.latents[record, variant].float().contiguous(memory_format=torch.channels_last)
        prompts = [
            training_prompt(self.faces.traits[r][v], rng)
            for r, v in zip(record.tolist(), variant.tolist(), strict=True)
        ]
        noise = torch.randn(latents.shape, generator=rng).contiguous(memory_format=torch.channels_last)
        timesteps = draw_timesteps(self.batch, rng)
        noisy = self.schedule.add_noise(latents, noise, timesteps)  # pyright: ignore[reportArgumentType]
        target = self.schedule.get_velocity(latents, noise, timesteps)  # pyright: ignore[reportArgumentType]
        text = self.module["text_encoder"](tokenize(self.tokenizer, prompts)).last_hidden_state
        prediction = self.module["unet"](noisy, timesteps, text).sample
        weight = self.weight(signal_to_noise(self.schedule, timesteps))
        return {"denoising": denoising_loss(prediction, target, weight)}


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
