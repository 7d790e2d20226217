import cv2
import numpy as np
import pytest

from limner.faces.landmarks import MESH_POINTS, FaceMesh

# FaceMesh numbers: eye corners (outer, inner) of the eye on the image's left and right, mouth corners
LEFT_EYE, RIGHT_EYE, MOUTH = [33, 133], [362, 263], [61, 291]


@pytest.fixture(scope="module")
def network() -> FaceMesh:
    return FaceMesh()


def test_the_mesh_lies_on_the_face(photo, face, network):
    mesh = network.locate(photo, face)
    assert mesh.shape == (MESH_POINTS, 3)
    assert mesh.dtype == np.float32
    tolerance = 0.1 * face.eye_distance
    np.testing.assert_allclose(mesh[LEFT_EYE, :2].mean(axis=0), face.landmarks[0], atol=tolerance)
    np.testing.assert_allclose(mesh[RIGHT_EYE, :2].mean(axis=0), face.landmarks[1], atol=tolerance)
    np.testing.assert_allclose(mesh[MOUTH, :2], face.landmarks[3:], atol=tolerance)


def test_the_nose_is_nearer_than_the_ears(photo, face, network):
    mesh = network.locate(photo, face)
    assert mesh[1, 2] < mesh[[234, 454], 2].min() - 0.5 * face.eye_distance


def test_the_mesh_scales_with_the_photo(photo, face, network, analyzer):
    mesh = network.locate(photo, face)
    half = cv2.resize(photo, (384, 384), interpolation=cv2.INTER_AREA)
    small = network.locate(half, analyzer.detect(half)[0])
    assert np.abs(small * 2 - mesh)[:, :2].max() < 0.12 * face.eye_distance
    assert np.ptp(small[:, 2]) * 2 == pytest.approx(np.ptp(mesh[:, 2]), rel=0.1)


@pytest.mark.parametrize("degrees", [-60, 30, 90, 180])
def test_the_mesh_turns_with_the_photo(photo, face, network, degrees):
    """The crop follows the landmarks, so a turned photo (with its landmarks) gives the turned mesh."""
    turn = cv2.getRotationMatrix2D((383.5, 383.5), degrees, 1)
    turned = cv2.warpAffine(photo, turn, (768, 768))
    landmarks = (face.landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    width, height = face.box[2:]
    center = turn[:, :2] @ np.array(face.center) + turn[:, 2]
    box = (float(center[0] - width / 2), float(center[1] - height / 2), width, height)
    mesh = network.locate(turned, type(face)(box, landmarks, face.score))
    expected = network.locate(photo, face)[:, :2] @ turn[:, :2].T + turn[:, 2]
    assert np.abs(mesh[:, :2] - expected).max() < 0.1 * face.eye_distance
