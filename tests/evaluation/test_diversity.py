"""Spread and pairwise distance of known values."""

import numpy as np
import pytest

from limner.evaluation.diversity import mean_pairwise, pixel_distances, spread


def test_the_mean_is_over_pairs() -> None:
    distances = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]], float)
    assert mean_pairwise(distances) == pytest.approx(2.0)


def test_one_picture_has_no_distance() -> None:
    assert np.isnan(mean_pairwise(np.zeros((1, 1))))
    assert np.isnan(mean_pairwise(np.zeros((0, 0))))


def test_pixels() -> None:
    grey = [np.full((2, 2, 3), level, np.uint8) for level in (0, 51, 255)]
    distances = pixel_distances(grey)
    assert distances[0].tolist() == pytest.approx([0, 0.2, 1])
    assert (distances == distances.T).all()


def test_spread_is_the_standard_deviation() -> None:
    assert spread([1.0, 3.0]) == pytest.approx(np.sqrt(2))
    assert np.isnan(spread([1.0]))
