"""Average-linkage clustering, against the plain definition."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.data.preparing.clustering import cluster
from tests.data.preparing.stubs import embedding


def plain(vectors: np.ndarray, threshold: float) -> list[int]:
    """Join the two groups with the greatest average similarity until none reaches the threshold."""
    groups = [[i] for i in range(len(vectors))]
    similar = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    while len(groups) > 1:
        best, a, b = max(
            (similar[np.ix_(groups[a], groups[b])].mean(), -a, -b)
            for a in range(len(groups))
            for b in range(a + 1, len(groups))
        )
        if best < threshold:
            break
        groups[-a] += groups.pop(-b)
    number = {face: group for group, faces in enumerate(groups) for face in faces}
    order = {group: i for i, group in enumerate(dict.fromkeys(number[face] for face in range(len(vectors))))}
    return [order[number[face]] for face in range(len(vectors))]


@settings(deadline=None)
@given(st.integers(1, 24), st.integers(0, 10_000), st.floats(-0.5, 0.9))
def test_it_is_average_linkage(count: int, seed: int, threshold: float) -> None:
    vectors = np.random.default_rng(seed).normal(size=(count, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert cluster(vectors, threshold=threshold) == plain(vectors, threshold)


def test_people_come_apart() -> None:
    people = [2, 0, 1, 0, 2, 2, 1]
    vectors = np.stack([embedding(person, shot) for shot, person in enumerate(people)])
    assert cluster(vectors, threshold=0.36) == [0, 1, 2, 1, 0, 0, 2]


def test_equal_faces_end() -> None:
    assert cluster(np.tile(embedding(1), (9, 1)), threshold=0.5) == [0] * 9
