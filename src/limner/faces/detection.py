"""Finding faces with YuNet, and choosing one of them.

YuNet: Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", Machine Intelligence Research 2023;
weights Apache-2.0. It answers best for faces of 10 to 400 pixels, so a photo is looked at in the scales where its
faces can be expected, and again with padding or enlarged if nothing was found or a face fills the picture.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from limner.core.assets import asset_path
from limner.core.errors import FaceIndexError, NoFaceError
from limner.faces.face import Face

DETECTION_SCORE = 0.7
"""A box counts as a face from this score on.

Measured on 2,614 pictures of single people from seven sets (most of them chosen with a detector in the first place):
the best face scored 0.70 or more in all of them, 0.80 in all but two. On the 29 people of the Solvay photograph the
weakest face scores 0.83, the one false box 0.63.
"""

_LOWEST_SCORE = 0.1  # weaker boxes are not even reported as "best score seen"
_OVERLAP = 0.3
# Seen larger than this, landmarks drift: on close-ups cut from 21 portraits at half the box they were off by 0.41 eye
# distances (median) where a look at 320 px was off by 0.10.
_CLOSE_FACE_PIXELS = 400
_FINE_FACE_PIXELS = 128  # in the fine look only smaller faces are believed: larger ones the coarse look has seen


@dataclass(frozen=True)
class Look:
    """One way to look at a photo.

    Attributes:
        long_side: pixels of the longer side (padding included) that the network sees.
        padding: black border on every side, as a share of the photo's side.
        enlarge: by how much a photo that is smaller than `long_side` may be enlarged.
    """

    long_side: int
    padding: float = 0.0
    enlarge: float = 1.0

    def __str__(self) -> str:
        return f"{self.long_side} px" + (f" with {self.padding:.0%} padding" if self.padding else "")


@dataclass(frozen=True)
class Search:
    """Everything a search saw.

    Attributes:
        faces: found faces, left to right.
        looks: how the photo was looked at, in order.
        best_score: the highest score of any box, 0 to 1, whether it counted as a face or not.
        photo_pixels: width and height of the photo.
    """

    faces: list[Face]
    looks: tuple[Look, ...]
    best_score: float
    photo_pixels: tuple[int, int]

    def require(self) -> list[Face]:
        """The faces, at least one.

        Raises:
            NoFaceError: none was found; the message tells what was tried.
        """
        if self.faces:
            return self.faces
        tried = ", ".join(str(look) for look in self.looks)
        width, height = self.photo_pixels
        raise NoFaceError(
            f"No face was found in the photo of {width} x {height} pixels. "
            f"It was looked at with a long side of {tried}; "
            f"the best candidate scored {self.best_score:.2f}, a face needs {DETECTION_SCORE:.2f}. "
            "Use an upright photo in which both eyes can be seen, without a hand or mask before the face."
        )


_COARSE = Look(640)
_CLOSE = (Look(320), Look(320, padding=0.25))
_FINE = Look(1600)
_RETRIES = (Look(320, padding=0.25), Look(320, padding=0.5), Look(192, padding=1.0), Look(1280, enlarge=2.0))


class FaceDetector:
    """YuNet over several scales. Building it reads the weights; one instance may serve several threads.

    Raises:
        CheckpointError: the weights are not installed.
    """

    def __init__(self) -> None:
        path = str(asset_path("yunet/yunet_n_dynamic.onnx"))
        self._lock = threading.Lock()
        # OpenCV 5 warns "Targets are not supported" while it reads the file, which means nothing on a CPU.
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:
            self._network = cv2.FaceDetectorYN.create(path, "", (320, 320), _LOWEST_SCORE, _OVERLAP, 5000)
        finally:
            cv2.utils.logging.setLogLevel(level)

    def detect(self, image: np.ndarray) -> list[Face]:
        """Faces of an RGB uint8 picture (height, width, 3), left to right; an empty list if there are none."""
        return self.search(image).faces

    def search(self, image: np.ndarray) -> Search:
        """The same with an account of what was tried, see `Search`."""
        height, width = image.shape[:2]
        candidates = self._look(image, _COARSE)
        looks = [_COARSE]
        if any(_is_close_up(face, height, width) for face in candidates):
            candidates.extend(face for look in _CLOSE for face in self._look(image, look))
            looks.extend(_CLOSE)
        if max(height, width) > _COARSE.long_side * 1.5:
            limit = _FINE_FACE_PIXELS * max(height, width) / min(_FINE.long_side, max(height, width))
            candidates.extend(face for face in self._look(image, _FINE) if max(face.box[2:]) <= limit)
            looks.append(_FINE)
        for look in _RETRIES:
            if any(face.score >= DETECTION_SCORE for face in candidates):
                break
            candidates.extend(self._look(image, look))
            looks.append(look)
        best = max((face.score for face in candidates), default=0.0)
        return Search(_distinct_faces(candidates), tuple(looks), best, (width, height))

    def _look(self, image: np.ndarray, look: Look) -> list[Face]:
        """Candidates of any score, in pixels of `image`."""
        height, width = image.shape[:2]
        left, top = round(look.padding * width), round(look.padding * height)
        scale = min(look.long_side / max(width + 2 * left, height + 2 * top), look.enlarge)
        # Scaled before it is padded: the border costs nothing and stays sharp.
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        if size != (width, height):
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        border = (round(left * scale), round(top * scale))
        if look.padding:
            image = cv2.copyMakeBorder(image, border[1], border[1], border[0], border[0], cv2.BORDER_CONSTANT)
        rows = self._run(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        stretch = np.array([width / size[0], height / size[1]])
        return [_face_of(row, np.array(border), stretch) for row in rows]

    def _run(self, bgr: np.ndarray) -> np.ndarray:
        """YuNet's rows (faces, 15): box, five points, score."""
        with self._lock:
            self._network.setInputSize((bgr.shape[1], bgr.shape[0]))
            rows = self._network.detect(bgr)[1]
        return np.zeros((0, 15), np.float32) if rows is None else rows


def select_face(faces: Sequence[Face], index: int | None = None) -> Face:
    """One of the faces: the largest, or the one asked for.

    Args:
        faces: faces from left to right, as `FaceDetector.detect` gives them.
        index: 0 is the leftmost. Without it the largest box wins; among boxes within 1 % of the largest area the
            leftmost, so that rounding never decides between two equal faces.

    Raises:
        NoFaceError: there is no face.
        FaceIndexError: no face has this index.
    """
    if not faces:
        raise NoFaceError("No face was found in the photo. Use an upright photo in which both eyes can be seen.")
    if index is None:
        largest = max(face.area for face in faces)
        return next(face for face in faces if face.area >= 0.99 * largest)
    if not 0 <= index < len(faces):
        known = "1 face, number 0" if len(faces) == 1 else f"{len(faces)} faces, numbered 0 to {len(faces) - 1}"
        raise FaceIndexError(
            f"Face {index} was asked for, but the photo has {known} from left to right. "
            "Run `limner faces` on the photo to see the numbers."
        )
    return faces[index]


def _face_of(row: np.ndarray, border: np.ndarray, stretch: np.ndarray) -> Face:
    corner, size = (row[0:2] - border) * stretch, row[2:4] * stretch
    landmarks = (row[4:14].reshape(5, 2) - border) * stretch
    box = (float(corner[0]), float(corner[1]), float(size[0]), float(size[1]))
    return Face(box, landmarks.astype(np.float32), float(row[14]))


def _is_close_up(face: Face, height: int, width: int) -> bool:
    """Whether the coarse look saw the face too large for trustworthy landmarks, or the photo cuts it off."""
    if face.score < DETECTION_SCORE:
        return False
    seen = max(face.box[2:]) * min(_COARSE.long_side / max(height, width), 1.0)
    return seen > _CLOSE_FACE_PIXELS or face.box[2] > 0.9 * width or face.box[3] > 0.9 * height


def _distinct_faces(candidates: list[Face]) -> list[Face]:
    """What counts as a face, each once, left to right: where looks disagree the better score decides."""
    distinct: list[Face] = []
    for face in sorted(candidates, key=lambda face: -face.score):
        if face.score >= DETECTION_SCORE and not any(_covers(known, face) for known in distinct):
            distinct.append(face)
    return sorted(distinct, key=lambda face: face.center)


def _covers(known: Face, face: Face) -> bool:
    """Whether the middle of one of the boxes lies in the other."""
    return _holds(known.box, face.center) or _holds(face.box, known.center)


def _holds(box: tuple[float, float, float, float], point: tuple[float, float]) -> bool:
    return box[0] <= point[0] <= box[0] + box[2] and box[1] <= point[1] <= box[1] + box[3]
