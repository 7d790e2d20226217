"""Shapes, standardised latents, and what the released weights keep of a picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from limner.core.assets import asset_path
from limner.core.errors import CheckpointError
from limner.diffusion.autoencoder import TinyFaceAutoencoder, read_taef2, with_statistics


def fresh(**settings) -> TinyFaceAutoencoder:
    torch.manual_seed(0)
    return TinyFaceAutoencoder(**settings).eval()


def noise(height: int, width: int) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 88)])
def test_shapes_and_range(height: int, width: int) -> None:
    autoencoder = fresh()
    latents = autoencoder.encode(noise(height, width))[0]
    assert latents.shape == (2, 32, height // 8, width // 8)
    pictures = autoencoder.decode(latents * 100)[0]
    assert pictures.shape == (2, 3, height, width)
    assert pictures.min() >= -1
    assert pictures.max() <= 1
    assert torch.equal(autoencoder.decode(latents, return_dict=False)[0], autoencoder.decode(latents)[0])
    assert torch.equal(autoencoder.encode(noise(height, width), return_dict=False)[0], latents)


@torch.no_grad()
def test_statistics_standardise_the_latents_and_change_no_picture() -> None:
    plain, pictures = fresh(), noise(64, 64)
    raw = plain.encode(pictures)[0]
    mean, deviation = raw.mean(dim=(0, 2, 3)), raw.std(dim=(0, 2, 3))
    standard = with_statistics(plain, mean, deviation)
    latents = standard.encode(pictures)[0]
    torch.testing.assert_close(latents.mean(dim=(0, 2, 3)), torch.zeros(32), atol=5e-3, rtol=0)
    torch.testing.assert_close(latents.std(dim=(0, 2, 3)), torch.ones(32), atol=5e-3, rtol=0)
    torch.testing.assert_close(standard.decode(latents)[0], plain.decode(raw)[0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_far_latents_are_limited_as_the_decoder_was_trained() -> None:
    autoencoder = fresh()
    far = torch.full((1, 32, 2, 2), 60.0)
    torch.testing.assert_close(autoencoder.decode(far)[0], autoencoder.decode(2 * far)[0], atol=1e-4, rtol=0)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"taef2_encoder\.pth"):
        read_taef2(tmp_path)


@pytest.mark.shared
@torch.no_grad()
def test_the_released_weights_keep_a_face(shared: Path) -> None:
    autoencoder = read_taef2(shared / "assets" / "taef2")
    image = Image.open(asset_path("example/person.jpg")).convert("RGB").resize((128, 128), Image.Resampling.LANCZOS)
    picture = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1
    kept = autoencoder.decode(autoencoder.encode(picture)[0])[0]
    decibels = -10 * torch.log10(((kept - picture) / 2).square().mean())
    assert decibels > 28
