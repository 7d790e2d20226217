"""Pictures that say how a face is to be held, for ControlNets: its lines, or its parts in colours.

The lines run along points of MediaPipe's FaceMesh (arXiv:1907.06724), whose numbering is fixed.
"""

from typing import Literal, Protocol

import cv2
import numpy as np

from limner.core.errors import ConfigError
from limner.faces.detection import select_face
from limner.faces.drawing import LABEL_COLORS
from limner.faces.face import Face

Kind = Literal["landmarks", "parsing", "picture"]
KINDS: tuple[Kind, ...] = ("landmarks", "parsing", "picture")

_SIDE_PER_LINE = 128  # pixels of the shorter side for each pixel of a line's width

_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
_LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
_RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
_OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)

LINES: tuple[tuple[tuple[int, ...], bool, tuple[int, int, int]], ...] = (
    (_OVAL, True, (255, 255, 255)),
    ((70, 63, 105, 66, 107), False, (255, 160, 0)),
    ((336, 296, 334, 293, 300), False, (255, 220, 0)),
    (_LEFT_EYE, True, (0, 160, 255)),
    (_RIGHT_EYE, True, (0, 255, 255)),
    ((168, 6, 197, 195, 5, 4), False, (0, 255, 0)),
    ((98, 97, 2, 326, 327), False, (160, 255, 80)),
    (_OUTER_LIPS, True, (255, 0, 80)),
    (_INNER_LIPS, True, (255, 0, 255)),
)
"""Points of the mesh, whether the line closes, and its colour: oval, brows, eyes, nose, lips; left is the image's."""


class Analyzer(Protocol):
    """What is needed of :class:`~limner.faces.analysis.FaceAnalyzer`."""

    def detect(self, image: np.ndarray) -> list[Face]: ...
    def mesh(self, image: np.ndarray, face: Face) -> np.ndarray: ...
    def parse(self, image: np.ndarray, face: Face) -> np.ndarray: ...


def condition_picture(photo: np.ndarray, kind: Kind, analyzer: Analyzer) -> np.ndarray:
    """What a ControlNet is shown of a photo.

    Args:
        photo: RGB uint8 (height, width, 3), of the size of what is to be drawn.
        kind: "landmarks", the lines of the largest face on black; "parsing", its parts in colours on black; or
            "picture", the photo as it is, for ControlNets of other kinds.

    Returns:
        RGB uint8 (height, width, 3).

    Raises:
        NoFaceError: the photo has no face.
        ConfigError: there is no such kind.
    """
    if kind not in KINDS:
        raise ConfigError(f"the kind of control {kind!r} is unknown; choose one of {', '.join(KINDS)}")
    if kind == "picture":
        return photo
    face = select_face(analyzer.detect(photo))
    if kind == "landmarks":
        return landmark_picture(analyzer.mesh(photo, face), photo.shape[:2])
    return parsing_picture(analyzer.parse(photo, face))


def landmark_picture(mesh: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The lines of a face on black.

    Args:
        mesh: (468, 2 or 3), x and y in pixels first.
        size: height and width of the picture.

    Returns:
        RGB uint8 (height, width, 3).
    """
    canvas = np.zeros((*size, 3), np.uint8)
    width, eighths = max(round(min(size) / _SIDE_PER_LINE), 1), 3
    points = np.rint(mesh[:, :2] * 2**eighths).astype(np.int32)
    for numbers, closed, colour in LINES:
        cv2.polylines(canvas, [points[list(numbers)]], closed, colour, width, cv2.LINE_AA, eighths)
    return canvas


def parsing_picture(parsing_map: np.ndarray) -> np.ndarray:
    """The parts of a face in the colours of ``LABEL_COLORS``, RGB uint8 (height, width, 3)."""
    palette = np.zeros((max(LABEL_COLORS) + 1, 3), np.uint8)
    for label, colour in LABEL_COLORS.items():
        palette[label] = colour
    return palette[parsing_map]
