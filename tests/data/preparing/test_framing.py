"""The square around a face: inside the photo, and the face lands where it is seen."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.data.preparing.framing import frame, square_around
from limner.faces.face import Face


def face(x: float, y: float, width: float, height: float) -> Face:
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * (width, height) + (x, y)
    return Face((x, y, width, height), points.astype(np.float32), 0.9)


@given(
    st.floats(-50, 350), st.floats(-50, 250), st.floats(1, 300), st.floats(1, 300), st.floats(1, 4),
    st.integers(8, 400), st.integers(8, 300),
)  # fmt: skip
def test_the_square_lies_inside(
    x: float, y: float, width: float, height: float, framing: float, columns: int, rows: int
) -> None:
    left, top, side = square_around(face(x, y, width, height), columns, rows, framing=framing)
    assert left >= 0
    assert top >= 0
    assert side >= 1
    assert left + side <= columns
    assert top + side <= rows


def test_with_room_the_face_is_in_the_middle() -> None:
    assert square_around(face(100, 80, 40, 60), 400, 300, framing=1.5) == (75, 65, 90)


@pytest.mark.parametrize("pixels", [45, 90, 180])
def test_landmarks_follow_the_pixels(pixels: int) -> None:
    one = face(100, 80, 40, 60)
    photo = np.zeros((300, 400, 3), np.uint8)
    for x, y in one.landmarks:
        cv2.circle(photo, (round(float(x)), round(float(y))), 3, (255, 255, 255), -1)
    picture, framed = frame(photo, one, square_around(one, 400, 300, framing=1.5), pixels=pixels)
    assert picture.shape == (pixels, pixels, 3)
    for x, y in framed.landmarks:
        spot = np.zeros((pixels, pixels))
        cv2.circle(spot, (round(float(x)), round(float(y))), max(pixels // 15, 3), 1.0, -1)
        rows, columns = np.nonzero((picture[..., 0] * spot) > 60)
        assert abs(columns.mean() - x) < 0.8
        assert abs(rows.mean() - y) < 0.8
    scale = pixels / 90
    assert framed.box[2:] == pytest.approx((40 * scale, 60 * scale))
    assert framed.score == one.score
