"""Pairing: references are always of the target's person, follow from the generator, and are as apart as was asked."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limner.core.errors import ConfigError
from limner.data.pairing import Cross, Mixed, Shuffle, draw_targets, pairing_named, same

PEOPLE = {"a": [0, 3, 5], "b": [1], "c": [2, 4]}
PERSON_OF = {number: person for person, numbers in PEOPLE.items() for number in numbers}
NAMES = ("same", "cross", "shuffle", "mixed(0.5)")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.sampled_from(NAMES), st.lists(st.integers(0, 5), max_size=20), st.integers(0, 2**31))
def test_every_policy_stays_with_the_person_and_follows_from_the_seed(name: str, targets: list[int], seed: int) -> None:
    policy = pairing_named(name, PEOPLE)
    references = policy(targets, rng(seed))
    assert [PERSON_OF[r] for r in references] == [PERSON_OF[t] for t in targets]
    assert references == policy(targets, rng(seed))


def test_same_draws_nothing() -> None:
    generator = rng()
    assert same([4, 0], generator) == [4, 0]
    assert torch.equal(generator.get_state(), rng().get_state())


def test_cross_takes_every_other_photo_equally_and_never_the_own() -> None:
    counts = Counter(Cross(PEOPLE)([0] * 3000, rng()))
    assert set(counts) == {3, 5}
    assert abs(counts[3] - 1500) < 120
    assert Cross(PEOPLE)([1, 1], rng()) == [1, 1]


def test_a_row_of_cross_does_not_depend_on_the_other_rows() -> None:
    assert Cross(PEOPLE)([0, 2, 5], rng())[2] == Cross(PEOPLE)([4, 1, 5], rng())[2]


@given(st.lists(st.integers(0, 5), max_size=20), st.integers(0, 2**31))
def test_shuffle_permutes_the_faces_of_each_person(targets: list[int], seed: int) -> None:
    assert Counter(Shuffle(PEOPLE)(targets, rng(seed))) == Counter(targets)


def test_shuffle_reaches_every_permutation() -> None:
    seen = Counter(tuple(Shuffle(PEOPLE)([0, 3, 5], rng(seed))) for seed in range(600))
    assert len(seen) == 6
    assert min(seen.values()) > 60


def test_mixed_is_apart_as_often_as_asked() -> None:
    targets = [0] * 4000
    apart = [r != 0 for r in Mixed(Cross(PEOPLE), 0.25)(targets, rng())]
    assert abs(sum(apart) / len(apart) - 0.25) < 0.03
    assert Mixed(Cross(PEOPLE), 0.0)(targets, rng()) == targets
    assert 0 not in Mixed(Cross(PEOPLE), 1.0)(targets, rng())
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Mixed(Cross(PEOPLE), 1.5)


@pytest.mark.parametrize("name", ["", "other", "mixed", "mixed(", "mixed(x)", "mixed(2)", "cross(1)"])
def test_an_unknown_policy_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        pairing_named(name, PEOPLE)


def test_targets_are_drawn_person_first() -> None:
    crowded = {"many": list(range(100)), "few": [100, 101]}
    targets = draw_targets(crowded, 4000, rng())
    assert abs(sum(t >= 100 for t in targets) / 4000 - 0.5) < 0.04


def test_pictures_of_a_person_are_different_as_long_as_there_are_enough() -> None:
    for seed in range(20):
        targets = draw_targets(PEOPLE, 6, rng(seed), per_person=3)
        for three in (targets[:3], targets[3:]):
            (person,) = {PERSON_OF[t] for t in three}
            assert len(set(three)) == min(3, len(PEOPLE[person]))


@pytest.mark.parametrize(("people", "count", "per_person"), [({}, 2, 1), (PEOPLE, 4, 3), (PEOPLE, 4, 0)])
def test_a_batch_that_cannot_be_drawn_is_refused(people: dict[str, list[int]], count: int, per_person: int) -> None:
    with pytest.raises(ConfigError, match="cannot be drawn"):
        draw_targets(people, count, rng(), per_person=per_person)
