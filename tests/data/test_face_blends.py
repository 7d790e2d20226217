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


def test_about_half_are_blends_of_two() -> None:
    # A dark and a light person: what lies between them is a blend of both.
    dark, light = (np.full((SIDE, SIDE, 3), value, np.uint8) for value in (20, 230))
    made = blended_faces(np.stack([dark, light]), 300, seed=0).reshape(300, -1, 3).mean(axis=(1, 2))
    between = ((made > 75) & (made < 150)).mean()
    assert 0.15 < between < 0.4  # half of the faces, of which half mix the two kinds
