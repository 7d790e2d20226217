"""Intervals whose answer is known, and that people, not pictures, are drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.evaluation.intervals import Measured, Table, draw_people, mean, over_people, paired_difference, ratio


def mean_of(table: Table) -> np.ndarray:
    return mean(table["x"])


def test_the_mean_leaves_out_who_has_no_number() -> None:
    assert mean(np.array([1.0, np.nan, 3.0])) == 2
    assert np.isnan(mean(np.array([np.nan])))
    assert mean(np.array([[1.0, 2.0], [np.nan, 5.0]])).tolist() == [1.5, 5.0]


def test_a_ratio_to_nothing_is_no_number() -> None:
    assert np.isnan(ratio(np.array(1.0), np.array(0.0)))
    assert ratio(np.array(1.0), np.array(2.0)) == 0.5


def test_every_draw_asks_as_many_people_as_there_are() -> None:
    drawn = draw_people(7, seed=0, replicates=50)
    assert drawn.shape == (50, 7)
    assert set(drawn.ravel().tolist()) == set(range(7))
    assert (drawn == draw_people(7, seed=0, replicates=50)).all()


@pytest.mark.parametrize("people", [16, 100])
def test_the_interval_is_as_wide_as_the_number_of_people_says(people: int) -> None:
    """Standard error sd / sqrt(people), whatever number of pictures each number came from."""
    values = np.random.default_rng(1).standard_normal(people)
    measured = over_people({"x": values}, mean_of, seed=0)
    expected = 2 * 1.96 * values.std() / np.sqrt(people)
    assert measured.high - measured.low == pytest.approx(expected, rel=0.12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20), st.floats(-5, 5), st.integers(0, 99))
def test_a_shift_shifts_value_and_interval(values: list[float], shift: float, seed: int) -> None:
    before = over_people({"x": np.array(values)}, mean_of, seed=seed, replicates=100)
    after = over_people({"x": np.array(values) + shift}, mean_of, seed=seed, replicates=100)
    assert after.value == pytest.approx(before.value + shift, abs=1e-9)
    assert after.low == pytest.approx(before.low + shift, abs=1e-9)
    assert before.low - 1e-9 <= before.high


def test_the_same_people_are_asked_of_both() -> None:
    """People differ widely, the methods by a constant: only a paired difference sees it."""
    values = np.random.default_rng(2).standard_normal(30) * 10
    found = paired_difference({"x": values + 0.5}, {"x": values}, mean_of, seed=0)
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == (pytest.approx(0.5), pytest.approx(0.5))
    assert found.excludes_zero


def test_a_person_that_one_method_lost_is_left_out_of_both() -> None:
    first, second = np.array([1.0, np.nan, 3.0]), np.array([0.0, 100.0, 2.0])
    assert paired_difference({"x": first}, {"x": second}, mean_of, seed=0).value == pytest.approx(1.0)
    nobody = paired_difference({"x": first * np.nan}, {"x": second}, mean_of, seed=0)
    assert np.isnan(nobody.value)


def test_an_interval_around_zero_says_nothing() -> None:
    assert not Measured(0.1, -0.1, 0.3).excludes_zero
    assert Measured(-0.2, -0.3, -0.1).excludes_zero
