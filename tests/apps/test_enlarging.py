"""Portraits at twice the size: by the model's own network, only where it brings one, and with its terms told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import ConfigError
from limner.core.images import read_image
from limner.diffusion.upscaling import FaceUpscaler, UpscalerConfig, save_upscaler
from tests.apps.conftest import Exits
from tests.apps.tiny_models import save_tiny_miniature


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_tiny_miniature(folder)
    return folder


@pytest.fixture
def enlarging(model: Path, tmp_path: Path) -> Path:
    """The same model with a network that makes pictures a little brighter."""
    folder = tmp_path / "model"
    folder.mkdir()
    for part in model.iterdir():
        (folder / part.name).symlink_to(part)
    upscaler = FaceUpscaler(UpscalerConfig(width=4, depth=1))
    assert upscaler.exit.bias is not None
    torch.nn.init.constant_(upscaler.exit.bias, 0.1)
    save_upscaler(folder / "upscaler.safetensors", upscaler, licence="miniature-upscaler")
    return folder


def draw(folder: Path, **settings: Any) -> list[Any]:
    return Studio.open(folder, device="cpu").portrait(None, "a man", adapter_scale=0, num_steps=2, **settings)


def test_the_side_doubles_and_the_picture_stays(model: Path, enlarging: Path) -> None:
    (small,), (large,) = draw(model), draw(enlarging, enlarge=True)
    assert small.image.shape == (64, 64, 3)
    assert large.image.shape == (128, 128, 3)
    halved = large.image.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    inside = (small.image > 20) & (small.image < 220)
    assert 8 < np.mean((halved - small.image)[inside]) < 17  # 0.1 of [-1, 1] are 12.75 of 255


def test_the_network_is_named_where_it_took_part(enlarging: Path) -> None:
    (small,), (large,) = draw(enlarging), draw(enlarging, enlarge=True)
    assert "miniature-upscaler" not in small.making.licences
    assert "miniature-upscaler" in large.making.licences


def test_a_model_without_one_says_so_before_it_draws(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*_: object, **__: object) -> list:
        raise AssertionError("something was drawn")

    monkeypatch.setattr("limner.apps.portraits.draw_rows", drawn)
    with pytest.raises(ConfigError, match=r"brings no network that enlarges.*--enlarge"):
        draw(model, enlarge=True)


def ask(command: Exits, name: str, folder: Path) -> tuple[int, str, str]:
    """`limner batch` or `limner group` with --enlarge, of the packaged example person, into ./out."""
    face = str(asset_path("example/person.jpg"))
    Path("rows.csv").write_text(f"person,prompt\n{face},a man\n")
    asked = {"batch": ("rows.csv",), "group": ("a man", "--face", face)}
    dials = ("--steps", "2", "--enlarge", "--model", folder, "--device", "cpu", "-o", "out")
    return command(name, *asked[name], *dials)


@pytest.mark.parametrize(("name", "picture"), [("batch", "0001.png"), ("group", "group-0.png")])
def test_batches_and_groups_are_enlarged_too(
    command: Exits, enlarging: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, picture: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask(command, name, enlarging)[0] == 0
    assert read_image(Path("out") / picture).shape == (128, 128, 3)
    record = json.loads((Path("out") / f"{name}.json").read_text())
    assert "miniature-upscaler" in json.dumps(record["licences"])


@pytest.mark.parametrize("name", ["batch", "group"])
def test_batches_and_groups_of_a_model_without_one_end_before_anything_is_drawn(
    command: Exits, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, errors = ask(command, name, model)
    assert code == 2
    assert "brings no network that enlarges" in " ".join(errors.split())
    assert list(Path().rglob("*.png")) == []
