"""The miniature's three runs, from recipe to exported weights: encoder, base, adapter.

All runs of one miniature share a folder: ``<run>/`` holds what is needed to go on, ``encoded/`` the pictures as
latents, ``model/`` what :class:`~limner.diffusion.miniature.Miniature` and ``limner portrait`` read. The adapter's run
needs the other two.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import PositiveInt
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from limner.core.checkpoint import quantize, save_checkpoint
from limner.core.config import Config, peek
from limner.core.errors import ConfigError, InputError
from limner.core.files import replacing
from limner.data.captions import caption, invented_name
from limner.data.face_blends import blended_faces
from limner.data.record import read_shards
from limner.data.variants import NUM_NAMED
from limner.diffusion.autoencoder import TinyFaceAutoencoder, read_taef2
from limner.diffusion.miniature import Miniature, MiniatureConfig, build_unet, load_autoencoder, save_autoencoder
from limner.diffusion.text import build_text_encoder, train_tokenizer
from limner.faces.alignment import align
from limner.identity.encoder import load_encoder, save_encoder
from limner.identity.recognition import GuideRecognizer
from limner.identity.vit import FaceViT, MeanHead, ViTConfig
from limner.losses.denoising import WeightName
from limner.systems.encoder_distillation import EncoderDistillation, Lessons, teach
from limner.systems.fact import Fact, FactConfig
from limner.systems.miniature_base import MiniatureBase
from limner.systems.miniature_batch import NoisyPictures
from limner.systems.miniature_data import EncodedFaces, encode_faces, latent_statistics
from limner.systems.miniature_fact import FactCurriculum, MiniatureFact, encode_references
from limner.training.loop import LoopSettings, Run

Report = Callable[[str, int, int, dict[str, float]], None]
"""What is being done, how far, of how much, with which numbers."""
ENCODER_SPACE = "miniature-vit-arcface112"
CAPTIONS_FOR_TOKENIZER = 20_000


class EncoderRecipe(Config):
    """Distil the face encoder from the guide on ``blends`` made-up faces."""

    system: Literal["miniature-encoder"]
    blends: PositiveInt
    batch: PositiveInt
    patch: PositiveInt
    width: PositiveInt
    depth: PositiveInt
    heads: PositiveInt
    training: LoopSettings


class BaseRecipe(Config):
    """Train denoiser and text encoder from scratch."""

    system: Literal["miniature-base"]
    batch: PositiveInt
    loss_weight: WeightName
    model: MiniatureConfig
    training: LoopSettings


class FactRecipe(Config):
    """Train resampler and adapter on the frozen base."""

    system: Literal["miniature-fact"]
    batch: PositiveInt
    loss_weight: WeightName
    curriculum: FactCurriculum
    fact: FactConfig
    training: LoopSettings


RECIPES: dict[str, type[Config]] = {
    "miniature-encoder": EncoderRecipe,
    "miniature-base": BaseRecipe,
    "miniature-fact": FactRecipe,
}


def read_recipe(path: Path, overrides: list[str]) -> Config:
    """The recipe in a TOML file, of the kind its key ``system`` says.

    Raises:
        ConfigError: the file is missing or malformed, the system unknown, a setting unknown or out of range.
    """
    system = peek(path, "system")
    if system not in RECIPES:
        raise ConfigError(f"{path}: system is {system!r}; known are {', '.join(RECIPES)}")
    return RECIPES[system].read(path, overrides=overrides)


def train(recipe: Config, shards: Path, folder: Path, autoencoder: Path | None, report: Report) -> Path:
    """Run a recipe, or go on with it, and write the weights below ``folder/model``; returns what was written.

    Args:
        shards: folder of training shards.
        folder: the miniature's folder.
        autoencoder: folder of ``taef2_encoder.pth`` and ``taef2_decoder.pth``; needed once, by the base.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recipe.write(folder / f"{recipe.system}.toml")  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(recipe, EncoderRecipe):
        return _train_encoder(recipe, shards, folder, report)
    if isinstance(recipe, BaseRecipe):
        return _train_base(recipe, shards, folder, autoencoder, report)
    assert isinstance(recipe, FactRecipe)
    return _train_fact(recipe, folder, report)


def _train_encoder(recipe: EncoderRecipe, shards: Path, folder: Path, report: Report) -> Path:
    lessons = _lessons(recipe, shards, folder / "encoded" / "encoder.safetensors", report)
    torch.manual_seed(recipe.training.seed)
    sizes = ViTConfig(
        patch=recipe.patch,
        width=recipe.width,
        depth=recipe.depth,
        heads=recipe.heads,
        embedding=lessons.embeddings.shape[1],
    )
    encoder = FaceViT(sizes, head=MeanHead)
    distillation = EncoderDistillation(encoder, recipe.width, lessons, batch=recipe.batch)
    run = Run(folder / "encoder", distillation, recipe.training)
    run.train(progress=lambda step, numbers: report("encoder", step, recipe.training.steps, numbers))
    run.average.copy_to(distillation.module)
    target = folder / "model" / "encoder.safetensors"
    save_encoder(target, encoder, feature_space=ENCODER_SPACE, licence="miniature-encoder", eight_bit=True)
    return target


def _lessons(recipe: EncoderRecipe, shards: Path, cache: Path, report: Report) -> Lessons:
    """Blended faces and what the guide makes of them, made once."""
    if not cache.exists():
        crops = np.stack([align(r.image, r.landmarks).image for r in read_shards(shards) if r.split == "train"])
        made = blended_faces(crops, recipe.blends, recipe.training.seed)
        lessons = teach(made, GuideRecognizer(), progress=lambda done: report("teach", done, recipe.blends, {}))
        with replacing(cache) as path:
            save_file({name: getattr(lessons, name).contiguous() for name in ("faces", "embeddings", "maps")}, path)
    return Lessons(**load_file(cache))


def _train_base(recipe: BaseRecipe, shards: Path, folder: Path, taef2: Path | None, report: Report) -> Path:
    faces, autoencoder = _encoded_faces(recipe.model, shards, folder, taef2, report)
    tokenizer = _tokenizer(recipe, faces, folder / "base" / "tokenizer")
    torch.manual_seed(recipe.training.seed)
    text_encoder = build_text_encoder(tokenizer, width=recipe.model.text_width, depth=recipe.model.text_depth)
    unet = build_unet(recipe.model).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    pictures = NoisyPictures(faces, tokenizer, batch=recipe.batch, weight=recipe.loss_weight)
    base = MiniatureBase(unet, text_encoder, pictures)
    run = Run(folder / "base", base, recipe.training)
    run.train(progress=lambda step, numbers: report("base", step, recipe.training.steps, numbers))
    run.average.copy_to(base.module)
    Miniature(recipe.model, unet, autoencoder, text_encoder, tokenizer).save(folder / "model")
    return folder / "model"


def _tokenizer(recipe: BaseRecipe, faces: EncodedFaces, folder: Path) -> PreTrainedTokenizerFast:
    """Learned once: a resumed run must meet the ids its weights were trained on."""
    if not (folder / "tokenizer.json").exists():
        rng = torch.Generator().manual_seed(recipe.training.seed)
        rows = [traits for row in faces.traits for traits in row]
        sentences = [caption(rows[i % len(rows)], rng, keep=0.9) for i in range(CAPTIONS_FOR_TOKENIZER)]
        sentences += [invented_name(i) for i in range(NUM_NAMED)] * 5
        made = train_tokenizer(sentences, vocabulary=recipe.model.vocabulary, max_tokens=recipe.model.max_tokens)
        made.save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def _encoded_faces(
    model: MiniatureConfig, shards: Path, folder: Path, taef2: Path | None, report: Report
) -> tuple[EncodedFaces, TinyFaceAutoencoder]:
    """Both splits as latents, made once, and the autoencoder with the training pictures' statistics."""
    cache = folder / "encoded"
    if not (cache / "train.safetensors").exists():
        if taef2 is None:
            raise InputError("the base needs an autoencoder: name the folder of taef2_encoder.pth with --autoencoder")
        records = list(read_shards(shards))
        training = [record for record in records if record.split == "train"]
        autoencoder = latent_statistics(read_taef2(taef2), training, pixels=model.pixels, seed=0)
        # Before the latents: a run killed in between must not find them without the autoencoder that made them.
        save_autoencoder(folder / "model", autoencoder, model)
        for split in ("validation", "train"):
            chosen = [record for record in records if record.split == split]
            encoded = encode_faces(
                chosen,
                autoencoder,
                pixels=model.pixels,
                seed=1,
                progress=partial(_report_encoding, report, len(chosen)),
            )
            encoded.save(cache / f"{split}.safetensors")
    return EncodedFaces.load(cache / "train.safetensors"), load_autoencoder(folder / "model")


def _report_encoding(report: Report, total: int, done: int) -> None:
    report("encode", done, total, {})


def _train_fact(recipe: FactRecipe, folder: Path, report: Report) -> Path:
    base = Miniature.load(folder / "model")
    encoder, header = load_encoder(folder / "model" / "encoder.safetensors")
    faces = EncodedFaces.load(folder / "encoded" / "train.safetensors")
    torch.manual_seed(recipe.training.seed)
    fact = Fact.for_backbone(base.unet, recipe.fact)
    fact.require_space(str(header.feature_space))
    base.unet.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    task = MiniatureFact(
        base,
        fact,
        NoisyPictures(faces, base.tokenizer, batch=recipe.batch, weight=recipe.loss_weight),
        encode_references(encoder, faces.references),
        steps=recipe.training.steps,
        curriculum=recipe.curriculum,
    )
    run = Run(folder / "fact", task, recipe.training)
    run.train(progress=lambda step, numbers: report("fact", step, recipe.training.steps, numbers))
    run.average.copy_to(fact)
    target = folder / "model" / "adapter.safetensors"
    save_checkpoint(target, quantize(fact.state_dict()), fact.header())
    return target
