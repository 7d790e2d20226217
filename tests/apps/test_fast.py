"""Fast drawing: four unguided steps with the LoRA that the model brings, refused wherever that cannot be had."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.apps.assembly import open_adapter, own_adapter
from limner.apps.bases import open_base
from limner.apps.evaluation_methods import drawing_keys, drawing_methods, settled
from limner.apps.fast import FAST_FILE, fast_settings
from limner.apps.settings import SET_BY_FAST, PortraitSettings
from limner.apps.studio import Studio
from limner.core.checkpoint import load_checkpoint, save_checkpoint
from limner.core.errors import CheckpointError, ConfigError
from limner.evaluation.protocol import protocol_named
from tests.apps.conftest import Exits
from tests.apps.tiny_models import save_tiny_miniature


@pytest.fixture(scope="module")
def fast_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fast") / "model"
    folder.mkdir()
    save_tiny_miniature(folder)
    return folder


@pytest.fixture(scope="module")
def model(fast_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model without what draws fast."""
    folder = tmp_path_factory.mktemp("bare") / "model"
    folder.mkdir()
    for part in fast_model.iterdir():
        if part.name != FAST_FILE:
            (folder / part.name).symlink_to(part)
    return folder


def draw(folder: Path, **settings: Any) -> Any:
    [portrait] = Studio.open(folder, device="cpu").portrait(None, "a man", adapter_scale=0, **settings)
    return portrait


def test_it_is_the_lora_in_four_unguided_ddim_steps(fast_model: Path) -> None:
    by_hand: dict[str, Any] = {"num_steps": 4, "guidance_scale": 1.0, "scheduler": "ddim"}
    found = draw(fast_model, fast=True).image
    assert np.array_equal(found, draw(fast_model, lora=fast_model / FAST_FILE, **by_hand).image)
    assert not np.array_equal(found, draw(fast_model, **by_hand).image)


def test_it_draws_in_as_many_steps_as_its_file_says(fast_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for part in fast_model.iterdir():
        if part.name != FAST_FILE:
            (folder / part.name).symlink_to(part)
    tensors, header = load_checkpoint(fast_model / FAST_FILE)
    for config, steps in (({"steps": 2}, 2), ({}, None)):
        save_checkpoint(folder / FAST_FILE, tensors, header.model_copy(update={"config": config}))
        if steps is None:
            with pytest.raises(CheckpointError, match="does not say in how many steps"):
                draw(folder, fast=True)
        else:
            assert draw(folder, fast=True).making.parameters["num_steps"] == steps


def test_it_says_how_it_was_made(fast_model: Path) -> None:
    making = draw(fast_model, fast=True).making
    assert "miniature-few-steps" in making.licences
    assert (making.parameters["num_steps"], making.parameters["guidance_scale"]) == (4, 1.0)
    assert "miniature-few-steps" not in draw(fast_model, num_steps=2).making.licences


def test_what_it_settles_is_what_cannot_be_asked_for_with_it(fast_model: Path) -> None:
    settled = fast_settings(Studio.open(fast_model, device="cpu").assembly.base)
    assert {*settled, "likeness", "variety"} == set(SET_BY_FAST)


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        ({"num_steps": 8}, "num_steps (--steps)"),
        ({"guidance_scale": 2.0}, "guidance_scale (--guidance)"),
        ({"likeness": 0.5}, "likeness (--likeness)"),
        ({"lora_weight": 0.5}, "lora_weight (--lora-weight)"),
    ],
)
def test_contradictions_are_refused_by_both_names(asked: dict[str, Any], option: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"fast (--fast) cannot be had with {option}, ")):
        PortraitSettings.of(prompt="a man", fast=True, **asked)
    PortraitSettings.of(prompt="a man", fast=False, **asked)


def test_a_style_gives_its_words_but_not_its_lora(fast_model: Path, tmp_path: Path) -> None:
    looks = tmp_path / "looks"
    looks.mkdir()
    (looks / "grey.toml").write_text('title = "Grey"\nprompt = "{prompt}, grey"\nnum_steps = 9\n')
    (looks / "own.toml").write_text('title = "Own"\nprompt = "{prompt}"\nlora = "own.safetensors"\n')
    styled = draw(fast_model, fast=True, style="grey", styles=looks)
    assert styled.making.parameters["num_steps"] == 4
    with pytest.raises(ConfigError, match="the style 'own' has a LoRA of its own"):
        draw(fast_model, fast=True, style="own", styles=looks)


def test_a_model_without_one_says_so(model: Path, command: Exits) -> None:
    with pytest.raises(ConfigError, match="brings nothing to draw in few steps with"):
        draw(model, fast=True)
    code, _, errors = command("portrait", "a man", "--scale", "0", "--fast", "--model", str(model), "-o", "out")
    assert (code, "recipes/miniature-few-steps.toml" in errors) == (2, True)


def test_an_evaluation_draws_so_and_keeps_its_pictures_apart(fast_model: Path) -> None:
    base = open_base(fast_model, device="cpu")
    path = own_adapter(base)
    assert path is not None
    adapters = {"fact": open_adapter(path, base)}
    usual, fast = protocol_named("quick"), protocol_named("quick", fast=True)
    method = drawing_methods(base, adapters, fast)["fact"]
    assert np.array_equal(method.draw(None, "a man", seed=0, count=1)[0], draw(fast_model, fast=True).image)
    keys = [drawing_keys(base, adapters, rules) for rules in (usual, fast)]
    assert len({one[name] for one in keys for name in ("base", "fact")}) == 4


def test_an_evaluation_says_with_what_it_drew(fast_model: Path) -> None:
    base = open_base(fast_model, device="cpu")
    drawn = [
        settled(protocol_named("quick", **changes), base)
        for changes in ({}, {"steps": 1}, {"fast": True}, {"steps": 7, "window": (0.0, 0.5)})
    ]
    told = [(rules.steps, rules.guidance, rules.window) for rules in drawn]
    assert told == [(25, 2.0, (0.3, 1.0)), (1, 2.0, (0.0, 1.0)), (4, 1.0, (0.3, 1.0)), (7, 2.0, (0.0, 0.5))]


def test_an_evaluation_is_fast_or_of_so_many_steps(command: Exits) -> None:
    code, _, errors = command("evaluate", "--fast", "--steps", "8")
    assert (code, "leave out --fast or --steps" in errors) == (2, True)
