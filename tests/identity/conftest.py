"""Stand-ins for the networks: tests of this room need no photo of anybody."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from limner.core.errors import NoFaceError
from limner.faces.analysis import FaceAnalysis
from limner.faces.face import AlignedFace, Face
from limner.faces.pose import HeadPose
from limner.identity.recognition import IdentityEmbedding, Role

PATCHES, WIDTH, DIM = 5, 3, 7


def photo_of(person: int, shade: int = 0) -> np.ndarray:
    """A plain picture whose red channel says who it is and whose green channel gives its quality in percent."""
    image = np.zeros((40, 40, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = person, 50, shade
    return image


@dataclass
class FakeAnalyzer:
    """Finds one face in every picture that is not black; remembers which face was asked for."""

    asked: list[int | None] = field(default_factory=list)

    def analyze(self, image: np.ndarray, face_index: int | None = None) -> FaceAnalysis:
        self.asked.append(face_index)
        if image.max() == 0:
            raise NoFaceError("no face was found")
        face = Face((0.0, 0.0, 40.0, 40.0), np.zeros((5, 2), np.float32), 1.0)
        return FaceAnalysis(
            face=face,
            aligned=AlignedFace(image, np.eye(2, 3), "arcface-112"),
            mesh=np.zeros((468, 3), np.float32),
            pose=HeadPose(float(image[0, 0, 2]), 2.0, 3.0),
            quality=float(image[0, 0, 1]) / 100,
            parsing_map=np.zeros(image.shape[:2], np.uint8),
            num_faces=1,
        )


@dataclass
class FakeRecognizer:
    """Each person has a direction of their own; the blue channel turns it a little."""

    feature_space: str = "fake-space"
    role: Role = "guide"
    template: str = "fake-template"
    licence: str = "fr_feature"

    def align(self, photo: np.ndarray, face: Face) -> AlignedFace:
        return AlignedFace(photo, np.eye(2, 3), self.template)

    def embed(self, faces: Sequence[AlignedFace]) -> IdentityEmbedding:
        raw = np.zeros((len(faces), DIM))
        for row, face in zip(raw, faces, strict=True):
            person, _, shade = face.image[0, 0].tolist()
            row[person % (DIM - 1)], row[DIM - 1] = 4.0, shade / 10
        return IdentityEmbedding.from_raw(self.feature_space, raw)


class FakeTokenRecognizer(FakeRecognizer):
    def tokens(self, faces: Sequence[AlignedFace]) -> torch.Tensor:
        return torch.stack([torch.full((PATCHES, WIDTH), float(face.image[0, 0, 0])) for face in faces])


@pytest.fixture
def analyzer() -> FakeAnalyzer:
    return FakeAnalyzer()


@pytest.fixture
def recognizer() -> FakeRecognizer:
    return FakeRecognizer()


@pytest.fixture
def token_recognizer() -> FakeRecognizer:
    return FakeTokenRecognizer(feature_space="fake-tokens", role="encoder", licence="miniature-encoder")
