"""Plans of invented people: everything follows from seed and number."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limner.core.errors import InputError
from limner.data.face_generator import NUM_STYLES
from limner.data.synthesis import (
    EDIT_RANGES,
    FIRST_EXCHANGED_GLASSES,
    FIRST_EXCHANGED_STYLE,
    FIRST_PICTURE_RANGES,
    GLASSES_OFF,
    GLASSES_ON,
    TRUNCATION,
    Directions,
    Shot,
    plan_person,
)
from tests.data.examples import FakeGenerator, directions


def plan(person: int = 0, *, seed: int = 1, pictures: int = 3, along: Directions | None = None) -> list[Shot]:
    generator: Any = FakeGenerator()
    return plan_person(person, pictures, generator, along or directions(), seed=seed)


def test_a_plan_follows_from_seed_and_number() -> None:
    for one, same in zip(plan(4), plan(4), strict=True):
        assert torch.equal(one.styles, same.styles)
        assert one.edits == same.edits
    assert not torch.equal(plan(4)[0].styles, plan(5)[0].styles)
    assert not torch.equal(plan(4)[0].styles, plan(4, seed=2)[0].styles)
    assert [(shot.person, shot.picture) for shot in plan(4)] == [(4, 0), (4, 1), (4, 2)]


def test_more_pictures_begin_like_fewer() -> None:
    assert torch.equal(plan(pictures=2)[1].styles, plan(pictures=5)[1].styles)


def test_edits_stay_in_range_and_the_first_picture_is_near_the_front() -> None:
    shots = [plan(person) for person in range(60)]
    for first, *others in shots:
        assert all(abs(first.edits[name]) <= limit for name, limit in FIRST_PICTURE_RANGES.items())
        assert all(abs(one.edits[name]) <= limit for one in others for name, limit in EDIT_RANGES.items())
    largest = max(abs(one.edits["yaw"]) for _, *others in shots for one in others)
    assert largest > FIRST_PICTURE_RANGES["yaw"]


def test_only_the_last_styles_are_exchanged_in_half_of_the_pictures() -> None:
    shots = [shot for person in range(60) for shot in plan(person)]
    exchanged = [shot for shot in shots if "exchanged_styles" in shot.edits]
    assert 0.35 < len(exchanged) / len(shots) < 0.65
    for shot in shots:
        assert shot.styles.shape == (NUM_STYLES, 6)
        assert torch.equal(shot.styles[:FIRST_EXCHANGED_STYLE], shot.styles[:1].expand(FIRST_EXCHANGED_STYLE, -1))
        same = torch.equal(shot.styles[-1], shot.styles[0])
        assert same == ("exchanged_styles" not in shot.edits)


def with_glasses() -> Directions:
    along, unit = directions(), torch.zeros(6)
    unit[[1, 5]] = 0.5**0.5  # the mean style lies along it, too
    return Directions(along.mean, along.unit | {"glasses": unit}, along.deviation | {"glasses": 0.7})


def test_from_the_fourth_picture_on_glasses_are_worn_by_turns() -> None:
    along, shots = with_glasses(), plan(4, pictures=6, along=with_glasses())
    worn = [shot.edits.get("glasses") for shot in shots]
    assert worn == [None, None, None, GLASSES_ON, GLASSES_OFF, GLASSES_ON]
    for shot, aim in zip(shots[FIRST_EXCHANGED_GLASSES:], worn[FIRST_EXCHANGED_GLASSES:], strict=True):
        place = (shot.styles[0] - along.mean) @ along.unit["glasses"] / along.deviation["glasses"]
        torch.testing.assert_close(place, torch.tensor(aim))


def test_exchanged_glasses_change_nothing_else() -> None:
    along = with_glasses()
    for before, after in zip(plan(4, pictures=6), plan(4, pictures=6, along=along), strict=True):
        across = torch.eye(6) - torch.outer(along.unit["glasses"], along.unit["glasses"])
        torch.testing.assert_close(after.styles @ across, before.styles @ across)
        assert {name: edit for name, edit in after.edits.items() if name != "glasses"} == before.edits
        assert after.picture >= FIRST_EXCHANGED_GLASSES or torch.equal(after.styles, before.styles)


def test_styles_are_pulled_towards_the_mean() -> None:
    along = directions()
    still = Directions(along.mean, along.unit, dict.fromkeys(along.deviation, 0.0))  # no edits, truncation only
    rng = torch.Generator().manual_seed(1 * 1_000_003 + 4)
    style = FakeGenerator().styles(torch.randn(1, 6, generator=rng))[0]
    expected = along.mean + TRUNCATION * (style - along.mean)
    torch.testing.assert_close(plan(4, along=still)[0].styles[0], expected)


def test_an_edit_moves_along_its_direction_in_deviations() -> None:
    along = directions()
    torch.testing.assert_close(along.step("pitch", 1.5), along.unit["pitch"] * along.deviation["pitch"] * 1.5)


def arrays(**changes: np.ndarray) -> dict[str, Any]:
    along = directions()
    stored = {"mu": along.mean.numpy()}
    for name, unit in along.unit.items():
        stored |= {f"d_{name}": unit.numpy(), f"s_{name}": np.float64(along.deviation[name])}
    return stored | changes


def test_directions_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays())
    read, made = Directions.read(tmp_path / "d.npz"), directions()
    assert torch.equal(read.mean, made.mean)
    assert read.deviation == made.deviation
    assert all(torch.equal(read.unit[name], unit) for name, unit in made.unit.items())


@pytest.mark.parametrize("case", ["missing", "text", "single array", "no mean", "no deviation"])
def test_what_holds_no_directions_is_refused(tmp_path: Path, case: str) -> None:
    path = tmp_path / "d.npz"
    stored = arrays()
    if case == "text":
        path.write_text("yaw = 1")
    elif case == "single array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif case != "missing":
        del stored["mu" if case == "no mean" else "s_yaw"]
        np.savez(path, **stored)
    with pytest.raises(InputError, match=r"d\.npz holds no edit directions .*give an \.npz with mu"):
        Directions.read(path)


def test_a_missing_direction_is_named(tmp_path: Path) -> None:
    stored = arrays()
    del stored["d_male"]
    np.savez(tmp_path / "d.npz", **stored)
    with pytest.raises(InputError, match="lacks the directions male"):
        Directions.read(tmp_path / "d.npz")
