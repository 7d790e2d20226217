"""The dials likeness and variety set what was measured for them, and nothing where nobody has measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from limner.apps.dial_table import FILE, DialTable, Way, table_of
from limner.apps.settings import InpaintSettings, PortraitSettings
from limner.apps.studio import Studio
from limner.core.errors import ConfigError
from limner.identity.identity import Identity
from tests.apps.conftest import Exits
from tests.apps.tiny_models import tiny_table

PROMPT = "a photo of a person"
SHARES = st.floats(0, 1)
LATE = (0.5, 1.0)


@pytest.fixture(scope="module")
def table(miniature_folder: Path) -> DialTable:
    return tiny_table(miniature_folder / "adapter.safetensors")


def test_likeness_alone_turns_the_scale_of_the_usual_way(table: DialTable) -> None:
    for likeness, scale in ((0.0, 0.0), (0.25, 0.25), (0.5, 0.5), (1.0, 1.0)):
        assert table.settings(likeness, None) == {
            "adapter_scale": scale,
            "window": (0.0, 1.0),
            "face_guidance": "dropped",
            "guidance_scale": 2.0,
        }


def test_variety_chooses_among_ways_that_are_as_alike(table: DialTable) -> None:
    # At a quarter of the way the usual scale is 0.25 with variety 0.5, the late start needs 0.5 and leaves 0.55.
    least, most = table.settings(0.25, 0.0), table.settings(0.25, 1.0)
    assert (least["adapter_scale"], least["window"]) == (0.25, (0.0, 1.0))
    assert (most["adapter_scale"], most["window"]) == (0.5, LATE)
    # Only the usual way gets this far.
    assert table.settings(0.9, 1.0)["window"] == (0.0, 1.0)
    # Without a likeness it is that of the usual scale, 0.8, which the late start does not reach.
    assert table.settings(None, 1.0)["adapter_scale"] == pytest.approx(0.8)


def test_where_the_usual_way_does_not_reach_the_next_does(table: DialTable) -> None:
    late, usual = reversed(table.ways)
    assert table.model_copy(update={"ways": (late, usual)}).settings(1.0, None)["window"] == usual.window


def test_a_fall_by_chance_is_passed_over(table: DialTable) -> None:
    way = table.ways[0].model_copy(
        update={"scales": (0.0, 1.0, 2.0, 3.0), "likeness": (0.1, 0.5, 0.4, 0.5), "variety": (0.4, 0.3, 0.2, 0.1)}
    )
    assert way.scale_for(0.5) == 1.0
    assert way.scale_for(0.3) == pytest.approx(0.5)
    assert way.scale_for(0.05) == 0.0
    assert way.scale_for(0.51) is None


@given(first=SHARES, second=SHARES, variety=st.none() | SHARES)
def test_more_likeness_is_never_less_alike(first: float, second: float, variety: float | None) -> None:
    ways = (
        Way(window=(0, 1), face_guidance="dropped", guidance_scale=2, scales=(0, 0.5, 1, 1.5),
            likeness=(0.05, 0.5, 0.45, 0.7), variety=(0.5, 0.4, 0.45, 0.3)),
        Way(window=LATE, face_guidance="shared", guidance_scale=2, scales=(0, 0.7, 1.4),
            likeness=(0.0, 0.3, 0.6), variety=(0.5, 0.5, 0.4)),
    )  # fmt: skip
    table = DialTable(adapter="", about="", variety_by="", ways=ways)

    def reached(likeness: float) -> float:
        found = table.settings(likeness, variety)
        [way] = [one for one in ways if one.window == found["window"]]
        scale = found["adapter_scale"]
        return float(np.interp(scale, way.scales, np.maximum.accumulate(way.likeness)))

    low, high = sorted((first, second))
    assert reached(low) <= reached(high) + 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scales": (0.1, 0.5, 1.0)}, "rise from 0"),
        ({"scales": (0.0, 0.5, 0.5)}, "rise from 0"),
        ({"variety": (0.1, 0.2)}, "for each scale"),
        ({"likeness": (0.0, float("nan"), 0.2)}, "no face was found"),
    ],
)
def test_what_is_no_curve_is_refused(table: DialTable, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Way.model_validate(table.ways[0].model_dump() | changes)


def test_the_studio_draws_what_the_table_says(studio: Studio, person: Identity) -> None:
    def draw(**dials: Any) -> Any:
        return studio.portrait(person, PROMPT, seed=4, num_steps=3, **dials)[0]

    turned = draw(likeness=0.25, variety=1.0)
    assert np.array_equal(turned.image, draw(adapter_scale=0.5, window=LATE, guidance_scale=2.0).image)
    assert (turned.settings.likeness, turned.settings.adapter_scale) == (0.25, 0.5)
    assert np.array_equal(draw(likeness=0.0).image, draw(adapter_scale=0).image)


def test_a_dial_goes_before_what_a_style_recommends(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "plain.toml").write_text('title = "Plain"\nprompt = "{prompt}"\nadapter_scale = 0.1\n')
    settings = PortraitSettings.of(prompt=PROMPT, style="plain", styles=tmp_path, likeness=0.5)
    assert studio.completed(settings).adapter_scale == 0.5
    assert studio.completed(studio.completed(settings)) == studio.completed(settings)


def test_a_base_that_nobody_measured_is_refused(studio: Studio, person: Identity, tmp_path: Path) -> None:
    adapter = studio.assembly.adapter
    assert adapter is not None
    moved = Studio(replace(studio.assembly, adapter=replace(adapter, path=tmp_path / "adapter.safetensors")))
    with pytest.raises(ConfigError, match=r"has no dials\.toml beside its adapter.*--scale"):
        moved.portrait(person, PROMPT, likeness=0.5)
    with pytest.raises(ConfigError, match=r"has no dials\.toml"):
        table_of(replace(studio.assembly, adapter=None))
    (tmp_path / "adapter.safetensors").write_bytes(adapter.path.read_bytes() + b" ")
    (tmp_path / FILE).write_bytes(adapter.path.with_name(FILE).read_bytes())
    other = Studio(replace(studio.assembly, adapter=replace(adapter, path=tmp_path / "adapter.safetensors")))
    with pytest.raises(ConfigError, match="was measured with another adapter"):
        other.portrait(person, PROMPT, variety=0.5)


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"likeness": 0.5, "adapter_scale": 0.8}, r"likeness set adapter_scale \(--scale\), given at the same time"),
        (
            {"variety": 0.5, "window": (0.0, 1.0), "guidance_scale": 3.0},
            r"variety set window \(--window\), guidance_scale",
        ),
        ({"likeness": 0.5, "variety": 0.5, "face_guidance": "shared"}, "likeness and variety set face_guidance"),
        ({"likeness": 1.5}, "likeness = 1.5"),
        ({"variety": -0.1}, "variety = -0.1"),
    ],
)
def test_two_hands_on_a_dial_are_refused(dials: dict[str, Any], message: str) -> None:
    for settings in (PortraitSettings, InpaintSettings):
        with pytest.raises(ConfigError, match=message):
            settings.of(prompt=PROMPT, **dials)


def test_what_was_left_open_is_no_hand() -> None:
    PortraitSettings.of(prompt=PROMPT, likeness=0.5, guidance_scale=None)


def test_from_the_command_line(command: Exits, miniature_folder: Path, tmp_path: Path) -> None:
    start = ("portrait", PROMPT, "--model", miniature_folder, "--device", "cpu", "--steps", "1", "-o", tmp_path / "out")
    code, _, errors = command(*start, "--likeness", "0.5", "--scale", "0.8")
    assert (code, "likeness set adapter_scale" in errors, (tmp_path / "out").exists()) == (2, True, False)
    assert command(*start, "--likeness", "0.5", "--variety", "1", "--count", "1")[0] == 0
