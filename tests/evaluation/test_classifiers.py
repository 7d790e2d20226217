"""The independent classifiers' formulas; the networks themselves where they are at hand."""

from pathlib import Path

import numpy as np
import pytest

from limner.core.errors import MissingExtraError
from limner.evaluation.classifiers import AttributeClassifiers, direction_of, gender_of, stagewise


def test_stagewise_regression_by_hand() -> None:
    """Stage one alone, sure of its third class, widths and offsets zero: 2 / 3."""
    values = np.zeros(21)
    values[2] = 1
    assert stagewise(values) == pytest.approx(2 / 3)
    values[5] = 1  # and the second stage of its third: a third of a third finer
    assert stagewise(values) == pytest.approx(2 / 3 + 2 / 9)
    values[9] = 1.0  # the first stage twice as wide: all that follows, too
    assert stagewise(values) == pytest.approx(2 / 6 + 2 / 18)


@pytest.mark.parametrize(
    ("yaw", "direction"), [(0, "front"), (-7.9, "front"), (10, None), (14, "right"), (-30, "left")]
)
def test_directions(yaw: float, direction: str | None) -> None:
    assert direction_of(yaw) == direction


@pytest.mark.parametrize(("male", "gender"), [(0.1, "woman"), (0.5, None), (0.95, "man")])
def test_genders(male: float, gender: str | None) -> None:
    assert gender_of(male) == gender


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"fr_pose\.onnx.*npm pack"):
        AttributeClassifiers(tmp_path)
