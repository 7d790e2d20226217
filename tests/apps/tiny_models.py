"""Whole models of a few kilobytes, saved the way real ones are."""

from pathlib import Path

import torch

from limner.adapters.projectors import ResamplerConfig
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.diffusion.miniature import Miniature, MiniatureConfig, build_unet
from limner.diffusion.text import build_text_encoder, train_tokenizer
from limner.identity.encoder import save_encoder
from limner.identity.vit import FaceViT, ViTConfig
from limner.systems.fact import Fact, FactConfig
from tests.contracts.backbones import randomise

SPACE = "tiny-vit-arcface112"
VIT = ViTConfig(patch=28, width=16, depth=1, heads=2, embedding=8)
SENTENCES = ["a photo of a woman, smiling", "a photo of a person with glasses", "a pencil drawing of a man"]


def tiny_miniature() -> Miniature:
    """Random parts for 64 px pictures; the same every time."""
    config = MiniatureConfig(pixels=64, channels=(32, 64), text_width=32, text_depth=1, vocabulary=320, max_tokens=16)
    tokenizer = train_tokenizer(SENTENCES, vocabulary=config.vocabulary, max_tokens=config.max_tokens)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = build_unet(config).eval()
        text_encoder = build_text_encoder(tokenizer, width=config.text_width, depth=config.text_depth).eval()
        autoencoder = TinyFaceAutoencoder(latent_mean=(0.1,) * 32, latent_deviation=(2.0,) * 32).eval()
    return Miniature(config, unet, autoencoder, text_encoder, tokenizer)


def tiny_fact(unet: torch.nn.Module, *, space: str = SPACE) -> Fact:
    """An adapter as if trained."""
    resampler = ResamplerConfig(
        feature_width=VIT.width, width=8, num_layers=1, num_heads=2, head_width=4, num_tokens=3, context_width=10
    )
    config = FactConfig(
        backbone="tiny",
        feature_space=space,
        template="arcface-112",
        licence="miniature-adapter",
        num_patches=VIT.num_patches,
        resampler=resampler,
    )
    fact = Fact.for_backbone(unet, config).eval()
    randomise(fact, 3)
    return fact


def save_tiny_encoder(path: Path, *, space: str = SPACE) -> None:
    """A random face transformer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = FaceViT(VIT).eval()
    save_encoder(path, model, feature_space=space, licence="miniature-encoder")


def save_tiny_miniature(folder: Path) -> None:
    """A whole miniature folder: base, adapter, encoder."""
    miniature = tiny_miniature()
    miniature.save(folder)
    tiny_fact(miniature.unet).save(folder / "adapter.safetensors")
    save_tiny_encoder(folder / "encoder.safetensors")
