"""A tiny autoencoder in diffusers form: TAEF2, 32 latent channels, 8 times smaller in each direction.

Weights: ``madebyollin/taesd`` (MIT), distilled from the FLUX.2 autoencoder. diffusers' ``AutoencoderTiny`` lacks the
pooled middle blocks of this network, hence a class of our own with the same interface, so that stock pipelines take it.
Latents are standardised per channel (mean and deviation measured on the training pictures), because the denoiser
assumes unit variance and the raw channels differ by a factor of 2.5.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from diffusers.models.autoencoders.vae import DecoderOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F

from limner.core.checkpoint import load_into, read_foreign_state_dict

_WIDTH = 64


def _conv(inputs: int, outputs: int, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)


class _Block(nn.Module):
    """Three convolutions with a skip; ``pooled`` blocks first add a wide, normalised 1x1 branch."""

    def __init__(self, *, pooled: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            _conv(_WIDTH, _WIDTH), nn.ReLU(), _conv(_WIDTH, _WIDTH), nn.ReLU(), _conv(_WIDTH, _WIDTH)
        )
        self.pool = None
        if pooled:
            wide = 4 * _WIDTH
            self.pool = nn.Sequential(
                nn.Conv2d(_WIDTH, wide, 1, bias=False),
                nn.GroupNorm(4, wide),
                nn.ReLU(),
                nn.Conv2d(wide, _WIDTH, 1, bias=False),
            )

    def forward(self, hidden: Tensor) -> Tensor:
        if self.pool is not None:
            hidden = hidden + self.pool(hidden)
        return F.relu(self.conv(hidden) + hidden)


class _Squash(nn.Module):
    """Soft limit of the latents to [-3, 3], as the decoder was trained."""

    def forward(self, latents: Tensor) -> Tensor:
        return torch.tanh(latents / 3) * 3


def _encoder(channels: int) -> nn.Sequential:
    layers: list[nn.Module] = [_conv(3, _WIDTH), _Block()]
    for stage in range(3):
        layers.append(_conv(_WIDTH, _WIDTH, stride=2, bias=False))
        layers += [_Block(pooled=stage == 2) for _ in range(3)]
    return nn.Sequential(*layers, _conv(_WIDTH, channels))


def _decoder(channels: int) -> nn.Sequential:
    layers: list[nn.Module] = [_Squash(), _conv(channels, _WIDTH), nn.ReLU()]
    for stage in range(3):
        layers += [_Block(pooled=stage == 0) for _ in range(3)]
        layers += [nn.Upsample(scale_factor=2), _conv(_WIDTH, _WIDTH, bias=False)]
    return nn.Sequential(*layers, _Block(), _conv(_WIDTH, 3))


class TinyFaceAutoencoder(ModelMixin, ConfigMixin):
    """Pictures ``(batch, 3, height, width)`` in [-1, 1] <-> latents ``(batch, 32, height / 8, width / 8)``.

    Height and width must be multiples of 8. Latents have about zero mean and unit variance per channel.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 32,
        latent_mean: Sequence[float] = (0.0,) * 32,
        latent_deviation: Sequence[float] = (1.0,) * 32,
        block_out_channels: Sequence[int] = (_WIDTH,) * 4,
        scaling_factor: float = 1.0,
        force_upcast: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = _encoder(latent_channels)
        self.decoder = _decoder(latent_channels)
        self.latent_mean = torch.tensor(latent_mean).view(1, -1, 1, 1)
        self.latent_deviation = torch.tensor(latent_deviation).view(1, -1, 1, 1)

    def encode(self, x: Tensor, return_dict: bool = True) -> AutoencoderTinyOutput | tuple[Tensor]:
        """Pictures in [-1, 1] -> standardised latents."""
        raw = self.encoder((x + 1) / 2)
        latents = (raw - self.latent_mean.to(raw)) / self.latent_deviation.to(raw)
        return AutoencoderTinyOutput(latents=latents) if return_dict else (latents,)

    def decode(
        self, z: Tensor, generator: torch.Generator | None = None, return_dict: bool = True
    ) -> DecoderOutput | tuple[Tensor]:
        """Standardised latents -> pictures in [-1, 1]. Deterministic; ``generator`` is diffusers' interface."""
        raw = z * self.latent_deviation.to(z) + self.latent_mean.to(z)
        pictures = self.decoder(raw).clamp(0, 1) * 2 - 1
        return DecoderOutput(sample=pictures) if return_dict else (pictures,)


def read_taef2(folder: Path) -> TinyFaceAutoencoder:
    """The released autoencoder from ``taef2_encoder.pth`` and ``taef2_decoder.pth``, latents as they come.

    Raises:
        CheckpointError: a file is missing, a pickle of anything but tensors, or of another network.
    """
    autoencoder = TinyFaceAutoencoder()
    tensors: dict[str, Tensor] = {}
    for part in ("encoder", "decoder"):
        state = read_foreign_state_dict(folder / f"taef2_{part}.pth")
        tensors |= {f"{part}.{key}": value.float() for key, value in state.items()}
    load_into(autoencoder, tensors, folder)
    return autoencoder.eval()


def with_statistics(autoencoder: TinyFaceAutoencoder, mean: Tensor, deviation: Tensor) -> TinyFaceAutoencoder:
    """The same network, its latents standardised by ``mean`` and ``deviation`` ``(channels,)``."""
    standardised = TinyFaceAutoencoder(
        latent_mean=[round(v, 5) for v in mean.tolist()], latent_deviation=[round(v, 5) for v in deviation.tolist()]
    )
    load_into(standardised, autoencoder.state_dict(), "the autoencoder")
    return standardised.eval()
