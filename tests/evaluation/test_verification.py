import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.evaluation.verification import (
    Pairs,
    cross_validated_accuracy,
    measure_verification,
    roc_auc,
    tar_at,
    threshold_at,
)


def drawn(seed: int, count: int = 200, shift: float = 1.5) -> Pairs:
    """Scores rounded so that ties occur; 30 people."""
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 30, count)
    same = generator.random(count) < 0.4
    second = np.where(same, first, (first + generator.integers(1, 30, count)) % 30)
    scores = np.round(generator.normal(size=count) + shift * same, 1)
    return Pairs(scores, same, np.column_stack([first, second]))


@given(seed=st.integers(0, 50))
def test_auc_counts_ordered_pairs(seed: int):
    pairs = drawn(seed)
    same, different = pairs.scores[pairs.same], pairs.scores[~pairs.same]
    expected = np.mean((same[:, None] > different) + 0.5 * (same[:, None] == different))
    assert roc_auc(pairs, np.ones(200)) == pytest.approx(expected)


@given(seed=st.integers(0, 50))
def test_weights_are_repetitions(seed: int):
    pairs = drawn(seed)
    times = np.random.default_rng(seed).integers(0, 4, 200)
    repeated = Pairs(*(np.repeat(values, times, axis=0) for values in (pairs.scores, pairs.same, pairs.people)))
    ones = np.ones(times.sum())
    assert roc_auc(pairs, times.astype(float)) == pytest.approx(roc_auc(repeated, ones))
    assert tar_at(pairs, 0.1, times.astype(float)) == pytest.approx(tar_at(repeated, 0.1, ones))


@given(seed=st.integers(0, 50), far=st.sampled_from([0.01, 0.05, 0.2]))
def test_no_lower_threshold_keeps_the_far(seed: int, far: float):
    pairs = drawn(seed)
    different = pairs.scores[~pairs.same]
    threshold = threshold_at(pairs, far, np.ones(200))
    assert (different > threshold).mean() <= far
    lower = pairs.scores[pairs.scores < threshold]
    assert not len(lower) or (different > lower.max()).mean() > far


def test_too_few_different_pairs_give_nan():
    pairs = drawn(1)
    assert np.isnan(threshold_at(pairs, 1e-3, np.ones(200)))
    result = measure_verification(pairs, seed=0, fars=(1e-3,), replicates=5)
    assert np.isnan(result.tar[1e-3].value)
    assert np.isnan(result.tar[1e-3].low)


def test_a_perfect_score_is_perfect():
    pairs = drawn(2, shift=20)
    result = measure_verification(pairs, seed=0, fars=(0.1,), replicates=20)
    assert (result.auc.value, result.auc.low, result.accuracy, result.tar[0.1].value) == (1, 1, 1, 1)
    assert result.num_same + result.num_different == 200


def test_a_useless_score_is_a_guess():
    result = measure_verification(drawn(3, count=4000, shift=0), seed=0, fars=(0.1,), replicates=50)
    assert result.auc.low < 0.5 < result.auc.high
    assert cross_validated_accuracy(drawn(3, count=4000, shift=0)) == pytest.approx(0.5, abs=0.03)


def test_intervals_know_that_pairs_of_one_person_belong_together():
    people = np.repeat(np.arange(10), 200)
    same = np.tile([True, False], 1000)
    scores = np.where(same, (people < 5) * 1.0, 0.5)  # five people are always recognised, five never
    pairs = Pairs(scores, same, np.column_stack([people, np.where(same, people, (people + 1) % 10)]))
    result, again = (measure_verification(pairs, seed=5, fars=(0.1,), replicates=200) for _ in range(2))
    assert result == again
    assert result.auc.value == 0.5
    assert result.auc.low <= 0.3  # 1,000 independent pairs would say 0.47
    assert result.auc.high >= 0.7


def test_it_does_not_matter_who_stands_first():
    pairs = drawn(6, count=500)
    turned = Pairs(pairs.scores, pairs.same, pairs.people[:, ::-1])
    first, second = (measure_verification(each, seed=1, fars=(0.1,), replicates=50) for each in (pairs, turned))
    assert first == second
