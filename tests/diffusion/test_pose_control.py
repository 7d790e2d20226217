"""The miniature's own ControlNet: nothing at first, small, back from its file, and only for its base."""

from pathlib import Path
from typing import Any

import pytest
import torch

from limner.core.checkpoint import Header, save_checkpoint
from limner.core.errors import AdapterError, CheckpointError
from limner.diffusion.miniature import MiniatureConfig, build_unet
from limner.diffusion.pose_control import (
    SYSTEM,
    PoseSizes,
    build_pose_control,
    load_pose_control,
    pose_licence,
    save_pose_control,
)
from tests.apps.tiny_models import save_tiny_pose

TINY = MiniatureConfig(pixels=64, channels=(32, 64), text_width=32, text_depth=1)
SIZES = PoseSizes(embedding=(4, 4, 4, 4))


def unet(**changes: Any) -> Any:
    torch.manual_seed(0)
    return build_unet(MiniatureConfig(**{**TINY.__dict__, **changes})).eval()


def answers(network: Any, scale: float = 1.0) -> list[torch.Tensor]:
    """What it adds to each part of the denoiser."""
    rng = torch.Generator().manual_seed(1)
    latents, lines = torch.randn(2, 32, 8, 8, generator=rng), torch.rand(2, 3, 64, 64, generator=rng)
    text = torch.randn(2, 5, 32, generator=rng)
    with torch.no_grad():
        down, middle = network(
            latents, torch.tensor([10, 900]), text, lines, conditioning_scale=scale, return_dict=False
        )
    return [*down, middle]


@pytest.mark.parametrize("pooled_text", [False, True])
def test_a_fresh_one_adds_nothing_where_the_denoiser_takes_it(pooled_text: bool) -> None:
    base = unet(pooled_text=pooled_text)
    residuals = answers(build_pose_control(base, SIZES))
    assert all(bool((one == 0).all()) for one in residuals)
    latents, text = torch.randn(2, 32, 8, 8), torch.randn(2, 5, 32)
    with torch.no_grad():
        plain = base(latents, 500, text).sample
        shown = base(
            latents,
            500,
            text,
            down_block_additional_residuals=residuals[:-1],
            mid_block_additional_residual=residuals[-1],
        ).sample
    assert torch.equal(plain, shown)


def test_it_begins_with_what_the_denoiser_knows() -> None:
    base = unet()
    network = build_pose_control(base, SIZES)
    own, theirs = network.state_dict(), base.state_dict()
    shared = [name for name in own if not name.startswith("controlnet_")]
    assert all(value.any() for name, value in own.items() if "cond_embedding" in name and name.endswith("weight"))
    assert {"conv_in.weight", "time_embedding.linear_1.weight", "down_blocks.0.resnets.0.conv1.weight"} <= set(shared)
    assert all(torch.equal(own[name], theirs[name]) for name in shared)


def test_the_real_size_ships_in_less_than_a_megabyte_and_a_half(tmp_path: Path) -> None:
    base = build_unet(MiniatureConfig(channels=(96, 192)))
    network = build_pose_control(base, PoseSizes(embedding=(8, 16, 32, 64)))
    save_pose_control(tmp_path / "pose.safetensors", network, licence="miniature-pose")
    assert 1e6 < (tmp_path / "pose.safetensors").stat().st_size < 1.5e6


def test_a_saved_one_comes_back(tmp_path: Path) -> None:
    base, path = unet(), tmp_path / "pose.safetensors"
    save_tiny_pose(path, base)
    state = torch.get_rng_state()
    first, second = load_pose_control(path, base), load_pose_control(path, base)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(parameter.requires_grad for parameter in first.parameters())
    assert not first.training
    for one, other, half in zip(answers(first), answers(second), answers(first, 0.5), strict=True):
        assert float(one.abs().max()) > 0
        assert torch.equal(one, other)
        torch.testing.assert_close(half, one * 0.5)
    assert pose_licence(path) == "miniature-pose"


def test_what_is_not_for_this_base_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pose.safetensors"
    save_tiny_pose(path, unet())
    with pytest.raises(AdapterError, match=r"block_out_channels is \(32, 64\), this base has \(32, 96\)"):
        load_pose_control(path, unet(channels=(32, 96)))
    with pytest.raises(CheckpointError, match="no such file"):
        load_pose_control(tmp_path / "none.safetensors", unet())
    header = Header(system=SYSTEM, version="1", licence="x", config={"embedding": [4]})
    save_checkpoint(path, {"a": torch.zeros(1)}, header)
    with pytest.raises(CheckpointError, match="does not say how its network is built"):
        load_pose_control(path, unet())
