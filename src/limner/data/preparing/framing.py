"""The square around a face that is kept of a photo, in the frame of FACT's own data: side a multiple of the face's
longer edge, moved inside the photo (``fact.md`` 2.5)."""

import cv2
import numpy as np

from limner.faces.alignment import transform_points
from limner.faces.face import Face


def square_around(face: Face, width: int, height: int, *, framing: float) -> tuple[int, int, int]:
    """Left, top and side in whole pixels; no larger than the photo and never beyond its edges."""
    side = max(min(round(framing * max(face.box[2:])), width, height), 1)
    left, top = (round(middle - side / 2) for middle in face.center)
    return min(max(left, 0), width - side), min(max(top, 0), height - side), side


def frame(image: np.ndarray, face: Face, square: tuple[int, int, int], *, pixels: int) -> tuple[np.ndarray, Face]:
    """The square at ``pixels`` a side, and the face in its pixels."""
    left, top, side = square
    cut = image[top : top + side, left : left + side]
    shrinks = side >= pixels
    resized = cv2.resize(cut, (pixels, pixels), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    scale = pixels / side
    # Pixel centres lie at whole numbers, so the edges of the square are at -0.5.
    shift = 0.5 * scale - 0.5
    matrix = np.array([[scale, 0, shift - left * scale], [0, scale, shift - top * scale]])
    x, y, width, height = face.box
    (corner,) = transform_points(matrix, np.array([[x, y]]))
    box = (float(corner[0]), float(corner[1]), width * scale, height * scale)
    return resized, Face(box, transform_points(matrix, face.landmarks).astype(np.float32), face.score)
