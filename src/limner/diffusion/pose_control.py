"""The miniature's own pose ControlNet: diffusers' class, small enough to ship, taken by its stock pipelines.

A ControlNet (arXiv:2302.05543) copies the denoiser's first half. Of that only convolutions are left here: how a head is
held stands in the lines it is shown, not in the sentence, and attention would be half of the weights; the middle
stage, which is as large as the rest, is passed through.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from pydantic import PositiveInt, ValidationError
from torch import nn

from limner.core.checkpoint import Header, load_checkpoint, load_into, quantize, read_header, save_checkpoint
from limner.core.config import Config
from limner.core.errors import AdapterError, CheckpointError

SYSTEM, LAYOUT_VERSION = "miniature-pose", "1"
COPIED = (
    "in_channels",
    "block_out_channels",
    "layers_per_block",
    "cross_attention_dim",
    "norm_num_groups",
    "norm_eps",
    "act_fn",
    "downsample_padding",
    "flip_sin_to_cos",
    "freq_shift",
    "resnet_time_scale_shift",
)
"""What the denoiser and its ControlNet have in common."""


class PoseSizes(Config):
    """Widths of what reads the lines, one for each halving of their side and one before; the last but reach 8x."""

    embedding: tuple[PositiveInt, ...] = (8, 16, 32, 64)


class _Made(PoseSizes):
    """What a file says of its network: the denoiser's sizes, to tell another base by, and its own."""

    in_channels: PositiveInt
    block_out_channels: tuple[PositiveInt, ...]


def build_pose_control(unet: Any, sizes: PoseSizes) -> ControlNetModel:
    """A fresh ControlNet for a denoiser of text attention; it adds exactly nothing until it is trained.

    What it has in common with the denoiser it begins with: input, timesteps, residual blocks.
    """
    shared = {name: unet.config[name] for name in COPIED}
    network: Any = ControlNetModel(
        **shared,
        down_block_types=("DownBlock2D",) * len(unet.config["block_out_channels"]),
        mid_block_type="UNetMidBlock2D",
        conditioning_embedding_out_channels=sizes.embedding,
    )
    network.mid_block = None  # its forward passes on what it has then
    _wake(network.controlnet_cond_embedding)
    for name in ("conv_in", "time_embedding", "down_blocks"):
        own, theirs = getattr(network, name), getattr(unet, name).state_dict()
        own.load_state_dict({key: theirs[key] for key in own.state_dict()})
    return network


def _wake(embedding: nn.Module) -> None:
    """Let what reads the lines start with a signal of unchanged strength (arXiv:1502.01852).

    diffusers starts its last layer at zero, behind layers that shrink the signal. The layers at the exits are zero as
    well, so nothing of the lines would reach the loss for long; those alone keep the fresh network silent.
    """
    for module in embedding.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)


def save_pose_control(path: Path, network: ControlNetModel, *, licence: str) -> None:
    """Write a network, 8 bits a weight, with what is needed to build it again.

    Raises:
        InputError: the file cannot be written.
    """
    config: Any = network.config
    made = _Made(
        embedding=tuple(config["conditioning_embedding_out_channels"]),
        in_channels=config["in_channels"],
        block_out_channels=tuple(config["block_out_channels"]),
    )
    header = Header(system=SYSTEM, version=LAYOUT_VERSION, licence=licence, config=made.model_dump(mode="json"))
    save_checkpoint(path, quantize(network.state_dict()), header)


def load_pose_control(path: Path, unet: Any) -> ControlNetModel:
    """Read what :func:`save_pose_control` wrote, frozen, on the denoiser's device and in its precision.

    Raises:
        CheckpointError: the file is missing, broken, of another system, or does not say how it is built.
        AdapterError: it was made for a denoiser of other sizes.
    """
    tensors, header = load_checkpoint(path, expect_system=SYSTEM)
    try:
        made = _Made.model_validate(header.config)
    except ValidationError as error:
        raise CheckpointError(f"{path} does not say how its network is built ({error}); write it again") from error
    for name in ("in_channels", "block_out_channels"):
        mine, yours = getattr(made, name), unet.config[name]
        if mine != (tuple(yours) if isinstance(yours, list | tuple) else yours):
            raise AdapterError(
                f"{path} was made for another base: its {name} is {mine}, this base has {yours}; train one for this "
                "base: limner train recipes/miniature-pose.toml"
            )
    with torch.random.fork_rng(devices=[]):
        network = build_pose_control(unet, PoseSizes(embedding=made.embedding))
    load_into(network, tensors, path)
    frozen: nn.Module = network.requires_grad_(False).eval()
    return frozen.to(unet.device, unet.dtype)  # pyright: ignore[reportReturnType] (the same object)


def pose_licence(path: Path) -> str:
    """Name of the licence record in a file's header.

    Raises:
        CheckpointError: the file is missing or broken.
    """
    return read_header(path).licence
