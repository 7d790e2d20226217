"""Photos under the wrong name leave, the others stay."""

import numpy as np

from limner.data.preparing.identity_purge import medoid, strangers
from tests.data.preparing.stubs import embedding


def stack(*people: int) -> np.ndarray:
    return np.stack([embedding(person, shot) for shot, person in enumerate(people)])


def test_one_stranger_leaves() -> None:
    assert strangers(stack(1, 1, 2, 1), threshold=0.2) == [2]


def test_the_largest_group_stays() -> None:
    assert sorted(strangers(stack(1, 2, 1, 3, 1, 2), threshold=0.2)) == [1, 3, 5]


def test_nobody_leaves_an_honest_folder() -> None:
    assert strangers(stack(1, 1, 1), threshold=0.2) == []
    assert strangers(stack(1), threshold=0.2) == []


def test_of_two_that_disagree_the_first_stays() -> None:
    assert strangers(stack(1, 2), threshold=0.2) == [1]


def test_the_medoid_is_the_one_in_the_middle() -> None:
    angles = np.array([0.0, 0.3, 0.9])
    assert medoid(np.stack([np.cos(angles), np.sin(angles)], axis=1)) == 1
