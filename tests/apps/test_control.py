"""ControlNets through diffusers' own pipelines, with the face adapter beside them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.controlnets.controlnet import ControlNetModel

from limner.apps.assembly import Assembly
from limner.apps.bases import Base
from limner.apps.cli import main
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import AdapterError, CheckpointError, ConfigError, ImageError, NoFaceError
from limner.identity.identity import Identity
from tests.contracts.backbones import randomise, sd15
from tests.contracts.pipelines import PIPELINES

EXAMPLE = asset_path("example/person.jpg")
PROMPT = "a photo of a person"
STOCK = {kind.name: kind for kind in PIPELINES}


def control_net(unet: Any, folder: Path, embedding: tuple[int, ...] = (4, 4, 4, 4)) -> Path:
    """A random ControlNet for a denoiser, saved as real ones are."""
    with torch.random.fork_rng(devices=[]):
        net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=embedding)
    randomise(net, 5)
    for parameter in net.parameters():
        parameter.data.mul_(0.3)
    net.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def net(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return control_net(studio.pipeline.unet, tmp_path_factory.mktemp("control") / "net")


def test_the_photo_and_the_scale_matter_and_the_base_stays(studio: Studio, person: Identity, net: Path) -> None:
    base: Any = studio.pipeline
    before = [(name, id(module)) for name, module in base.unet.named_modules()], base.scheduler

    def draw(**changes: Any) -> np.ndarray:
        settings = {"count": 2, "seed": 2, "num_steps": 2, "guidance_scale": 3.0} | changes
        return studio.portrait(person, PROMPT, **settings)[1].image.astype(int)

    plain = draw()
    lines = draw(control=studio.control(net, EXAMPLE))
    parts = draw(control=studio.control(net, EXAMPLE, kind="parsing"))
    raw = draw(control=studio.control(net, EXAMPLE, kind="picture"))
    assert min(np.abs(one - two).max() for one, two in ((lines, plain), (lines, parts), (parts, raw))) > 0
    assert np.abs(draw(control=studio.control(net, EXAMPLE, scale=0.0)) - plain).max() <= 1
    anybody = draw(control=studio.control(net, EXAMPLE), adapter_scale=0)
    assert np.abs(anybody - lines).max() > 0  # the person is shown beside the ControlNet
    assert np.array_equal(draw(), plain)
    assert ([(name, id(module)) for name, module in base.unet.named_modules()], base.scheduler) == before


def test_with_a_picture_to_start_from_and_a_sampler(studio: Studio, person: Identity, net: Path) -> None:
    follow = studio.control(net, EXAMPLE)
    settings: dict[str, Any] = {"num_steps": 4, "strength": 0.5, "start": EXAMPLE, "scheduler": "euler"}
    with_control, without = (
        studio.portrait(person, PROMPT, **settings, control=control)[0].image for control in (follow, None)
    )
    assert (with_control != without).any()


@pytest.mark.parametrize("name", ["text-to-image", "sdxl"])
def test_stable_diffusion(name: str, tmp_path: Path) -> None:
    base: Any = STOCK[name].build()
    studio = Studio(Assembly(Base("tiny", "other", None, base), None))
    net = control_net(base.unet, tmp_path / "net", embedding=(4, 4))

    def draw(**changes: Any) -> np.ndarray:
        return studio.portrait(None, PROMPT, count=2, num_steps=2, adapter_scale=0, **changes)[0].image

    assert (draw(control=studio.control(net, EXAMPLE, kind="picture")) != draw()).any()


def test_what_cannot_be_followed_is_refused(studio: Studio, person: Identity, net: Path, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="made for another base: its in_channels is 4, this base has 32"):
        studio.control(control_net(sd15(), tmp_path / "other"), EXAMPLE)
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        studio.control(tmp_path, EXAMPLE)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be opened as a ControlNet"):
        studio.control(tmp_path / "bad", EXAMPLE)
    with pytest.raises(ImageError, match="no such file"):
        studio.control(net, "none.png")
    with pytest.raises(ConfigError, match="the control scale is -1"):
        studio.control(net, EXAMPLE, scale=-1)
    wall = np.full((200, 200, 3), 128, np.uint8)
    with pytest.raises(NoFaceError):
        studio.portrait(person, PROMPT, control=studio.control(net, wall))
    wrong: Any = replace(studio.control(net, EXAMPLE), kind="pose")
    with pytest.raises(ConfigError, match="'pose' is unknown"):
        studio.portrait(person, PROMPT, control=wrong)


Run = Callable[..., tuple[int, str]]


def test_from_the_command_line(
    net: Path, miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        options = ["--model", str(miniature_folder), "--device", "cpu", "--steps", "1", "--count", "1"]
        with pytest.raises(SystemExit) as stopped:
            main(["portrait", PROMPT, *options, *arguments])
        return int(stopped.value.code or 0), capsys.readouterr().err

    assert run("--control", str(net), "--control-photo", str(EXAMPLE), "--control-scale", "0.7")[0] == 0
    for arguments, message in (
        (["--control", str(net)], "go together"),
        (["--control", str(net), "--control-photo", str(EXAMPLE), "--control-kind", "pose"], "'pose' is unknown"),
        (["--control", "none", "--control-photo", str(EXAMPLE)], "has no config.json"),
    ):
        code, errors = run(*arguments)
        assert (code, message in errors) == (2, True)
