"""The miniature's first two runs, from recipe to exported weights: encoder and base.

All runs of one miniature share a folder: ``<run>/`` holds what is needed to go on, ``encoded/`` the pictures as
latents, ``model/`` what :class:`~limner.diffusion.miniature.Miniature` and ``limner portrait`` read. The adapter's run
needs the other two.
"""

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from limner.apps.training_progress import Report, run_through
from limner.core.config import Config
from limner.core.errors import InputError
from limner.core.files import replacing
from limner.data.captions import caption
from limner.data.face_blends import blended_faces
from limner.data.record import read_shards
from limner.data.shard_index import ShardIndex
from limner.diffusion.autoencoder import TinyFaceAutoencoder, read_taef2
from limner.diffusion.miniature import (
    Miniature,
    MiniatureConfig,
    begin_with,
    build_unet,
    load_autoencoder,
    save_autoencoder,
)
from limner.diffusion.text import build_text_encoder, train_tokenizer
from limner.faces.alignment import align
from limner.identity.conv_patches import PATCH, ConvPatches
from limner.identity.encoder import save_encoder
from limner.identity.guide_network import GuideNetwork
from limner.identity.recognition import GUIDE_SPACE, GuideRecognizer
from limner.identity.vit import FaceViT, ViTConfig
from limner.losses.denoising import WeightName
from limner.systems.encoder_distillation import EncoderDistillation, Lessons, teach
from limner.systems.miniature_base import MiniatureBase
from limner.systems.miniature_data import EncodedFaces, encode_faces, latent_statistics
from limner.systems.text_lesson import TextLesson
from limner.training.engine import main_process_first
from limner.training.settings import LoopSettings

ENCODER_SPACE = "miniature-hybrid-arcface112"
CAPTIONS_FOR_TOKENIZER = 20_000


class EncoderRecipe(Config):
    """Distil the face encoder from the guide on ``blends`` made-up faces."""

    system: Literal["miniature-encoder"]
    blends: PositiveInt
    batch: PositiveInt
    width: PositiveInt
    depth: PositiveInt
    heads: PositiveInt
    training: LoopSettings


class TextRecipe(Config):
    """Teach the text encoder before the denoiser.

    Attributes:
        batch: sentences of a step.
    """

    batch: PositiveInt
    training: LoopSettings


class BaseRecipe(Config):
    """Train denoiser and text encoder.

    Attributes:
        start: folder of a miniature whose weights and tokenizer the run begins with; None for fresh ones.
        timestep_shift: above 1 more rows are noisy, where a picture is laid out; 1 for every step alike.
    """

    system: Literal["miniature-base"]
    batch: PositiveInt
    loss_weight: WeightName
    timestep_shift: PositiveFloat = 1.0
    start: Path | None = None
    model: MiniatureConfig
    text: TextRecipe
    training: LoopSettings


def train_miniature_encoder(recipe: EncoderRecipe, shards: Path, folder: Path, report: Report) -> Path:
    """Writes ``model/encoder.safetensors``."""
    guide = GuideNetwork()  # first: what is missing is better said now than minutes later
    with main_process_first():
        lessons = _lessons(recipe, shards, folder / "encoded" / "lessons.safetensors", report)
    torch.manual_seed(recipe.training.seed)
    sizes = ViTConfig(
        patch=PATCH,
        width=recipe.width,
        depth=recipe.depth,
        heads=recipe.heads,
        embedding=lessons.embeddings.shape[1],
    )
    patches = ConvPatches(sizes)
    patches.take_over(guide.layers(), mean=lessons.mean, spread=lessons.spread)
    encoder = FaceViT(sizes, patches=lambda _: patches)
    task = EncoderDistillation(encoder, patches, lessons, batch=recipe.batch)
    run = run_through("encoder", folder, task, recipe.training, report)
    target = folder / "model" / "encoder.safetensors"
    if run.writes:
        save_encoder(
            target,
            encoder,
            feature_space=ENCODER_SPACE,
            licence="miniature-encoder",
            eight_bit=True,
            recognizers={GUIDE_SPACE: "teacher of the encoder, which looks through its convolutions"},
        )
    return target


def train_miniature_base(recipe: BaseRecipe, shards: Path, folder: Path, taef2: Path | None, report: Report) -> Path:
    """Writes ``model/`` but for encoder and adapter."""
    with main_process_first():
        start = None if recipe.start is None else Miniature.load(recipe.start)
        faces, autoencoder = _encoded_faces(recipe, shards, folder, start, taef2, report)
        tokenizer = start.tokenizer if start else _tokenizer(recipe, faces, folder / "base" / "tokenizer")
    torch.manual_seed(recipe.training.seed)
    text_encoder = build_text_encoder(tokenizer, width=recipe.model.text_width, depth=recipe.model.text_depth)
    unet = build_unet(recipe.model).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if start:
        begin_with(unet, text_encoder, start)
    lesson = TextLesson(text_encoder, tokenizer, faces, batch=recipe.text.batch)
    run_through("text", folder, lesson, recipe.text.training, report)
    miniature = Miniature(recipe.model, unet, autoencoder, text_encoder, tokenizer)
    task = MiniatureBase(
        miniature, faces, batch=recipe.batch, weight=recipe.loss_weight, timestep_shift=recipe.timestep_shift
    )
    run = run_through("base", folder, task, recipe.training, report)
    if run.writes:
        miniature.save(folder / "model")
    return folder / "model"


def _lessons(recipe: EncoderRecipe, shards: Path, cache: Path, report: Report) -> Lessons:
    """Blended faces and what the guide makes of them, made once."""
    if not cache.exists():
        crops = np.stack([align(r.image, r.landmarks).image for r in read_shards(shards) if r.split == "train"])
        made = blended_faces(crops, recipe.blends, recipe.training.seed)
        lessons = teach(made, GuideRecognizer(), progress=lambda done: report("teach", done, recipe.blends, {}))
        with replacing(cache) as path:
            tensors = {name: getattr(lessons, name).contiguous() for name in ("embeddings", "maps", "mean", "spread")}
            save_file(tensors, path)
    return Lessons(**load_file(cache))


def _tokenizer(recipe: BaseRecipe, faces: EncodedFaces, folder: Path) -> PreTrainedTokenizerFast:
    """Learned once: a resumed run must meet the ids its weights were trained on."""
    if not (folder / "tokenizer.json").exists():
        rng = torch.Generator().manual_seed(recipe.training.seed)
        rows = [traits for row in faces.traits for traits in row]
        sentences = [caption(rows[i % len(rows)], rng, keep=0.9) for i in range(CAPTIONS_FOR_TOKENIZER)]
        made = train_tokenizer(sentences, vocabulary=recipe.model.vocabulary, max_tokens=recipe.model.max_tokens)
        made.save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def _encoded_faces(
    recipe: BaseRecipe, shards: Path, folder: Path, start: Miniature | None, taef2: Path | None, report: Report
) -> tuple[EncodedFaces, TinyFaceAutoencoder]:
    """Both splits as latents, made once, and the autoencoder: the start's, which its weights were trained with, or a
    fresh one with the training pictures' statistics."""
    cache, model = folder / "encoded", recipe.model
    if not (cache / "train.safetensors").exists():
        index = ShardIndex(shards)
        training = index.of_split("train")
        if not training:
            raise InputError(
                f"{shards} holds pictures for validation only; make shards with people to train on, as `limner data "
                "prepare` does with --validation below 1"
            )
        if start is not None:
            autoencoder = start.vae
        elif taef2 is not None:
            autoencoder = latent_statistics(read_taef2(taef2), training, pixels=model.pixels, seed=0)
        else:
            raise InputError("the base needs an autoencoder: name the folder of taef2_encoder.pth with --autoencoder")
        # Before the latents: a run killed in between must not find them without the autoencoder that made them.
        save_autoencoder(folder / "model", autoencoder, model)
        for split in ("validation", "train"):
            chosen = index.of_split(split)
            if not chosen:
                continue  # nobody is held back; only benchmarks look at those
            encoded = encode_faces(
                chosen,
                autoencoder,
                pixels=model.pixels,
                seed=1,
                half=recipe.training.mixed_precision == "bf16",
                progress=partial(_report_encoding, report, len(chosen)),
            )
            encoded.save(cache / f"{split}.safetensors")
    return EncodedFaces.load(cache / "train.safetensors"), load_autoencoder(folder / "model")


def _report_encoding(report: Report, total: int, done: int) -> None:
    report("encode", done, total, {})
