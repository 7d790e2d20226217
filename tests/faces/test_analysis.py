import subprocess
import sys

import cv2
import numpy as np
import pytest

from limner.core.errors import FaceIndexError, FaceTooBlurredError, FaceTooSmallError, NoFaceError
from limner.core.images import read_image
from limner.faces.analysis import FaceAnalyzer


@pytest.fixture(scope="module")
def two_equal(photo: np.ndarray) -> np.ndarray:
    small = cv2.resize(photo, (320, 320), interpolation=cv2.INTER_AREA)
    return np.hstack([small, small])


def test_everything_about_one_face(photo, analysis):
    assert analysis.num_faces == 1
    assert analysis.aligned.template == "arcface-112"
    assert analysis.aligned.image.shape == (112, 112, 3)
    assert analysis.mesh.shape == (468, 3)
    assert analysis.parsing_map.shape == photo.shape[:2]
    assert 0.5 < analysis.quality < 1


def test_two_equal_faces(two_equal, analyzer):
    first = analyzer.analyze(two_equal)
    second = analyzer.analyze(two_equal, 1)
    assert first.num_faces == second.num_faces == 2
    assert first.face.center[0] < 320 < second.face.center[0]
    with pytest.raises(FaceIndexError, match="2 faces, numbered 0 to 1"):
        analyzer.analyze(two_equal, 2)


def test_no_face(analyzer):
    with pytest.raises(NoFaceError):
        analyzer.analyze(np.full((256, 256, 3), 127, np.uint8))


def test_a_tiny_face_is_refused(photo, analyzer):
    canvas = np.full((256, 256, 3), 127, np.uint8)
    canvas[100:132, 100:132] = cv2.resize(photo, (32, 32), interpolation=cv2.INTER_AREA)
    with pytest.raises(FaceTooSmallError, match="between the eyes"):
        analyzer.analyze(canvas)


def test_a_blurred_face_is_refused(photo, analyzer):
    with pytest.raises(FaceTooBlurredError, match="Use a sharper photo"):
        analyzer.analyze(cv2.GaussianBlur(photo, (0, 0), 30))


def test_a_refused_face_can_still_be_described(photo, analyzer):
    blurry = cv2.GaussianBlur(photo, (0, 0), 30)
    [face] = analyzer.detect(blurry)
    assert analyzer.analyze_face(blurry, face).quality < 0.2


def test_the_same_photo_gives_the_same_numbers(photo, analysis):
    again = FaceAnalyzer().analyze(photo)
    np.testing.assert_array_equal(again.mesh, analysis.mesh)
    np.testing.assert_array_equal(again.parsing_map, analysis.parsing_map)
    np.testing.assert_array_equal(again.aligned.image, analysis.aligned.image)


def test_importing_and_building_reads_no_network():
    code = (
        "import limner.faces.analysis as a, limner.core.assets as s, sys\n"
        "a.FaceAnalyzer()\n"
        "assert 'torch' not in sys.modules and 'ai_edge_litert' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.shared
def test_every_portrait_can_be_analysed(shared, analyzer):
    folder = shared / "data/portraits"
    names = [*folder.glob("p*.jpg"), *folder.glob("rotated*.jpg"), *folder.glob("group*.jpg"), *folder.glob("syn*.jpg")]
    assert len(names) == 26
    for path in names:
        analysis = analyzer.analyze(read_image(path))
        assert analysis.quality > 0.35, path.name
