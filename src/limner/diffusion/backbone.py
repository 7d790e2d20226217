"""A frozen text-to-image model as training sees it: what it predicts, its noise schedule, its text and its latents.

Everything is taken from a stock diffusers pipeline, so that what is trained fits what will draw. Two classes, because
Stable Diffusion XL reads two text encoders and is told the size of the picture.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img import retrieve_latents
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor, nn


class TextStates(NamedTuple):
    """Sentences after the text encoders.

    ``context`` ``(batch, tokens, width)`` is what cross-attention reads; ``pooled`` ``(batch, width)`` is the summary
    that Stable Diffusion XL is given beside it, None elsewhere.
    """

    context: Tensor
    pooled: Tensor | None = None

    def where(self, kept: Tensor, other: Self) -> "TextStates":
        """These sentences in the rows that ``kept`` ``(batch,)`` marks, the one sentence of ``other`` in the rest."""
        context = torch.where(kept[:, None, None], self.context, other.context.to(self.context))
        if self.pooled is None or other.pooled is None:
            return TextStates(context)
        return TextStates(context, torch.where(kept[:, None], self.pooled, other.pooled.to(self.pooled)))

    def repeated(self, rows: int) -> "TextStates":
        """One sentence in so many rows."""
        pooled = None if self.pooled is None else self.pooled.expand(rows, -1)
        return TextStates(self.context.expand(rows, -1, -1), pooled)


def encode_pictures(vae: Any, pictures: Tensor) -> Tensor:
    """``(batch, 3, height, width)`` in [-1, 1] -> latents as the denoiser sees them.

    The mean of the autoencoder's distribution, not a sample: the same picture always gives the same latents.
    """
    latents = retrieve_latents(vae.encode(pictures), sample_mode="argmax")
    return (latents - (getattr(vae.config, "shift_factor", None) or 0.0)) * vae.config.scaling_factor


class StableDiffusionBackbone:
    """Stable Diffusion 1.5 or 2, or anything in their form, such as the miniature.

    Attributes:
        pipeline: stock diffusers, text to image; its networks are frozen.
        noise_schedule: for training, with the betas and the prediction type that the pipeline samples by.
    """

    encoder_names: tuple[str, ...] = ("text_encoder",)
    tokenizer_names: tuple[str, ...] = ("tokenizer",)

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.noise_schedule: Any = DDPMScheduler.from_config(pipeline.scheduler.config)
        self.unet: Any = pipeline.unet
        """As it is called: :meth:`compile` wraps it."""
        for part in self.parts:
            part.requires_grad_(False).eval()

    @property
    def parts(self) -> list[nn.Module]:
        """The frozen networks."""
        return [self.pipeline.unet, self.pipeline.vae, *(getattr(self.pipeline, name) for name in self.encoder_names)]

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, rows, columns) of one picture's latents."""
        side = self.pipeline.unet.config.sample_size
        return self.pipeline.unet.config.in_channels, side, side

    @property
    def pixels(self) -> int:
        """Side of the pictures the model was made for."""
        return self.latent_shape[1] * self.pipeline.vae_scale_factor

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move the networks; the autoencoder stays in float32, since that of Stable Diffusion XL overflows in half."""
        for part in self.parts:
            part.to(device)
            wanted = torch.float32 if part is self.pipeline.vae else dtype
            if next(part.parameters()).dtype != wanted:  # or else diffusers would warn of what does not happen
                part.to(wanted)

    def compile(self, **options: Any) -> None:
        """Run the denoiser through ``torch.compile``; adapters must be injected before."""
        self.unet = torch.compile(self.pipeline.unet, **options)

    def tokenize(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        """Token ids ``(prompts, max_tokens)`` by tokenizer, cut and padded as the stock pipeline does."""
        ids: dict[str, Tensor] = {}
        for name in self.tokenizer_names:
            tokenizer = getattr(self.pipeline, name)
            batch = tokenizer(
                list(prompts),
                padding="max_length",
                max_length=tokenizer.model_max_length,
                truncation=True,
                return_tensors="pt",
            )
            ids[name] = batch.input_ids
        return ids

    @torch.no_grad()
    def encode_text(self, ids: dict[str, Tensor]) -> TextStates:
        """What the denoiser reads of sentences, from what :meth:`tokenize` gave."""
        return TextStates(self.pipeline.text_encoder(ids["tokenizer"])[0])

    @torch.no_grad()
    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """``(batch, 3, height, width)`` in [-1, 1] -> latents as the denoiser sees them, float32.

        The mean of the autoencoder's distribution, not a sample: the same picture always gives the same latents, so it
        does not matter whether they were kept from before.
        """
        with torch.autocast(pictures.device.type, enabled=False):
            return encode_pictures(self.pipeline.vae, pictures.float())

    def predict(self, noisy: Tensor, timesteps: Tensor, text: TextStates, sizes: Tensor | None = None) -> Tensor:
        """The denoiser's answer, shaped as ``noisy`` ``(batch, channels, rows, columns)``.

        Args:
            sizes: ``(batch, 6)``, see :class:`StableDiffusionXLBackbone`; of no meaning elsewhere.
        """
        del sizes
        return self.unet(noisy, timesteps, text.context, return_dict=False)[0]

    @torch.no_grad()
    def sample(
        self, text: TextStates, empty: TextStates, *, seeds: Sequence[int], num_steps: int, guidance_scale: float
    ) -> np.ndarray:
        """Pictures ``(batch, height, width, 3)`` RGB uint8, one for each sentence and seed.

        Args:
            empty: the empty sentence, ``(1, tokens, width)``, for guidance.
        """
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        pictures = self.pipeline(
            **self._sentences(text, empty.repeated(len(seeds))),
            generator=generators,
            num_inference_steps=num_steps,
            guidance_scale=guidance_scale,
            output_type="np",
        ).images
        return (pictures * 255).round().astype(np.uint8)

    def _sentences(self, text: TextStates, empty: TextStates) -> dict[str, Tensor | None]:
        dtype = self.pipeline.unet.dtype
        return {"prompt_embeds": text.context.to(dtype), "negative_prompt_embeds": empty.context.to(dtype)}


class StableDiffusionXLBackbone(StableDiffusionBackbone):
    """Stable Diffusion XL: the last layer but one of two text encoders, the second one's summary, and sizes.

    ``sizes`` ``(batch, 6)``: height and width of the picture before it was scaled, top and left of the crop, height and
    width of what is drawn; in pixels.
    """

    encoder_names = ("text_encoder", "text_encoder_2")
    tokenizer_names = ("tokenizer", "tokenizer_2")

    @torch.no_grad()
    def encode_text(self, ids: dict[str, Tensor]) -> TextStates:
        first = self.pipeline.text_encoder(ids["tokenizer"], output_hidden_states=True)
        second = self.pipeline.text_encoder_2(ids["tokenizer_2"], output_hidden_states=True)
        context = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        return TextStates(context, second[0])

    def predict(self, noisy: Tensor, timesteps: Tensor, text: TextStates, sizes: Tensor | None = None) -> Tensor:
        if sizes is None:
            side = self.pixels
            sizes = torch.tensor([side, side, 0, 0, side, side], device=noisy.device).expand(len(noisy), 6)
        added = {"text_embeds": text.pooled, "time_ids": sizes}
        return self.unet(noisy, timesteps, text.context, added_cond_kwargs=added, return_dict=False)[0]

    def _sentences(self, text: TextStates, empty: TextStates) -> dict[str, Tensor | None]:
        pooled = {"pooled_prompt_embeds": text.pooled, "negative_pooled_prompt_embeds": empty.pooled}
        return super()._sentences(text, empty) | pooled
