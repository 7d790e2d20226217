"""A miniature of the miniature: every real part, as small as it gets, and pictures to train it on."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from limner.adapters.projectors import ResamplerConfig
from limner.data.captions import Traits, caption
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.diffusion.miniature import LATENT_CHANNELS, Miniature, MiniatureConfig, build_unet
from limner.diffusion.text import build_text_encoder, train_tokenizer
from limner.systems.fact import Fact, FactConfig
from limner.systems.miniature_data import EncodedFaces
from limner.systems.predicted_faces import PredictedFaces

CONFIG = MiniatureConfig(
    pixels=32, channels=(32, 32), head_channels=16, text_width=32, text_depth=1, vocabulary=300, max_tokens=24
)
Built = TypeVar("Built")
PATCHES, FEATURE_WIDTH = 4, 12
FACT = FactConfig(
    backbone="tiny",
    feature_space="tiny",
    template="arcface-112",
    licence="cc0",
    num_patches=PATCHES,
    resampler=ResamplerConfig(
        feature_width=FEATURE_WIDTH, width=16, num_layers=1, num_heads=2, head_width=8, num_tokens=3, context_width=20
    ),
)
PERSON = (0, 0, 0, 1, 1, 2)
"""Whose picture each record is; the last person has one only."""
TRAITS = (Traits(gender="man", hair="black"), Traits(style="pencil", gender="woman"))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def seeded(build: Callable[[], Built], seed: int = 0) -> Built:
    """Build something with random weights, always the same ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def miniature() -> Miniature:
    rng = torch.Generator().manual_seed(0)
    sentences = [caption(traits, rng) for traits in TRAITS * 50]
    tokenizer = train_tokenizer(sentences, vocabulary=CONFIG.vocabulary, max_tokens=CONFIG.max_tokens)
    return Miniature(
        CONFIG,
        seeded(lambda: build_unet(CONFIG)),
        seeded(TinyFaceAutoencoder),
        seeded(lambda: build_text_encoder(tokenizer, width=CONFIG.text_width, depth=CONFIG.text_depth)),
        tokenizer,
    )


def fact_for(base: Miniature) -> Fact:
    return seeded(lambda: Fact.for_backbone(base.unet, FACT))


def awake_fact(base: Miniature) -> Fact:
    """An adapter whose gates are open, so that faces count and everything learns."""
    fact = fact_for(base)
    with torch.no_grad():
        for name, parameter in fact.named_parameters():
            if "alpha" in name:
                parameter.fill_(0.5)
    return fact


def encoded_faces() -> EncodedFaces:
    """Six records of three people; the latents differ by record and variant."""
    masks = torch.zeros(len(PERSON), 2, 1, 4, 4)
    masks[..., 1:3, 1:3] = 1
    return EncodedFaces(
        latents=random(len(PERSON), 2, LATENT_CHANNELS, 4, 4).half(),
        face_masks=masks.half(),
        references=torch.zeros(len(PERSON), 3, 112, 112, dtype=torch.uint8),
        person=torch.tensor(PERSON),
        traits=[TRAITS] * len(PERSON),
    )


def predicted_faces(*, counted: Tensor | None = None, probability: float = 1.0) -> PredictedFaces:
    """Of :func:`encoded_faces`: the whole picture is the face, decoded by making it larger."""
    rows = len(PERSON)
    return PredictedFaces(
        lambda latents: F.interpolate(latents[:, :3], scale_factor=8).tanh(),
        torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(rows, 2, 2, 3),
        counted=torch.ones(rows, 2, dtype=torch.bool) if counted is None else counted,
        probability=probability,
    )
