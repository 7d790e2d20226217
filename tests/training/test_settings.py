"""The length of a recipe's runs: all that is counted in steps changes together; what is said singly counts as said."""

from pathlib import Path

import pytest

from limner.apps.assembly_training import read_recipe
from limner.training.settings import LoopSettings

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def test_a_shorter_run_averages_over_the_same_share_of_it() -> None:
    long = LoopSettings(steps=4000, learning_rate=1e-3, warmup_steps=100, decay_steps=1400, ema_decay=0.999)
    short = long.of_length(0.25)
    assert (short.steps, short.warmup_steps, short.decay_steps) == (1000, 25, 350)
    assert short.ema_decay**1000 == pytest.approx(long.ema_decay**4000, rel=1e-3)
    assert short.learning_rate == long.learning_rate
    assert short.weight_of("likeness", 1000) == long.weight_of("likeness", 4000)


def test_without_an_average_there_stays_none_and_a_run_has_a_step() -> None:
    short = LoopSettings(steps=3, learning_rate=1e-3, ema_decay=0, inspect_every=0).of_length(0.01)
    assert (short.steps, short.ema_decay, short.inspect_every) == (1, 0, 0)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("miniature-*.toml")), ids=lambda path: path.stem)
def test_every_run_of_a_recipe_becomes_shorter(path: Path) -> None:
    whole, half = read_recipe(path, []).model_dump(), read_recipe(path, [], 0.5).model_dump()
    for name in ("text", "projector"):
        if name in whole:
            assert half[name]["training"]["steps"] == whole[name]["training"]["steps"] // 2
    assert half["training"]["steps"] == whole["training"]["steps"] // 2
    for settings in (whole, half):
        for run in (settings, settings.get("text"), settings.get("projector")):
            if run:
                run["training"] = {}
    assert half == whole


def test_what_is_said_of_one_setting_counts_as_it_is() -> None:
    recipe = read_recipe(RECIPES / "miniature-base.toml", ["training.steps=7"], 0.5).model_dump()
    assert (recipe["training"]["steps"], recipe["training"]["decay_steps"]) == (7, 1300)
