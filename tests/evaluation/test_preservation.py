"""Change of pictures whose answer is known."""

import numpy as np
import pytest

from limner.evaluation.preservation import change, either_face

BLACK = np.zeros((4, 4, 3), np.uint8)
FACE = np.zeros((4, 4), bool)
FACE[:2] = True


def test_only_the_face_changed() -> None:
    after = BLACK.copy()
    after[:2] = 255
    assert change(BLACK, after, FACE) == (1.0, 0.0)
    assert change(after, BLACK, ~FACE) == (0.0, 1.0)


def test_a_fifth_of_the_range_everywhere() -> None:
    assert change(BLACK, BLACK + 51, FACE) == (pytest.approx(0.2), pytest.approx(0.2))


def test_an_empty_side_has_no_number() -> None:
    inside, outside = change(BLACK, BLACK, np.zeros_like(FACE))
    assert np.isnan(inside)
    assert outside == 0


def test_both_faces_count_as_face() -> None:
    other = np.zeros_like(FACE)
    other[3, 3] = True
    both = either_face(FACE, other)
    assert both is not None
    assert both.sum() == FACE.sum() + 1
    assert either_face(None, other) is other
    assert either_face(FACE, None) is FACE
    assert either_face(None, None) is None
