import numpy as np
import pytest

from limner.faces.alignment import TEMPLATES
from limner.faces.face import Face


def face_at(points) -> Face:
    return Face((10.0, 20.0, 30.0, 50.0), np.array(points, np.float32), 0.9)


def test_center_and_area_follow_from_the_box():
    face = face_at(TEMPLATES["arcface-112"].points)
    assert face.center == (25.0, 45.0)
    assert face.area == 1500.0


def test_a_profile_keeps_the_size_of_the_frontal_face():
    frontal = np.array(TEMPLATES["arcface-112"].points)
    profile = frontal * [0.2, 1.0]
    assert face_at(profile).eye_distance == pytest.approx(7, abs=0.1)
    assert face_at(profile).frontal_eye_distance == pytest.approx(face_at(frontal).frontal_eye_distance, rel=0.03)
