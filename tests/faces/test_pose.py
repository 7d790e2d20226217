import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.core.images import read_image
from limner.faces.pose import HeadPose, head_pose


def rotation(axis: int, degrees: float) -> np.ndarray:
    """About x, y or z of the image frame (x right, y down, z away)."""
    angle = math.radians(degrees)
    matrix = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[[first, second], [first, second]] = math.cos(angle)
    matrix[first, second], matrix[second, first] = -math.sin(angle), math.sin(angle)
    return matrix


def pose_of(photo, analyzer) -> HeadPose:
    [face] = analyzer.detect(photo)
    return head_pose(analyzer.mesh(photo, face))


@pytest.fixture(scope="module")
def level_mesh(analysis) -> np.ndarray:
    """The packaged portrait's mesh, turned until it looks straight ahead."""
    mesh = analysis.mesh.astype(np.float64)
    for _ in range(3):
        yaw, pitch, roll = head_pose(mesh)
        mesh = mesh @ (rotation(0, pitch) @ rotation(1, yaw) @ rotation(2, -roll)).T
    return mesh


@given(yaw=st.floats(-80, 80))
def test_a_turn_to_the_image_right_is_positive_yaw(level_mesh, yaw):
    turned = level_mesh @ rotation(1, -yaw).T
    assert (head_pose(turned).yaw - yaw) == pytest.approx(0, abs=0.5)
    nose, cheeks = turned[1], turned[[234, 454]].mean(axis=0)
    assert abs(yaw) < 10 or (nose[0] - cheeks[0]) * yaw > 0


@given(pitch=st.floats(-60, 60))
def test_looking_up_is_positive_pitch(level_mesh, pitch):
    turned = level_mesh @ rotation(0, -pitch).T
    assert head_pose(turned).pitch == pytest.approx(pitch, abs=0.5)
    rise = level_mesh[1, 1] - level_mesh[[234, 454], 1].mean()
    assert abs(pitch) < 10 or (turned[1, 1] - turned[[234, 454], 1].mean() - rise) * pitch < 0


@given(roll=st.floats(-170, 170))
def test_leaning_clockwise_is_positive_roll(level_mesh, roll):
    assert head_pose(level_mesh @ rotation(2, roll).T).roll == pytest.approx(roll, abs=0.5)


def test_size_and_place_do_not_matter(analysis):
    np.testing.assert_allclose(head_pose(analysis.mesh * 3 + [100, -50, 7]), head_pose(analysis.mesh), atol=1e-3)


def test_the_packaged_portrait_is_frontal(analysis):
    assert max(abs(angle) for angle in analysis.pose) < 10


def test_the_mirrored_photo_mirrors_yaw_and_roll(photo, analyzer):
    turned = photo[:, 60:]  # anything: the mirror law holds for every photo
    pose, mirrored = pose_of(turned, analyzer), pose_of(np.ascontiguousarray(turned[:, ::-1]), analyzer)
    np.testing.assert_allclose(mirrored, (-pose.yaw, pose.pitch, -pose.roll), atol=4)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "side"), [("profile_cc0_063.jpg", -1), ("profile_cc0_091.jpg", 1)])
def test_profiles_are_turned_and_their_mirror_images_the_other_way(shared, analyzer, name, side):
    photo = read_image(shared / "data/portraits" / name)
    assert pose_of(photo, analyzer).yaw * side > 25
    assert pose_of(np.ascontiguousarray(photo[:, ::-1]), analyzer).yaw * side < -25


@pytest.mark.shared
def test_portraits_look_at_the_camera(shared, analyzer):
    photos = [read_image(path) for path in sorted((shared / "data/portraits").glob("synthetic_*.jpg"))]
    yaws = [pose_of(photo, analyzer).yaw for photo in photos]
    assert len(yaws) == 9
    assert abs(float(np.median(yaws))) < 4
    assert max(abs(yaw) for yaw in yaws) < 12
