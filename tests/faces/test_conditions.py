"""Condition pictures show the face where it is, and nothing else."""

import numpy as np
import pytest

from limner.core.errors import ConfigError, NoFaceError
from limner.faces.analysis import FaceAnalysis, FaceAnalyzer
from limner.faces.conditions import LINES, condition_picture, landmark_picture, parsing_picture
from limner.faces.drawing import LABEL_COLORS
from limner.faces.parsing import ParsingLabel


def middle_of(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Middle (x, y) of the pixels of one colour."""
    return np.argwhere((picture == colour).all(axis=2)).mean(axis=0)[::-1]


def test_the_lines_lie_on_the_face(photo: np.ndarray, analysis: FaceAnalysis) -> None:
    picture = landmark_picture(analysis.mesh, photo.shape[:2])
    assert picture.shape == photo.shape
    left, right, nose, *mouth = analysis.face.landmarks
    eyes = [line[2] for line in LINES[3:5]]
    reach = 0.25 * analysis.face.eye_distance
    assert np.linalg.norm(middle_of(picture, eyes[0]) - left) < reach
    assert np.linalg.norm(middle_of(picture, eyes[1]) - right) < reach
    assert np.linalg.norm(middle_of(picture, LINES[-2][2]) - np.mean(mouth, axis=0)) < reach
    assert abs(middle_of(picture, LINES[6][2])[0] - nose[0]) < reach
    rows, columns = np.nonzero(picture.any(axis=2))
    x, y, width, height = analysis.face.box
    assert x - 0.2 * width < columns.min() < columns.max() < x + 1.2 * width
    assert y - 0.2 * height < rows.min() < rows.max() < y + 1.2 * height


def test_every_line_has_a_colour_and_points_of_its_own() -> None:
    assert len({line[2] for line in LINES}) == len(LINES)
    numbers = [number for line in LINES for number in line[0]]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < 468


def test_parts_have_their_colours() -> None:
    labels = np.array([[0, ParsingLabel.SKIN], [ParsingLabel.HAT, ParsingLabel.EYES]], np.uint8)
    picture = parsing_picture(labels)
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert tuple(picture[1, 0]) == LABEL_COLORS[ParsingLabel.HAT]
    assert tuple(picture[0, 1]) == LABEL_COLORS[ParsingLabel.SKIN]


def test_of_a_photo(photo: np.ndarray, analyzer: FaceAnalyzer) -> None:
    small = np.ascontiguousarray(photo[::4, ::4])
    lines, parts, same = (condition_picture(small, kind, analyzer) for kind in ("landmarks", "parsing", "picture"))
    assert lines.any()
    assert (parts == LABEL_COLORS[ParsingLabel.HAIR]).all(axis=2).any()
    assert same is small
    with pytest.raises(NoFaceError):
        condition_picture(np.full((64, 64, 3), 128, np.uint8), "landmarks", analyzer)
    with pytest.raises(ConfigError, match="'pose' is unknown; choose one of landmarks"):
        condition_picture(small, "pose", analyzer)  # pyright: ignore[reportArgumentType]
