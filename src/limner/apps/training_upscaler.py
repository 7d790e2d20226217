"""The miniature's fourth run, the 2x step: beside the other three, since it reads the base's autoencoder.

``<run>/upscaler/`` holds what is needed to go on, ``encoded/upscaler.safetensors`` the pairs, and
``model/upscaler.safetensors`` is what ``limner portrait --enlarge`` reads.
"""

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, PositiveInt

from limner.apps.training_progress import Report, run_through
from limner.apps.training_records import chosen_records, read_records
from limner.core.config import Config
from limner.data.shard_index import ShardIndex
from limner.diffusion.miniature import load_autoencoder
from limner.diffusion.upscaling import FaceUpscaler, UpscalerConfig, save_upscaler
from limner.systems.miniature_upscaler import MiniatureUpscaling, UpscalingPairs, make_pairs
from limner.training.engine import main_process_first
from limner.training.settings import LoopSettings

LICENCE = "miniature-upscaler"


class UpscalerRecipe(Config):
    """Train the 2x step.

    Attributes:
        sources: whose records it learns from; they need twice ``pixels`` of real detail.
        pictures: that many of them, picked at random.
        pixels: side of what the base draws.
        latent_noise: see :func:`limner.systems.miniature_upscaler.make_pairs`.
        crop: side of the crops it is trained on, in pixels of the small picture.
    """

    system: Literal["miniature-upscaler"]
    sources: tuple[str, ...]
    pictures: PositiveInt
    pixels: PositiveInt
    latent_noise: float = Field(ge=0)
    batch: PositiveInt
    crop: PositiveInt
    model: UpscalerConfig
    training: LoopSettings


def train_miniature_upscaler(recipe: UpscalerRecipe, shards: Path, folder: Path, report: Report) -> Path:
    """Writes ``model/upscaler.safetensors``.

    Raises:
        CheckpointError: the base's autoencoder is not there yet.
        InputError: no record is of the recipe's sources.
    """
    with main_process_first():
        pairs = _pairs(recipe, shards, folder, report)
    torch.manual_seed(recipe.training.seed)
    upscaler = FaceUpscaler(recipe.model)
    upscaler.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    task = MiniatureUpscaling(upscaler, pairs, batch=recipe.batch, crop=recipe.crop)
    run = run_through("upscaler", folder, task, recipe.training, report)
    target = folder / "model" / "upscaler.safetensors"
    if run.writes:
        save_upscaler(target, upscaler, licence=LICENCE)
    return target


def _pairs(recipe: UpscalerRecipe, shards: Path, folder: Path, report: Report) -> UpscalingPairs:
    """Made once."""
    cache = folder / "encoded" / "upscaler.safetensors"
    if not cache.exists():
        index = ShardIndex(shards)
        chosen = chosen_records(index, recipe.sources, recipe.pictures, seed=recipe.training.seed)
        made = make_pairs(
            read_records(index, chosen),
            load_autoencoder(folder / "model"),
            pixels=recipe.pixels,
            latent_noise=recipe.latent_noise,
            seed=recipe.training.seed,
            progress=lambda done: report("pairs", done, len(chosen), {}),
        )
        made.save(cache)
    return UpscalingPairs.load(cache)
