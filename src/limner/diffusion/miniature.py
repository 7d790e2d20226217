"""The embedded text-to-face model: sizes of its parts and how a folder of it becomes a stock diffusers pipeline.

The folder has diffusers' layout (``unet``, ``vae``, ``text_encoder``, ``tokenizer``, ``scheduler``); its weights are Limner
checkpoints with 8 bits a weight, widened to float32 when read.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from torch import nn
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from limner.core.checkpoint import Header, load_checkpoint, load_into, quantize, save_checkpoint
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
    """Sizes: picture side in pixels, UNet widths per level, width of the text states."""

    pixels: int = 128
    channels: tuple[int, ...] = (128, 256)
    head_channels: int = 32
    text_width: int = 256
    text_depth: int = 3
    vocabulary: int = 1024
    max_tokens: int = 48


def build_unet(config: MiniatureConfig) -> UNet2DConditionModel:
    """A fresh denoiser with text attention at every level."""
    levels = len(config.channels)
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
        attention_head_dim=tuple(width // config.head_channels for width in config.channels),
        norm_num_groups=16,
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
        return StableDiffusionPipeline(
            vae=self.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            unet=self.unet,
            scheduler=sampling_schedule(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    def save(self, folder: Path) -> None:
        """Write all parts, 8 bits a weight (the autoencoder's 16)."""
        self.tokenizer.save_pretrained(folder / "tokenizer")
        for name, part in (("unet", self.unet), ("text_encoder", self.text_encoder), ("vae", self.vae)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            _save_part(folder / name / "model.safetensors", part, self.config)

    @classmethod
    def load(cls, folder: Path) -> "Miniature":
        """Read what :meth:`save` wrote.

        Raises:
            CheckpointError: a part is missing or not a part of the miniature.
        """
        _, header = load_checkpoint(folder / "unet" / "model.safetensors", expect_system=f"{SYSTEM}-unet2dconditionmodel")
        values = dict(header.config["miniature"])
        values["channels"] = tuple(values["channels"])
        config = MiniatureConfig(**values)
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
        unet = build_unet(config)
        text_encoder = build_text_encoder(tokenizer, width=config.text_width, depth=config.text_depth)
        _load_part(folder / "unet" / "model.safetensors", unet)
        _load_part(folder / "text_encoder" / "model.safetensors", text_encoder)
        return cls(config, unet, load_autoencoder(folder), text_encoder, tokenizer)


def load_autoencoder(folder: Path) -> TinyFaceAutoencoder:
    """The autoencoder of a miniature folder."""
    tensors, header = load_checkpoint(folder / "vae" / "model.safetensors", expect_system=_system_of(TinyFaceAutoencoder))
    autoencoder = TinyFaceAutoencoder(**header.config["part"])
    load_into(autoencoder, tensors, folder / "vae" / "model.safetensors")
    return autoencoder.eval()


def _system_of(kind: type[nn.Module]) -> str:
    return f"{SYSTEM}-{kind.__name__.lower()}"


def _save_part(path: Path, part: nn.Module, config: MiniatureConfig) -> None:
    small = {name: tensor.half() for name, tensor in part.state_dict().items()}
    autoencoder = isinstance(part, TinyFaceAutoencoder)
    own = {"latent_mean": list(part.config.latent_mean), "latent_deviation": list(part.config.latent_deviation)} if autoencoder else {}
    header = Header(
        system=_system_of(type(part)),
        version="1",
        licence="taef2" if autoencoder else LICENCE,
        config={"miniature": asdict(config), "part": own},
    )
    save_checkpoint(path, small if autoencoder else quantize(part.state_dict()), header)


def _load_part(path: Path, part: nn.Module) -> None:
    tensors, _ = load_checkpoint(path, expect_system=_system_of(type(part)))
    load_into(part, tensors, path)
    part.eval()
