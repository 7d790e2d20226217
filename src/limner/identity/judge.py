"""The judge: dlib's face recogniser, for evaluation and nothing else.

A system is never guided, filtered or conditioned by the network that scores it, so a test keeps this module out of
every room but evaluation. Network and five-point predictor are Davis King's (public domain and CC0); they come with
``pip install 'limner[judge]'``. Scores on different pairs correlate 0.44 with the guide's (assets.md 3).
"""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limner.core.errors import MissingExtraError
from limner.faces.face import AlignedFace, Face
from limner.identity.recognition import JUDGE_SPACE, IdentityEmbedding, Role, stack_faces

DLIB_TEMPLATE = "dlib-150"
CHIP_PIXELS = 150
CHIP_PADDING = 0.25
MODEL_FILES = {
    "network": "dlib_face_recognition_resnet_model_v1.dat",
    "landmarks": "shape_predictor_5_face_landmarks.dat",
}


class JudgeRecognizer:
    """dlib's ResNet v1, 128 numbers, with its own landmarks: it shares only the face's box with the guide.

    Raises:
        MissingExtraError: the packages of the extra ``judge`` are not installed.
    """

    feature_space = JUDGE_SPACE
    template = DLIB_TEMPLATE
    role: Role = "judge"
    licence = "dlib-resnet"

    def __init__(self) -> None:
        self._dlib = _dlib()
        self._network = self._dlib.face_recognition_model_v1(str(_model_path("network")))
        self._landmarks = self._dlib.shape_predictor(str(_model_path("landmarks")))

    def align(self, photo: np.ndarray, face: Face) -> AlignedFace:
        """Find dlib's five points in the face's box and cut the upright 150 px chip around them."""
        shape = self._landmarks(np.ascontiguousarray(photo), self._square(face))
        details = self._dlib.get_face_chip_details(shape, CHIP_PIXELS, CHIP_PADDING)
        chip = self._dlib.extract_image_chip(np.ascontiguousarray(photo), details)
        return AlignedFace(np.asarray(chip), _chip_matrix(details), self.template)

    def embed(self, faces: Sequence[AlignedFace]) -> IdentityEmbedding:
        images = stack_faces(faces, self.template, self.feature_space)
        raw = np.array(self._network.compute_face_descriptor(list(images)), dtype=np.float64)
        return IdentityEmbedding.from_raw(self.feature_space, raw)

    def _square(self, face: Face) -> Any:
        """dlib's own detector gives squares; a tall box shifts the points it predicts."""
        x, y, width, height = face.box
        side = (width + height) / 2
        left, top = x + (width - side) / 2, y + (height - side) / 2
        return self._dlib.rectangle(round(left), round(top), round(left + side), round(top + side))


def _chip_matrix(details: Any) -> np.ndarray:
    """float64 (2, 3) from photo pixels to chip pixels, as dlib cuts the chip."""
    center = np.array([details.rect.dcenter().x, details.rect.dcenter().y])
    cosine, sine = np.cos(details.angle), np.sin(details.angle)
    scale = (CHIP_PIXELS - 1) / (details.rect.width() - 1)  # dlib counts both edges
    linear = scale * np.array([[cosine, sine], [-sine, cosine]])
    return np.column_stack([linear, (CHIP_PIXELS - 1) / 2 - linear @ center])


def _dlib() -> Any:
    try:
        return importlib.import_module("dlib")
    except ModuleNotFoundError:
        raise _missing("dlib") from None


def _model_path(name: str) -> Path:
    # Found, not imported: importing older releases of this package warns.
    spec = importlib.util.find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "models" / MODEL_FILES[name]
        if path.is_file():
            return path
    raise _missing(f"the file {MODEL_FILES[name]} of face_recognition_models")


def _missing(what: str) -> MissingExtraError:
    return MissingExtraError(
        f"The judge needs {what}, which is not installed; install it with: pip install 'limner[judge]'"
    )
