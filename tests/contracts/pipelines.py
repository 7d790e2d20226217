"""Stock diffusers pipelines at tiny random sizes, built in memory."""

import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.pipelines.controlnet.pipeline_controlnet import StableDiffusionControlNetPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img import StableDiffusionImg2ImgPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_inpaint import StableDiffusionInpaintPipeline
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tests.contracts.backbones import TEXT_CHANNELS, sd15, sdxl

PIXELS = 16

Pipeline = Any
"""Diffusers' pipelines share no type that can be called."""


@dataclass(frozen=True)
class PipelineKind:
    """One stock pipeline: how to build it, and what it wants besides a prompt."""

    name: str
    build: Callable[[], Pipeline]
    pictures: Callable[[], dict[str, Any]]


def draw(pipeline: Pipeline, kind: PipelineKind, prompts: list[str], seeds: list[int], **options: Any) -> np.ndarray:
    """Pictures ``(rows, height, width, 3)`` in [0, 1], one seed each."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    pictures = {name: [picture] * len(prompts) for name, picture in kind.pictures().items()}
    settings = {"num_inference_steps": 2, "guidance_scale": 3.0, "output_type": "np"} | options
    return pipeline(prompt=prompts, generator=generators, **pictures, **settings).images


def _tokenizer() -> CLIPTokenizer:
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    for letter in string.ascii_lowercase + ",.":
        vocabulary[letter] = len(vocabulary)
        vocabulary[f"{letter}</w>"] = len(vocabulary)
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=32)


def _text_config(channels: int = TEXT_CHANNELS) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=64,
        hidden_size=channels,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        projection_dim=TEXT_CHANNELS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def _autoencoder() -> AutoencoderKL:
    settings: dict[str, Any] = {
        "block_out_channels": (4, 4),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "norm_num_groups": 2,
        "sample_size": PIXELS,
    }
    return AutoencoderKL(**settings).eval()


def _scheduler() -> Any:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def _parts() -> dict[str, Any]:
    torch.manual_seed(0)
    return {
        "vae": _autoencoder(),
        "text_encoder": CLIPTextModel(_text_config()).eval(),
        "tokenizer": _tokenizer(),
        "unet": sd15(),
        "scheduler": _scheduler(),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


def _controlnet() -> ControlNetModel:
    return ControlNetModel.from_unet(sd15(), conditioning_embedding_out_channels=(4, 4))


def _sdxl() -> StableDiffusionXLPipeline:
    torch.manual_seed(0)
    half = TEXT_CHANNELS // 2
    return StableDiffusionXLPipeline(
        vae=_autoencoder(),
        text_encoder=CLIPTextModel(_text_config(half)).eval(),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(half)).eval(),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        unet=sdxl(),
        scheduler=_scheduler(),
        add_watermarker=False,
    )


def _quiet(build: Callable[[], Pipeline]) -> Callable[[], Pipeline]:
    def built() -> Pipeline:
        pipeline = build()
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    return built


def _picture() -> Image.Image:
    ramp = np.linspace(0, 255, PIXELS * PIXELS * 3).reshape(PIXELS, PIXELS, 3)
    return Image.fromarray(ramp.astype(np.uint8))


def _mask() -> Image.Image:
    mask = np.zeros((PIXELS, PIXELS), np.uint8)
    mask[4:12, 4:12] = 255
    return Image.fromarray(mask)


PIPELINES = [
    PipelineKind("text-to-image", _quiet(lambda: StableDiffusionPipeline(**_parts())), dict),
    PipelineKind(
        "image-to-image", _quiet(lambda: StableDiffusionImg2ImgPipeline(**_parts())), lambda: {"image": _picture()}
    ),
    PipelineKind(
        "inpaint",
        _quiet(lambda: StableDiffusionInpaintPipeline(**_parts())),
        lambda: {"image": _picture(), "mask_image": _mask()},
    ),
    PipelineKind(
        "controlnet",
        _quiet(lambda: StableDiffusionControlNetPipeline(**_parts(), controlnet=_controlnet())),
        lambda: {"image": _picture()},
    ),
    PipelineKind("sdxl", _quiet(_sdxl), dict),
]
