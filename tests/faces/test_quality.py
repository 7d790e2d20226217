import cv2
import numpy as np
import pytest

from limner.core.errors import ConfigError, FaceTooBlurredError, FaceTooSmallError
from limner.faces.alignment import TEMPLATES
from limner.faces.face import AlignedFace, Face
from limner.faces.quality import MIN_EYE_DISTANCE, MIN_QUALITY, FaceQuality, require_quality, require_size


@pytest.fixture(scope="module")
def network() -> FaceQuality:
    return FaceQuality()


def blurred(aligned: AlignedFace, sigma: float) -> AlignedFace:
    return AlignedFace(cv2.GaussianBlur(aligned.image, (0, 0), sigma), aligned.matrix, aligned.template)


def test_the_score_falls_with_blur(analysis, network):
    scores = [analysis.quality, *(network.score(blurred(analysis.aligned, sigma)) for sigma in (2, 3, 4, 6))]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.5
    assert scores[-1] < 0.1


def test_the_network_sees_the_channels_in_its_own_order(analysis, network):
    """Pinned: with red and blue exchanged the same crop scores 0.45."""
    assert network.score(blurred(analysis.aligned, 2.5)) == pytest.approx(0.413, abs=0.02)


def test_another_template_is_refused(analysis, network):
    other = AlignedFace(np.zeros((512, 512, 3), np.uint8), analysis.aligned.matrix, "ffhq-512")
    with pytest.raises(ConfigError, match="'ffhq-512' was given"):
        network.score(other)


def face_of_size(eye_distance: float) -> Face:
    points = np.array(TEMPLATES["arcface-112"].points, np.float32)
    return Face((0, 0, 80, 100), points * eye_distance / 35.24, 0.9)


def test_small_faces_are_refused_with_numbers():
    require_size(face_of_size(MIN_EYE_DISTANCE + 0.1))
    with pytest.raises(FaceTooSmallError, match=r"80 x 100 pixels with 9\.\d between the eyes; 10 are needed"):
        require_size(face_of_size(MIN_EYE_DISTANCE - 0.5))


def test_blurred_faces_are_refused_with_numbers():
    require_quality(MIN_QUALITY)
    with pytest.raises(FaceTooBlurredError, match=r"scores 0\.15 .* 0\.20 is needed"):
        require_quality(0.15)
