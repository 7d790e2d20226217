"""What a base's frozen parts make of records: latents of pictures and states of captions, for `limner data cache`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from limner.apps.bases import Base
from limner.core.errors import ConfigError, InputError
from limner.data.caching import Compute, cache_name, stack_pictures
from limner.data.record import FaceRecord

LATENTS, TEXT, POOLED = "latents", "text", "pooled"


def latent_maker(base: Base, pixels: int = 0) -> tuple[str, Compute]:
    """Name and function of the base's latents: float16 ``(channels, rows, columns)`` as the denoiser takes them, the
    mean where the autoencoder gives a distribution.

    Args:
        pixels: side of the pictures that are encoded; the base's own if 0.

    Raises:
        ConfigError: the base came from the hub, so that its files cannot be hashed.
    """
    pipeline: Any = base.pipeline
    side = pixels or pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    name = cache_name(LATENTS, [_folder(base) / "vae"], pixels=side)

    def compute(records: Sequence[FaceRecord]) -> list[np.ndarray]:
        batch = (
            torch.from_numpy(stack_pictures(records, side)).permute(0, 3, 1, 2).to(pipeline.device, pipeline.vae.dtype)
            / 127.5
            - 1
        )
        with torch.no_grad():
            encoded = pipeline.vae.encode(batch)
        latents = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
        return list((latents * pipeline.vae.config.scaling_factor).half().cpu().numpy())

    return name, compute


def text_makers(base: Base) -> list[tuple[str, Compute]]:
    """Name and function of the base's text states, float16 ``(tokens, width)``; of SDXL also of the pooled state
    ``(width,)``.

    Raises:
        ConfigError: the base came from the hub.
    """
    folder = _folder(base)
    parts = [path for path in sorted(folder.iterdir()) if path.name.startswith(("text_encoder", "tokenizer"))]
    kinds = {TEXT: 0, POOLED: 2} if hasattr(base.pipeline, "text_encoder_2") else {TEXT: 0}
    return [(cache_name(kind, parts), partial(_encode_captions, base.pipeline, which)) for kind, which in kinds.items()]


def _encode_captions(pipeline: Any, which: int, records: Sequence[FaceRecord]) -> list[np.ndarray]:
    """One of the answers of the pipeline's own method."""
    without = next((record.key for record in records if record.caption is None), None)
    if without is not None:
        raise InputError(f"{without} has no caption; leave out the text with --no-text, or prepare photos anew")
    captions = [record.caption for record in records]
    with torch.no_grad():
        states = pipeline.encode_prompt(
            prompt=captions, device=pipeline.device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
    return list(states[which].half().cpu().numpy())


def _folder(base: Base) -> Path:
    if base.folder is None:
        raise ConfigError(f"{base.name} came from the hub; give a folder, so that its files can be hashed")
    return base.folder
