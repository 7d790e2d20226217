"""Distances of sets of features whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.evaluation import feature_distance
from limner.evaluation.feature_distance import frechet_over_people, frechet_to_others, kernel_distance, spread_of


def features(seed: int, *, rows: int = 400, width: int = 5, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width)) * scale + shift


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    return feature_distance.frechet_distance(spread_of(first), spread_of(second))


def test_a_set_is_nowhere_from_itself() -> None:
    assert frechet_distance(features(0), features(0)) == pytest.approx(0, abs=1e-9)


def test_a_shift_counts_with_its_square() -> None:
    assert frechet_distance(features(0), features(0) + 2.0) == pytest.approx(5 * 4)


def test_a_scale_counts_as_the_formula_says() -> None:
    """Standard deviations 1 and 3 in each of 5 directions: 5 * (1 + 9 - 2 * 3)."""
    first = features(0)
    first = (first - first.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(first.T))).T
    assert frechet_distance(first, 3 * first) == pytest.approx(20, rel=1e-6)


def test_it_equals_the_formula_with_matrices() -> None:
    first, second = features(1, rows=60), features(2, rows=50, scale=2) @ np.random.default_rng(0).random((5, 5))
    a, b = np.cov(first.T), np.cov(second.T)
    root = np.sqrt(np.maximum(np.linalg.eigvals(a @ b).real, 0)).sum()
    means = first.mean(axis=0) - second.mean(axis=0)
    expected = means @ means + np.trace(a) + np.trace(b) - 2 * root
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_it_is_symmetric_and_not_negative(seed: int) -> None:
    first, second = features(seed, rows=7, width=20), features(seed + 1, rows=9, width=20, scale=2)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first))
    assert frechet_distance(first, second) >= -1e-9


def test_few_pictures_raise_frechet_and_not_the_kernel_distance() -> None:
    """Of one population: the reason why the number of pictures is told."""
    few = [(features(seed, rows=12), features(seed + 100, rows=12)) for seed in range(30)]
    assert np.mean([frechet_distance(*pair) for pair in few]) > 1.0
    assert abs(np.mean([kernel_distance(*pair) for pair in few])) < 0.2
    assert kernel_distance(features(0), features(1, shift=1.0)) > 1.0


def test_the_interval_holds_the_value_and_is_over_people() -> None:
    generated = [features(person, rows=4) for person in range(12)]
    real = [features(person + 50, rows=3) for person in range(12)]
    found = frechet_over_people(generated, real, seed=0, replicates=20)
    assert found.low <= found.value <= found.high
    assert np.isnan(frechet_over_people([np.zeros((0, 0))], [np.zeros((0, 0))], seed=0).value)


def test_other_people_are_the_same_in_every_draw() -> None:
    generated = [features(person, rows=4, shift=person / 6) for person in range(12)]
    others = features(99, rows=300, shift=1.0)
    found = frechet_to_others(generated, spread_of(others), seed=0, replicates=40)
    assert found.value == pytest.approx(frechet_distance(np.concatenate(generated), others))
    alike = frechet_to_others([generated[0]] * 12, spread_of(others), seed=0, replicates=40)
    assert alike.high - alike.low == pytest.approx(0, abs=1e-9)
    assert found.high - found.low > 0.5
    assert np.isnan(frechet_to_others([np.zeros((0, 0))], spread_of(others), seed=0).value)
