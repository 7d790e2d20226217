"""Patches that convolutions have looked at: a hybrid of arXiv:2010.11929 (3.1), on the trunk of a face recogniser.

A small transformer that learns faces from pixels alone needs many times the pictures that a convolutional one has seen.
The trunk is a MobileFaceNet (arXiv:1804.07573) without its embedding layer; its weights are the guide's, and frozen.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from limner.core.errors import CheckpointError, ConfigError
from limner.identity.vit import ViTConfig

PATCH, CHANNELS = 16, 128
_STAGES = ((64, 128, 4), (128, 256, 6), (128, 512, 2))
"""Of each halving after the first: channels, width of the block that halves, and blocks behind it."""
_WIDTHS = (128, 256, 256)
"""Inner width of the blocks behind each."""


class ConvPatches(nn.Module):
    """``(batch, 3, side, side)`` RGB in [-1, 1] -> ``(batch, patches, width)``, one for each 16 px.

    Raises:
        ConfigError: other patches are asked for.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        if config.patch != PATCH or config.image_pixels % PATCH:
            raise ConfigError(
                f"convolutional patches are of {PATCH} px, not {config.patch}, on pictures of whole patches, not "
                f"{config.image_pixels} px; give patch = {PATCH} and 112 px"
            )
        self.trunk = nn.Sequential(*_trunk())
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("spread", torch.ones(CHANNELS))
        self.project = nn.Linear(CHANNELS, config.width)

    def maps(self, images: Tensor) -> Tensor:
        """What the trunk sees, standardised per channel: ``(batch, patches, 128)``, row by row."""
        return (self.trunk(images).flatten(2).mT - self.mean) / self.spread

    def forward(self, images: Tensor) -> Tensor:
        return self.project(self.maps(images))

    @torch.no_grad()
    def take_over(self, layers: Iterable[list[Tensor]], *, mean: Tensor, spread: Tensor) -> None:
        """Fill and freeze the trunk.

        Args:
            layers: weights of convolutions and activations in order, as ``GuideNetwork.layers`` gives them; what comes
                after the trunk is left alone. The first convolution expects blue-green-red.
            mean: of each channel of the trunk's maps, ``(128,)``.
            spread: their standard deviations, ``(128,)``.

        Raises:
            CheckpointError: they are of another network.
        """
        own = [one for one in self.trunk.modules() if isinstance(one, nn.Conv2d | nn.PReLU)]
        given = list(layers)[: len(own)]
        if [_sizes(one) for one in own] != [[one.numel() for one in weights] for weights in given]:
            raise CheckpointError("these are not the layers of a MobileFaceNet of this size; give the packaged guide's")
        for number, (layer, weights) in enumerate(zip(own, given, strict=True)):
            for parameter, weight in zip(layer.parameters(), weights, strict=True):
                parameter.copy_((weight.flip(1) if number == 0 and weight.ndim == 4 else weight).view_as(parameter))
        self.mean.copy_(mean)
        self.spread.copy_(spread)
        self.trunk.requires_grad_(False)


def _trunk() -> Iterator[nn.Module]:
    channels = _STAGES[0][0]
    yield nn.Sequential(*_convolved(3, channels, kernel=3, stride=2))
    yield nn.Sequential(*_convolved(channels, channels, kernel=3, groups=channels))
    for (outer, halving, blocks), width in zip(_STAGES, _WIDTHS, strict=True):
        yield _bottleneck(channels, halving, outer, stride=2)
        for _ in range(blocks):
            yield _Residual(_bottleneck(outer, width, outer))
        channels = outer


def _bottleneck(inner: int, width: int, outer: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        *_convolved(inner, width),
        *_convolved(width, width, kernel=3, stride=stride, groups=width),
        nn.Conv2d(width, outer, 1),
    )


def _convolved(
    inner: int, outer: int, *, kernel: int = 1, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.PReLU]:
    return nn.Conv2d(inner, outer, kernel, stride, padding=kernel // 2, groups=groups), nn.PReLU(outer)


class _Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.inner(hidden)


def _sizes(layer: nn.Module) -> list[int]:
    return [parameter.numel() for parameter in layer.parameters()]
