"""The 2x step: a fresh network interpolates, a saved one comes back, a file of something else is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from limner.core.checkpoint import Header, save_checkpoint
from limner.core.errors import CheckpointError
from limner.diffusion.upscaling import (
    FaceUpscaler,
    UpscalerConfig,
    bicubic,
    load_upscaler,
    save_upscaler,
    to_picture,
    upscaler_licence,
)

SIZES = UpscalerConfig(width=5, depth=2)


def trained() -> FaceUpscaler:
    """As if trained: its last layer is not zero."""
    torch.manual_seed(0)
    upscaler = FaceUpscaler(SIZES)
    torch.nn.init.normal_(upscaler.exit.weight, std=0.2)
    return upscaler


def test_a_fresh_one_interpolates() -> None:
    pictures = torch.rand(2, 3, 7, 11) * 2 - 1
    assert torch.equal(FaceUpscaler(SIZES)(pictures), bicubic(pictures))


def test_a_trained_one_adds_its_own() -> None:
    pictures = torch.rand(2, 3, 7, 11) * 2 - 1
    made = trained()(pictures)
    assert made.shape == (2, 3, 14, 22)
    assert (made - bicubic(pictures)).abs().mean() > 0.01


def test_a_picture_at_twice_its_size() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    large = trained().enlarge(picture)
    assert (large.shape, large.dtype) == ((16, 12, 3), np.uint8)
    grey = np.full((8, 6, 3), 100, np.uint8)
    assert (FaceUpscaler(SIZES).enlarge(grey) == 100).all()


def test_values_outside_are_cut() -> None:
    assert to_picture(torch.tensor([[[-2.0]], [[0.0]], [[3.0]]])).ravel().tolist() == [0, 128, 255]


def test_a_saved_one_comes_back(tmp_path: Path) -> None:
    before = trained()
    save_upscaler(tmp_path / "up.safetensors", before, licence="miniature-upscaler")
    after = load_upscaler(tmp_path / "up.safetensors")
    pictures = torch.rand(1, 3, 9, 9) * 2 - 1
    assert (after(pictures) - before(pictures)).abs().max() < 5e-3  # half precision
    assert upscaler_licence(tmp_path / "up.safetensors") == "miniature-upscaler"
    assert not any(parameter.requires_grad for parameter in after.parameters())


@pytest.mark.parametrize(
    ("system", "config", "told"),
    [
        ("miniature-vae", {}, "miniature-upscaler"),
        ("miniature-upscaler", {"width": "wide"}, "how its network is built"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, system: str, config: dict, told: str) -> None:
    path = tmp_path / "up.safetensors"
    save_checkpoint(path, trained().state_dict(), Header(system=system, version="1", licence="cc0", config=config))
    with pytest.raises(CheckpointError, match=told):
        load_upscaler(path)
