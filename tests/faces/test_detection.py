import cv2
import numpy as np
import pytest

from limner.core.errors import FaceIndexError, NoFaceError
from limner.core.images import read_image
from limner.faces.detection import DETECTION_SCORE, FaceDetector, Look, select_face
from limner.faces.face import Face


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def two_equal(photo: np.ndarray) -> np.ndarray:
    """The same face twice, a pixel-exact copy beside the first."""
    small = cv2.resize(photo, (320, 320), interpolation=cv2.INTER_AREA)
    return np.hstack([small, small])


def made_face(x: float, side: float) -> Face:
    return Face((x, 0.0, side, side), np.zeros((5, 2), np.float32), 0.9)


def test_one_face_with_landmarks_in_order(photo, detector):
    [face] = detector.detect(photo)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert face.landmarks.dtype == np.float32
    assert face.score >= DETECTION_SCORE
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    # Read off the picture by eye: pupils and nose tip.
    np.testing.assert_allclose(left_eye, (283, 360), atol=12)
    np.testing.assert_allclose(right_eye, (470, 362), atol=12)


@pytest.mark.parametrize("factor", [0.1, 0.3, 2.0])
def test_boxes_are_in_pixels_of_the_given_photo(photo, detector, face, factor):
    scaled = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    [found] = detector.detect(scaled)
    np.testing.assert_allclose(np.array(found.box) / factor, face.box, atol=0.08 * face.box[3])
    np.testing.assert_allclose(found.landmarks / factor, face.landmarks, atol=0.04 * face.box[3])


def test_a_close_up_is_found_with_padding(photo, detector, face):
    x, y = face.landmarks[2].astype(int)
    close = cv2.resize(photo[y - 130 : y + 150, x - 140 : x + 140], (900, 900))
    [found] = detector.detect(close)
    np.testing.assert_allclose(found.landmarks[2], (450, 417), atol=40)


def test_padding_finds_what_the_plain_look_misses(photo, detector, face):
    x, y = face.landmarks[2].astype(int)
    search = detector.search(cv2.resize(photo[y - 100 : y + 100, x - 100 : x + 100], (640, 640)))
    assert search.looks == (Look(640), Look(320, padding=0.25))
    [found] = search.faces
    np.testing.assert_allclose(found.landmarks[2], (320, 320), atol=60)


def test_a_small_face_in_a_large_photo_is_found(photo, detector, face):
    small = cv2.resize(photo, (60, 60), interpolation=cv2.INTER_AREA)
    large = np.full((2400, 3200, 3), 128, np.uint8)
    large[1000:1060, 2000:2060] = small
    [found] = detector.detect(large)
    expected = face.landmarks * 60 / 768 + [2000, 1000]
    np.testing.assert_allclose(found.landmarks, expected, atol=4)


def test_large_and_small_faces_are_found_together_once(photo, detector):
    large = np.full((1600, 2400, 3), 128, np.uint8)
    large[100:1500, 100:1500] = cv2.resize(photo, (1400, 1400))
    large[700:800, 2000:2100] = cv2.resize(photo, (100, 100), interpolation=cv2.INTER_AREA)
    found = detector.detect(large)
    assert [face.center[0] for face in found] == pytest.approx([800, 2050], abs=60)


def test_faces_come_from_left_to_right(two_equal, detector):
    first, second = detector.detect(two_equal)
    assert first.center[0] < 320 < second.center[0]


def test_two_equal_faces_the_left_one_is_taken(two_equal, detector):
    faces = detector.detect(two_equal)
    assert select_face(faces) is faces[0]
    assert select_face(faces, 1) is faces[1]


def test_rounding_does_not_decide_between_equal_faces():
    faces = [made_face(0, 100.0), made_face(200, 100.2)]
    assert select_face(faces) is faces[0]


def test_the_largest_face_is_taken():
    faces = [made_face(0, 50.0), made_face(100, 90.0), made_face(300, 60.0)]
    assert select_face(faces) is faces[1]


@pytest.mark.parametrize("index", [-1, 2, 17])
def test_an_index_beyond_the_faces_says_how_many_there_are(index):
    with pytest.raises(FaceIndexError, match=rf"Face {index} was asked for.* 2 faces, numbered 0 to 1"):
        select_face([made_face(0, 50.0), made_face(100, 50.0)], index)


def test_selecting_from_nothing():
    with pytest.raises(NoFaceError):
        select_face([])


def test_no_face_says_what_was_tried(detector):
    search = detector.search(np.full((300, 400, 3), 128, np.uint8))
    assert search.faces == []
    with pytest.raises(NoFaceError) as caught:
        search.require()
    message = str(caught.value)
    assert "400 x 300" in message
    assert "320 px with 25% padding" in message
    assert f"scored {search.best_score:.2f}" in message
    assert "Use an upright photo" in message


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3000, 2)])
def test_odd_sizes_hold_no_face(detector, shape):
    assert detector.detect(np.zeros((*shape, 3), np.uint8)) == []


def test_the_input_is_not_changed(photo, detector):
    copy = photo.copy()
    detector.detect(copy)
    np.testing.assert_array_equal(copy, photo)


def portraits(shared, pattern: str) -> list:
    return sorted((shared / "data/portraits").glob(pattern))


@pytest.mark.shared
def test_every_single_portrait_has_one_face(shared, detector):
    paths = [*portraits(shared, "portrait_*"), *portraits(shared, "profile_*"), *portraits(shared, "synthetic_*")]
    assert len(paths) == 23
    assert {path.name: len(detector.detect(read_image(path))) for path in paths} == {path.name: 1 for path in paths}


@pytest.mark.shared
def test_the_photo_turned_by_exif_is_like_the_upright_one(shared, detector):
    [turned] = detector.detect(read_image(shared / "data/portraits/rotated_exif6_astronaut.jpg"))
    [upright] = detector.detect(read_image(shared / "data/portraits/portrait_10_astronaut.jpg"))
    np.testing.assert_allclose(turned.landmarks, upright.landmarks, atol=3)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "people"), [("group_1_solvay1927.jpg", 29), ("group_2_collage.jpg", 4)])
def test_groups(shared, detector, name, people):
    faces = detector.detect(read_image(shared / "data/portraits" / name))
    assert len(faces) == people
    assert [face.center for face in faces] == sorted(face.center for face in faces)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["noface_coffee.jpg", "noface_rocket.jpg"])
def test_photos_without_a_face(shared, detector, name):
    with pytest.raises(NoFaceError, match="the best candidate scored"):
        detector.search(read_image(shared / "data/portraits" / name)).require()
