"""Whole models of a few kilobytes, saved the way real ones are."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict

from limner.adapters.projectors import ResamplerConfig
from limner.apps.dial_table import DialTable, Way, write_table
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.diffusion.lora import save_lora
from limner.diffusion.miniature import Miniature, MiniatureConfig, build_unet
from limner.diffusion.pose_control import PoseSizes, build_pose_control, save_pose_control
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


def save_tiny_pose(path: Path, unet: torch.nn.Module) -> None:
    """A pose ControlNet as if trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network = build_pose_control(unet, PoseSizes(embedding=(4, 4, 4, 4)))
    for name, tensor in network.named_parameters():
        if name.startswith(("controlnet_down", "controlnet_mid")):
            torch.nn.init.normal_(tensor, std=0.1, generator=torch.Generator().manual_seed(3))
    save_pose_control(path, network, licence="miniature-pose")


def save_tiny_few_steps(path: Path) -> None:
    """A LoRA for few steps as if distilled; it changes every picture."""
    unet: Any = tiny_miniature().unet
    unet.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["conv1"]))
    rng = torch.Generator().manual_seed(5)
    tensors = {
        f"unet.{name}": 0.3 * torch.randn(tensor.shape, generator=rng)
        for name, tensor in get_peft_model_state_dict(unet).items()
    }
    save_lora(path, tensors, system="miniature-few-steps", licence="miniature-few-steps", config={"steps": 4})


def tiny_table(adapter: Path) -> DialTable:
    """As if somebody had measured: a late start looks less alike and leaves more freedom."""
    usual = Way(
        window=(0.0, 1.0),
        face_guidance="dropped",
        guidance_scale=2.0,
        scales=(0.0, 0.5, 1.0),
        likeness=(0.0, 0.4, 0.8),
        variety=(0.6, 0.4, 0.2),
    )
    late = usual.model_copy(update={"window": (0.5, 1.0), "likeness": (0.0, 0.2, 0.4), "variety": (0.6, 0.55, 0.5)})
    sha256 = hashlib.sha256(adapter.read_bytes()).hexdigest()
    return DialTable(adapter=sha256, about="made up", variety_by="pixel_diversity", ways=(usual, late))


def save_tiny_miniature(folder: Path) -> None:
    """A whole miniature folder: base, adapter with a table of its dials, encoder, pose ControlNet, few-step LoRA."""
    miniature = tiny_miniature()
    miniature.save(folder)
    adapter = folder / "adapter.safetensors"
    tiny_fact(miniature.unet).save(adapter)
    write_table(adapter, tiny_table(adapter))
    save_tiny_pose(folder / "pose.safetensors", miniature.unet)
    save_tiny_few_steps(folder / "few-steps.safetensors")
    save_tiny_encoder(folder / "encoder.safetensors")
