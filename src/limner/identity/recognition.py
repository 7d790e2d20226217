"""What a recogniser is, what it returns, and the guide that training and filtering may look at.

An embedding belongs to the feature space that made it: recogniser, weights and template together. Numbers of different
spaces look alike and mean nothing to each other, so comparing them raises.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import cv2
import numpy as np
from torch import Tensor

from limner.core.assets import asset_path
from limner.core.errors import FeatureSpaceError
from limner.faces.alignment import align
from limner.faces.face import AlignedFace, Face

ARCFACE_TEMPLATE = "arcface-112"
GUIDE_SPACE = "mobilefacenet-faceplugin-arcface112"
JUDGE_SPACE = "dlib-resnet-v1"
TRANSFACE_SPACE = "transface-s-ms1mv2-arcface112"

Role = Literal["guide", "judge", "encoder"]


@dataclass(frozen=True, eq=False)
class IdentityEmbedding:
    """Who a face is, in one feature space.

    Attributes:
        space: name of the feature space.
        vector: float32 (dim,) of length 1, or (faces, dim) with rows of length 1.
        norm: float32, the length before normalising, () or (faces,).
    """

    space: str
    vector: np.ndarray
    norm: np.ndarray

    @classmethod
    def from_raw(cls, space: str, raw: np.ndarray) -> "IdentityEmbedding":
        """Normalise what a network returned, (dim,) or (faces, dim); an all-zero row stays zero."""
        norm = np.linalg.norm(raw, axis=-1)
        return cls(
            space, (raw / np.maximum(norm, 1e-12)[..., None]).astype(np.float32), np.asarray(norm, dtype=np.float32)
        )

    def __len__(self) -> int:
        """Number of faces; a single embedding has no length."""
        return len(self.norm)

    def __getitem__(self, index: int) -> "IdentityEmbedding":
        return IdentityEmbedding(self.space, self.vector[index], self.norm[index])


class Recognizer(Protocol):
    """A network trained for identity."""

    @property
    def feature_space(self) -> str: ...

    @property
    def template(self) -> str: ...

    @property
    def role(self) -> Role: ...

    @property
    def licence(self) -> str:
        """Name of the network's record in `limner licences`."""
        ...

    def align(self, photo: np.ndarray, face: Face) -> AlignedFace:
        """Cut ``face`` out of the RGB uint8 ``photo`` (height, width, 3) the way this network wants it."""
        ...

    def embed(self, faces: Sequence[AlignedFace]) -> IdentityEmbedding:
        """Embed faces of this recogniser's template: vectors (faces, dim).

        Raises:
            FeatureSpaceError: a face is aligned to another template.
        """
        ...


@runtime_checkable
class TokenRecognizer(Protocol):
    """A recogniser that also has features of image patches for adapters to read."""

    def tokens(self, faces: Sequence[AlignedFace]) -> Tensor:
        """Face features, float32 (faces, patches, width)."""
        ...


class ArcFaceAligned:
    """The part that all recognisers on ``arcface-112`` share."""

    template = ARCFACE_TEMPLATE

    def align(self, photo: np.ndarray, face: Face) -> AlignedFace:
        return align(photo, face.landmarks, self.template)


class GuideRecognizer(ArcFaceAligned):
    """MobileFaceNet, 512 numbers: the recogniser that may be used in training, filtering and sampling.

    About 11 ms a face on one core. One instance may serve several threads.

    Raises:
        CheckpointError: the packaged network is missing.
    """

    feature_space = GUIDE_SPACE
    role: Role = "guide"
    licence = "fr_feature"
    faces_per_call = 32

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._path = str(path or asset_path("faceplugin/fr_feature.onnx"))
        self._network = cv2.dnn.readNetFromONNX(self._path)

    def embed(self, faces: Sequence[AlignedFace]) -> IdentityEmbedding:
        images = stack_faces(faces, self.template, self.feature_space)
        starts = range(0, len(images), self.faces_per_call)
        raw = [self._forward(images[start : start + self.faces_per_call]) for start in starts]
        return IdentityEmbedding.from_raw(self.feature_space, np.concatenate(raw))

    def feature_maps(self, faces: Sequence[AlignedFace]) -> np.ndarray:
        """What the network sees at each of 7 x 7 places before it sums up: float32 (faces, 49, 128), row by row."""
        images = stack_faces(faces, self.template, self.feature_space)
        starts = range(0, len(images), self.faces_per_call)
        maps = [self._maps(images[start : start + self.faces_per_call]) for start in starts]
        return np.concatenate(maps).reshape(len(images), 128, 49).transpose(0, 2, 1)

    def _forward(self, images: np.ndarray) -> np.ndarray:
        with self._lock:
            self._network.setInput(_network_input(images))
            # The last layer folds the batch into one row.
            return self._network.forward().reshape(len(images), -1).copy()

    def _maps(self, images: np.ndarray) -> np.ndarray:
        with self._lock:
            self._inner_network.setInput(_network_input(images))
            return self._inner_network.forward("onnx_node!Add_90").copy()

    @cached_property
    def _inner_network(self) -> cv2.dnn.Net:
        # OpenCV 5's default engine gives no inner layer away.
        return cv2.dnn.readNetFromONNX(self._path, engine=cv2.dnn.ENGINE_CLASSIC)


def _network_input(images: np.ndarray) -> np.ndarray:
    # The network was trained on blue-green-red input.
    inputs = (images[..., ::-1].astype(np.float32) - 127.5) / 127.5
    return np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))


def stack_faces(faces: Sequence[AlignedFace], template: str, space: str) -> np.ndarray:
    """The pictures of ``faces`` as uint8 (faces, side, side, 3).

    Raises:
        FeatureSpaceError: there is no face, or one is aligned to another template.
    """
    if not faces:
        raise FeatureSpaceError(f"{space} was given no face; hand it at least one face aligned to {template}.")
    for face in faces:
        if face.template != template:
            raise FeatureSpaceError(
                f"{space} reads faces aligned to {template} and was given one aligned to {face.template}; "
                "align the face with this recogniser's own `align`."
            )
    return np.stack([face.image for face in faces])


def similarity(a: IdentityEmbedding, b: IdentityEmbedding) -> np.ndarray:
    """Cosine in [-1, 1]; leading axes broadcast, so (faces, dim) with (dim,) gives (faces,).

    Raises:
        FeatureSpaceError: the embeddings come from different feature spaces.
    """
    _require_same_space(a, b)
    return np.clip(np.sum(a.vector * b.vector, axis=-1), -1.0, 1.0)


def distance(a: IdentityEmbedding, b: IdentityEmbedding) -> np.ndarray:
    """Euclidean distance before normalising, the measure dlib's recogniser was trained with (same person below 0.6).

    Raises:
        FeatureSpaceError: the embeddings come from different feature spaces.
    """
    _require_same_space(a, b)
    return np.linalg.norm(a.vector * a.norm[..., None] - b.vector * b.norm[..., None], axis=-1)


def _require_same_space(a: IdentityEmbedding, b: IdentityEmbedding) -> None:
    if a.space != b.space:
        raise FeatureSpaceError(
            f"An embedding of {a.space!r} was compared with one of {b.space!r}; only embeddings of one feature space "
            "can be compared. Embed both faces with the same recogniser."
        )
