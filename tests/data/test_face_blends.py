"""Blended training faces: shape, determinism, and that both people show in a blend."""

import numpy as np

from limner.data.face_blends import SIDE, blended_faces
from tests.data.examples import picture

CROPS = np.stack([picture(seed, SIDE) for seed in range(3)])


def test_shape_and_determinism() -> None:
    made = blended_faces(CROPS, 6, seed=1)
    assert (made.shape, made.dtype) == ((6, SIDE, SIDE, 3), np.uint8)
    assert np.array_equal(made, blended_faces(CROPS, 6, seed=1))
    assert not np.array_equal(made, blended_faces(CROPS, 6, seed=2))
    assert np.array_equal(made[:3], blended_faces(CROPS, 3, seed=1))


def test_half_are_blends_of_two() -> None:
    # A dark and a light person; half of the blends mix the two kinds.
    dark, light = (np.full((SIDE, SIDE, 3), value, np.uint8) for value in (20, 230))
    made = blended_faces(np.stack([dark, light]), 600, seed=0).reshape(600, -1)
    spread, level = made.std(axis=1), made.mean(axis=1)
    halves = spread > 40  # one above, the other below
    through = ~halves & (level > 75) & (level < 150)  # one through the other
    assert abs(halves.mean() - 0.2 / 2) < 0.03
    assert abs(through.mean() - 0.3 / 2) < 0.04
