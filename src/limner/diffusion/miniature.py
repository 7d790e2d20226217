"""The embedded text-to-face model: sizes of its parts and how a folder of it becomes a stock diffusers pipeline.

The folder has diffusers' layout (``unet``, ``vae``, ``text_encoder``, ``tokenizer``, ``scheduler``); its weights are
Limner checkpoints with 8 bits a weight, widened to float32 when read.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from pydantic import JsonValue, TypeAdapter, ValidationError
from torch import nn
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from limner.core.checkpoint import Header, load_checkpoint, load_into, quantize, save_checkpoint
from limner.core.config import Config
from limner.core.errors import CheckpointError, InputError
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.diffusion.schedule import sampling_schedule
from limner.diffusion.text import build_text_encoder

SYSTEM = "miniature"
LICENCE = "miniature-base"
LATENT_CHANNELS = 32
LATENT_FACTOR = 8
"""Pixels per latent position in each direction."""


@dataclass(frozen=True)
class MiniatureConfig:
    """Sizes: picture side in pixels, UNet widths per level, width of the text states.

    ``pooled_text`` adds the sentence as a whole to the timestep's embedding, beside the attention to its words
    (arXiv:2205.11487): small denoisers learn what attention must find in the words late, or never.
    """

    pixels: int = 128
    channels: tuple[int, ...] = (128, 256)
    head_channels: int = 32
    text_width: int = 256
    text_depth: int = 3
    vocabulary: int = 1024
    max_tokens: int = 48
    pooled_text: bool = False


def build_unet(config: MiniatureConfig) -> UNet2DConditionModel:
    """A fresh denoiser with text attention at every level."""
    levels = len(config.channels)
    heads = tuple(width // config.head_channels for width in config.channels)
    return UNet2DConditionModel(
        sample_size=config.pixels // LATENT_FACTOR,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("CrossAttnDownBlock2D",) * levels,
        up_block_types=("CrossAttnUpBlock2D",) * levels,
        block_out_channels=config.channels,
        layers_per_block=1,
        cross_attention_dim=config.text_width,
        # diffusers reads this argument as the number of heads.
        attention_head_dim=heads,  # pyright: ignore[reportArgumentType]
        norm_num_groups=16,
        addition_embed_type="text" if config.pooled_text else None,
        addition_embed_type_num_heads=max(config.text_width // 64, 1),
    )


@dataclass(frozen=True)
class Miniature:
    """The parts of the embedded model."""

    config: MiniatureConfig
    unet: UNet2DConditionModel
    vae: TinyFaceAutoencoder
    text_encoder: CLIPTextModel
    tokenizer: PreTrainedTokenizerFast

    def pipeline(self) -> StableDiffusionPipeline:
        """An unmodified diffusers text-to-image pipeline over these parts."""
        # The pipeline's annotations name single classes; it takes whatever has their interface.
        parts: dict[str, Any] = {
            "vae": self.vae,
            "text_encoder": self.text_encoder,
            "tokenizer": self.tokenizer,
            "unet": self.unet,
            "scheduler": sampling_schedule(),
            "safety_checker": None,
            "feature_extractor": None,
        }
        return StableDiffusionPipeline(**parts, requires_safety_checker=False)

    def save(self, folder: Path) -> None:
        """Write all parts, 8 bits a weight (the autoencoder's 16).

        Raises:
            InputError: the folder cannot be written.
        """
        for part in (self.unet, self.text_encoder, self.vae):
            _save_part(part_path(folder, type(part)), part, self.config)
        try:
            self.tokenizer.save_pretrained(folder / "tokenizer")
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror}; choose a folder you may write to") from error

    @classmethod
    def load(cls, folder: Path) -> "Miniature":
        """Read what :meth:`save` wrote, in evaluation mode on the CPU; the global random state stays as it was.

        Raises:
            CheckpointError: a part is missing or not a part of the miniature.
        """
        unet_path = part_path(folder, UNet2DConditionModel)
        tensors, header = load_checkpoint(unet_path, expect_system=_system_of(UNet2DConditionModel))
        config = _read_config(header, unet_path)
        tokenizer = _load_tokenizer(folder / "tokenizer")
        with torch.device("meta"):  # initialising would take longer than loading
            unet = build_unet(config)
        unet.to_empty(device="cpu")
        load_into(unet, tensors, unet_path)
        text_path = part_path(folder, CLIPTextModel)
        tensors, _ = load_checkpoint(text_path, expect_system=_system_of(CLIPTextModel))
        with torch.random.fork_rng(devices=[]):
            text_encoder = build_text_encoder(tokenizer, width=config.text_width, depth=config.text_depth)
        load_into(text_encoder, tensors, text_path)
        return cls(config, unet.eval(), load_autoencoder(folder), text_encoder.eval(), tokenizer)


def begin_with(unet: UNet2DConditionModel, text_encoder: CLIPTextModel, start: Miniature) -> None:
    """Take over the weights of another miniature; a sentence path that it does not have begins quiet.

    Raises:
        CheckpointError: it is built otherwise.
    """
    try:
        text_encoder.load_state_dict(start.text_encoder.state_dict())
        missing, unknown = unet.load_state_dict(start.unet.state_dict(), strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"the model to start from has other sizes than the recipe's: {error}") from error
    if unknown or any(not name.startswith("add_embedding.") for name in missing):
        raise CheckpointError(f"the model to start from is built otherwise: {', '.join([*unknown, *missing][:3])} ...")
    if missing:
        # Loud it would undo what the start knows; at 0 nothing before the scale would get a gradient.
        nn.init.constant_(unet.get_submodule("add_embedding.norm2").weight, 0.1)  # pyright: ignore[reportArgumentType]


def part_path(folder: Path, part: type[nn.Module]) -> Path:
    """Where the weights of a part lie in a miniature folder."""
    return folder / _FOLDERS[part] / "model.safetensors"


def load_autoencoder(folder: Path) -> TinyFaceAutoencoder:
    """The autoencoder of a miniature folder.

    Raises:
        CheckpointError: it is missing or something else.
    """
    path = part_path(folder, TinyFaceAutoencoder)
    tensors, header = load_checkpoint(path, expect_system=_system_of(TinyFaceAutoencoder))
    try:
        with torch.random.fork_rng(devices=[]):
            autoencoder = TinyFaceAutoencoder(**_AutoencoderSizes.model_validate(header.config["part"]).model_dump())
    except (KeyError, ValidationError) as error:
        raise CheckpointError(f"{path} does not say how its model is built ({error}); write it again") from error
    load_into(autoencoder, tensors, path)
    return autoencoder.eval()


def save_autoencoder(folder: Path, autoencoder: TinyFaceAutoencoder, config: MiniatureConfig) -> None:
    """Write the autoencoder's part of a miniature folder; what follows in training reads it from there."""
    _save_part(part_path(folder, TinyFaceAutoencoder), autoencoder, config)


_FOLDERS: dict[type[nn.Module], str] = {
    UNet2DConditionModel: "unet",
    CLIPTextModel: "text_encoder",
    TinyFaceAutoencoder: "vae",
}


class _AutoencoderSizes(Config):
    latent_mean: tuple[float, ...]
    latent_deviation: tuple[float, ...]


def _system_of(kind: type[nn.Module]) -> str:
    return f"{SYSTEM}-{kind.__name__.lower()}"


def _save_part(path: Path, part: nn.Module, config: MiniatureConfig) -> None:
    own: dict[str, JsonValue] = {}
    tensors, licence = quantize(part.state_dict()), LICENCE
    if isinstance(part, TinyFaceAutoencoder):
        tensors, licence = {name: tensor.half() for name, tensor in part.state_dict().items()}, "taef2"
        own = {name: list(part.config[name]) for name in _AutoencoderSizes.model_fields}
    sizes: dict[str, JsonValue] = {**asdict(config), "channels": list(config.channels)}
    header = Header(
        system=_system_of(type(part)), version="1", licence=licence, config={"miniature": sizes, "part": own}
    )
    save_checkpoint(path, tensors, header)


def _read_config(header: Header, path: Path) -> MiniatureConfig:
    try:
        return TypeAdapter(MiniatureConfig).validate_python(header.config["miniature"])
    except (KeyError, ValidationError) as error:
        raise CheckpointError(f"{path} does not say how its model is built ({error}); write it again") from error


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    if not (folder / "tokenizer.json").is_file():  # a missing folder would be looked up on the hub
        raise CheckpointError(f"{folder}: there is no tokenizer; fetch the whole folder again")
    try:
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the parser raises anything on mangled files
        raise CheckpointError(f"{folder} holds no tokenizer ({error}); fetch it again") from error
