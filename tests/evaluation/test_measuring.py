"""Sizes of pictures on their way to the networks."""

import numpy as np
import pytest

from limner.evaluation.measuring import SMALLEST_SIDE, enlarged, shrunk


@pytest.mark.parametrize(
    ("size", "expected"), [((64, 128), (256, 512)), ((256, 300), (256, 300)), ((128, 128), (256, 256))]
)
def test_small_pictures_are_enlarged(size: tuple[int, int], expected: tuple[int, int]) -> None:
    made = enlarged(np.full((*size, 3), 77, np.uint8))
    assert made.shape[:2] == expected
    assert min(made.shape[:2]) >= SMALLEST_SIDE
    assert (made == 77).all()


@pytest.mark.parametrize(("size", "expected"), [((256, 128), (64, 32)), ((64, 64), (64, 64)), ((32, 16), (32, 16))])
def test_photos_become_as_coarse_as_what_was_drawn(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert shrunk(np.zeros((*size, 3), np.uint8), 64).shape[:2] == expected
