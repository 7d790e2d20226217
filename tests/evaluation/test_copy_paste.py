"""Copy-paste on angles whose answer is known (peers.md 2.1)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.evaluation.copy_paste import copy_paste


def at(degrees: float) -> np.ndarray:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


REFERENCE, TARGET = at(0), at(60)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(0, 1.0), (60, -1.0), (30, 0.0), (15, 0.5), (90, -1.0), (-30, 1.0), (45, -0.5)],
)
def test_known_angles(degrees: float, expected: float) -> None:
    found = copy_paste(at(degrees)[None], TARGET[None], REFERENCE)
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(expected, abs=1e-6)


def test_each_picture_meets_each_target() -> None:
    found = copy_paste(np.stack([at(0), at(60)]), np.stack([TARGET, at(-90), at(45)]), REFERENCE)
    assert found.shape == (2, 3)
    assert found[0].tolist() == pytest.approx([1, 1, 1])
    assert found[1, 0] == pytest.approx(-1)


def test_a_target_that_is_the_reference_does_not_divide_by_zero() -> None:
    assert np.isfinite(copy_paste(at(10)[None], REFERENCE[None], REFERENCE)).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_it_lies_between_minus_one_and_one(seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((5, 16))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = copy_paste(rows[:2], rows[2:4], rows[4])
    assert (np.abs(found) <= 1 + 1e-6).all()  # the triangle inequality of angles
