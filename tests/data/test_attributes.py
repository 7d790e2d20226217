"""Measurements of a head built from points and rectangles, so that every number is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from limner.data.attributes import measure
from limner.faces.parsing import ParsingLabel
from tests.data.examples import NUMBERS

SIDE = 128
MIDDLE = (SIDE - 1) / 2
PAIRS = {
    (33, 263): (20, -20, 5),
    (70, 300): (22, -28, 5),
    (61, 291): (10, 22, 8),
    (127, 356): (30, -18, -20),
    (234, 454): (32, 0, -22),
    (93, 323): (31, 8, -22),
    (132, 361): (29, 16, -20),
    (58, 288): (26, 24, -15),
    (172, 397): (20, 32, -8),
}
"""Vertices on the image's left and right of a frontal face: half distance, height, depth."""
MIDLINE = {10: (-45, 0), 152: (42, 0), 1: (4, 20), 13: (21, 10), 14: (23, 10), 0: (18, 10), 17: (26, 10)}


def mesh(*, yaw: float = 0.0) -> np.ndarray:
    """A head in the picture's middle, turned by ``yaw`` degrees."""
    points = np.zeros((468, 3))
    for (left, right), (half, height, depth) in PAIRS.items():
        points[left], points[right] = (-half, height, -depth), (half, height, -depth)
    for vertex, (height, depth) in MIDLINE.items():
        points[vertex] = (0, height, -depth)
    angle = np.radians(yaw)
    turn = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    return (points @ turn.T + [MIDDLE, MIDDLE, 0]).astype(np.float32)


def mirrored(points: np.ndarray) -> np.ndarray:
    """What the landmark network says of the mirror image: left stays left."""
    flipped = points * [-1, 1, 1] + [SIDE - 1, 0, 0]
    for left, right in PAIRS:
        flipped[[left, right]] = flipped[[right, left]]
    return flipped.astype(np.float32)


def head() -> tuple[np.ndarray, np.ndarray]:
    """Picture and parsing map: skin 40 x 80, brighter on the left, on a grey wall; hair above it."""
    image, labels = np.full((SIDE, SIDE, 3), 100, np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    labels[20:40, 44:84], image[20:40, 44:84] = ParsingLabel.HAIR, (90, 60, 40)
    labels[40:120, 44:84] = ParsingLabel.SKIN
    image[40:120, 44:64], image[40:120, 64:84] = (220, 180, 160), (110, 90, 80)
    return image, labels


def test_a_mirrored_picture_turns_yaw_and_light_around_and_nothing_else() -> None:
    (image, labels), points = head(), mesh(yaw=20)
    there = measure(image, points, labels)
    back = measure(image[:, ::-1], mirrored(points), labels[:, ::-1])
    assert abs(there.yaw) == pytest.approx(20, abs=0.5)
    assert back.yaw == pytest.approx(-there.yaw, abs=1e-4)
    assert back.pitch == pytest.approx(there.pitch, abs=1e-4)
    for name in ("smile", "mouth_open", "glasses", "hair", "hair_below_chin", "background_spread"):
        assert getattr(back, name) == pytest.approx(getattr(there, name), abs=1e-5)
    assert (back.hair_colour, back.skin_colour) == (there.hair_colour, there.skin_colour)
    level = measure(image, mesh(), labels)
    assert level.light_from_left == pytest.approx(2.0, rel=0.01)
    mirror = measure(image[:, ::-1], mesh(), labels[:, ::-1])
    assert mirror.light_from_left == pytest.approx(1 / level.light_from_left, rel=1e-5)


def test_yaw_is_positive_towards_the_images_right() -> None:
    image, labels = head()
    points = mesh()
    turned = mesh(yaw=20)
    nose_moved = turned[1, 0] - points[1, 0]
    assert np.sign(measure(image, turned, labels).yaw) == np.sign(nose_moved)


def test_areas_and_colours() -> None:
    image, labels = head()
    labels[60:70, 50:70] = ParsingLabel.GLASSES  # still face
    labels[10:20, 44:84], image[10:20, 44:84] = ParsingLabel.HAT, (0, 0, 255)
    labels[110:115, 20:44], image[110:115, 20:44] = ParsingLabel.HAIR, (90, 60, 40)
    numbers = measure(image, mesh(), labels)
    face = 40 * 80
    assert numbers.glasses == pytest.approx(200 / face)
    assert numbers.hat == pytest.approx(400 / face)
    assert numbers.hair == pytest.approx((800 + 120) / face)
    assert numbers.hair_below_chin == pytest.approx(120 / face)
    assert numbers.hair_colour == (90, 60, 40)
    assert numbers.background_colour == (100, 100, 100)
    assert numbers.background_spread == 0
    labels[60:70, 50:70] = ParsingLabel.NOSE
    assert measure(image, mesh(), labels).skin_colour == pytest.approx((165, 135, 120), abs=0.1)


def test_mouth_in_units_of_the_eyes_distance() -> None:
    image, labels = head()
    points = mesh()
    numbers = measure(image, points, labels)
    assert numbers.mouth_open == pytest.approx(2 / 40)
    assert numbers.smile == pytest.approx(20 / 40 - 0.45 + (22 - 22) / 40, abs=1e-6)
    points[[61, 291], 1] -= 4  # corners up
    assert measure(image, points, labels).smile == pytest.approx(20 / 40 - 0.45 + 4 / 40, abs=1e-6)
    assert measure(np.kron(image, np.ones((2, 2, 1), np.uint8)), 2 * points, np.kron(labels, np.ones((2, 2), np.uint8)))


def test_a_picture_without_any_part_gives_numbers_all_the_same() -> None:
    numbers = measure(np.zeros((SIDE, SIDE, 3), np.uint8), mesh(), np.full((SIDE, SIDE), ParsingLabel.CLOTH, np.uint8))
    assert numbers.hair == numbers.background_spread == 0
    assert numbers.skin_colour == numbers.background_colour == (0, 0, 0)


@pytest.mark.parametrize(
    ("colour", "least", "most"), [((235, 200, 185), 41, 90), ((190, 140, 110), 10, 41), ((90, 60, 45), -90, 10)]
)
def test_skin_tone_angle(colour: tuple[float, float, float], least: float, most: float) -> None:
    assert least < replace(NUMBERS, skin_colour=colour).skin_tone_angle < most


def test_skin_tone_angle_of_a_known_colour() -> None:
    lightness, _, yellow = cv2.cvtColor(np.array([[NUMBERS.skin_colour]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    assert NUMBERS.skin_tone_angle == pytest.approx(np.degrees(np.arctan2(lightness - 50, yellow)), abs=0.1)
