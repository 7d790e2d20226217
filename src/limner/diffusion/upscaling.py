"""A small network that doubles the side of what the miniature draws: convolutions and one pixel shuffle.

It adds to the bicubic picture, so a fresh one gives the bicubic picture itself. After arXiv:1609.05158 (the shuffle)
and arXiv:1511.04587 (learning the difference).
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from limner.core.checkpoint import Header, load_checkpoint, load_into, read_header, save_checkpoint
from limner.core.errors import CheckpointError

SYSTEM, LAYOUT_VERSION = "miniature-upscaler", "1"
FACTOR = 2
_COLOURS = 3


@dataclass(frozen=True)
class UpscalerConfig:
    """Sizes: channels of the hidden maps, and pairs of convolutions with a skip."""

    width: int = 32
    depth: int = 4


class _Pair(nn.Module):
    """Two convolutions with a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.second(F.relu(self.first(hidden)))


class FaceUpscaler(nn.Module):
    """Pictures ``(batch, 3, height, width)`` in [-1, 1] -> ``(batch, 3, 2 height, 2 width)`` in about [-1, 1].

    A fresh one interpolates bicubically, because its last layer starts at zero.
    """

    def __init__(self, config: UpscalerConfig) -> None:
        super().__init__()
        self.config = config
        self.entry = nn.Conv2d(_COLOURS, config.width, 3, padding=1)
        self.pairs = nn.ModuleList(_Pair(config.width) for _ in range(config.depth))
        self.exit = nn.Conv2d(config.width, _COLOURS * FACTOR**2, 3, padding=1)
        for tensor in self.exit.parameters():
            nn.init.zeros_(tensor)

    def forward(self, pictures: Tensor) -> Tensor:
        hidden = self.entry(pictures)
        for pair in self.pairs:
            hidden = pair(hidden)
        return bicubic(pictures) + F.pixel_shuffle(self.exit(hidden), FACTOR)

    @torch.no_grad()
    def enlarge(self, picture: np.ndarray) -> np.ndarray:
        """RGB uint8 ``(height, width, 3)`` at twice its size."""
        given = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].to(self.entry.weight) / 127.5 - 1
        return to_picture(self(given)[0])


def bicubic(pictures: Tensor) -> Tensor:
    """``(batch, channels, height, width)`` at twice the size, interpolated."""
    return F.interpolate(pictures, scale_factor=FACTOR, mode="bicubic", align_corners=False)


def to_picture(values: Tensor) -> np.ndarray:
    """``(3, height, width)`` in about [-1, 1] -> RGB uint8 ``(height, width, 3)``."""
    return ((values.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()


def save_upscaler(path: Path, upscaler: FaceUpscaler, *, licence: str) -> None:
    """Write a network in half precision with what is needed to build it again.

    Raises:
        InputError: the file cannot be written.
    """
    header = Header(system=SYSTEM, version=LAYOUT_VERSION, licence=licence, config=asdict(upscaler.config))
    save_checkpoint(path, {name: tensor.half() for name, tensor in upscaler.state_dict().items()}, header)


def load_upscaler(path: Path) -> FaceUpscaler:
    """Read what :func:`save_upscaler` wrote, in float32 and evaluation mode on the CPU.

    Raises:
        CheckpointError: the file is missing, broken, of another system, or does not say how it is built.
    """
    tensors, header = load_checkpoint(path, expect_system=SYSTEM)
    try:
        config = TypeAdapter(UpscalerConfig).validate_python(header.config)
    except ValidationError as error:
        raise CheckpointError(f"{path} does not say how its network is built ({error}); write it again") from error
    with torch.random.fork_rng(devices=[]):
        upscaler = FaceUpscaler(config)
    load_into(upscaler, tensors, path)
    return upscaler.eval().requires_grad_(False)


def upscaler_licence(path: Path) -> str:
    """Name of the licence record in a file's header.

    Raises:
        CheckpointError: the file is missing or broken.
    """
    return read_header(path).licence
