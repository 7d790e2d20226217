"""The failed regions of a group are drawn again, and nothing but them changes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from limner.apps import groups
from limner.apps.group_redrawing import NOBODY, SEEDS_APART, Checked, lay_into, seed_of
from limner.apps.groups import GroupPortrait
from limner.apps.studio import Studio
from limner.core.errors import ConfigError, RefusedError
from limner.identity.identity import Identity

PROMPT = "two people"
LEFT, RIGHT = np.s_[:, :32], np.s_[:, 32:]
BOTH, SECOND_LOST, STRANGER = (0.8, 0.7), (0.8, None), (0.8, 0.1)
Verdict = tuple[float | None, ...]
Draw = Callable[..., list[GroupPortrait]]


@pytest.fixture
def draw(studio: Studio, person: Identity, monkeypatch: pytest.MonkeyPatch) -> Draw:
    """Two people; what the check says of each picture that it is shown is given."""

    def drawn(verdicts: Sequence[Verdict], **settings: Any) -> list[GroupPortrait]:
        given: Iterator[Verdict] = iter(verdicts)

        def check(studio: Studio, people: Sequence[Identity], regions: np.ndarray, image: np.ndarray) -> Checked:
            told = next(given)
            return Checked(image, told, tuple(one is not None for one in told), (0, 0))

        monkeypatch.setattr(groups, "_check", check)
        people = [person, replace(person)]
        found = studio.group(people, PROMPT, **{"num_steps": 2, "seed": 3, "retries": 1, **settings})
        assert next(given, None) is None, "a picture was not checked"
        return found

    return drawn


def changed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one != other).any(axis=2)


@pytest.mark.parametrize("failure", [SECOND_LOST, STRANGER])
def test_only_the_region_of_the_one_who_failed_changes(draw: Draw, failure: Verdict) -> None:
    [plain] = draw([failure], retries=0)
    [again] = draw([failure, BOTH])
    difference = changed(plain.image, again.image)
    assert not difference[LEFT].any()
    assert difference[RIGHT].mean() > 0.5
    assert (plain.redrawn, again.redrawn) == ((0, 0), (0, 1))
    assert again.similarities == BOTH
    assert again.seed == plain.seed
    [same] = draw([failure, BOTH])
    assert np.array_equal(same.image, again.image)


def test_who_is_found_is_left_alone(draw: Draw) -> None:
    [plain] = draw([BOTH], retries=0)
    [kept] = draw([BOTH], retries=3)
    assert np.array_equal(plain.image, kept.image)
    assert kept.redrawn == (0, 0)


def test_a_worse_picture_is_thrown_away(draw: Draw) -> None:
    [plain] = draw([SECOND_LOST], retries=0)
    [kept] = draw([SECOND_LOST, (0.3, None), (None, None)], retries=2)
    assert np.array_equal(plain.image, kept.image)
    assert (kept.redrawn, kept.similarities) == ((0, 0), SECOND_LOST)


def test_each_try_has_a_seed_of_its_own_and_the_last_success_ends_it(draw: Draw) -> None:
    [once] = draw([SECOND_LOST, (0.8, 0.15)])
    [twice] = draw([SECOND_LOST, (0.8, 0.15), BOTH], retries=5)
    assert twice.redrawn == (0, 2)
    assert changed(once.image, twice.image)[RIGHT].any()
    assert not changed(once.image, twice.image)[LEFT].any()
    assert len({seed_of(3, attempt) for attempt in range(9)}) == 9
    assert seed_of(2**32 - 1, 1) == SEEDS_APART - 1


def test_several_pictures_are_redrawn_where_they_failed(draw: Draw) -> None:
    plain = draw([SECOND_LOST, BOTH, (None, 0.7)], retries=0, count=3)
    # All are drawn first, then those that failed together.
    again = draw([SECOND_LOST, BOTH, (None, 0.7), BOTH, BOTH], count=3)
    assert [one.redrawn for one in again] == [(0, 1), (0, 0), (1, 0)]
    differences = [changed(one.image, other.image) for one, other in zip(plain, again, strict=True)]
    assert [(bool(one[LEFT].any()), bool(one[RIGHT].any())) for one in differences] == [
        (False, True),
        (False, False),
        (True, False),
    ]


def test_a_place_that_both_share_belongs_to_the_one_who_is_found(draw: Draw) -> None:
    boxes = [(0.0, 0.0, 0.75, 1.0), (0.5, 0.0, 1.0, 1.0)]
    [plain] = draw([SECOND_LOST], retries=0, boxes=boxes)
    [again] = draw([SECOND_LOST, BOTH], boxes=boxes)
    difference = changed(plain.image, again.image)
    assert not difference[:, :48].any()
    assert difference[:, 48:].any()
    everywhere = [(0.0, 0.0, 1.0, 1.0)] * 2
    assert draw([SECOND_LOST], boxes=everywhere)[0].redrawn == (0, 0)  # nothing is left to draw


def test_what_is_drawn_again_is_guarded(draw: Draw, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[np.ndarray] = []

    def picture(self: Any, image: np.ndarray, prompt: str) -> None:
        shown.append(image)
        if len(shown) == 2:
            raise RefusedError("no")

    monkeypatch.setattr(type(studio.guard), "picture", picture)
    with pytest.raises(RefusedError):
        draw([SECOND_LOST])
    assert len(shown) == 2


def test_a_layer_has_no_edge_and_leaves_the_rest() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(90, 110, (64, 96, 3), dtype=np.uint8)
    drawn = np.full_like(picture, 160)
    region = np.zeros((64, 96), bool)
    region[:, 48:] = True
    laid = lay_into(picture, drawn, region)
    assert np.array_equal(laid[~region], picture[~region])
    assert np.abs(laid[:, 48].astype(int) - picture[:, 47]).mean() < 25  # not the step of 60
    assert changed(laid, picture)[:, 60:].all()
    whole = np.ones_like(region)
    assert np.array_equal(lay_into(picture, drawn, whole), drawn)


def test_ranks_put_places_before_likeness() -> None:
    def ranked(*told: float | None) -> tuple[int, float]:
        return Checked(np.zeros(()), told, tuple(one is not None for one in told), (0, 0)).rank

    assert ranked(0.9, None) == (1, NOBODY)
    assert ranked(0.1, 0.2) > ranked(0.9, None)
    assert ranked(0.3, 0.4) > ranked(0.2, 0.9)


def test_retries_out_of_range_are_refused(studio: Studio, person: Identity) -> None:
    with pytest.raises(ConfigError, match="retries = -1"):
        studio.group([person], PROMPT, retries=-1)
