"""Whose face may change, where, and that nothing else does."""

from dataclasses import dataclass

import numpy as np
import pytest

from limner.core.errors import ConfigError, FaceError, FaceIndexError
from limner.faces.alignment import TEMPLATES
from limner.faces.analysis import FaceAnalyzer
from limner.faces.face import Face
from limner.faces.parsing import ParsingLabel, region_mask
from limner.faces.places import FRAME, Part, choose_faces, find_places


def face_at(x: float, y: float, size: float) -> Face:
    """A frontal face whose box has this middle and width."""
    points = np.array(TEMPLATES[FRAME].points) / 512 - (0.5, 0.6)
    landmarks = points * 2.2 * size + (x, y)
    return Face((x - size / 2, y - 0.6 * size, size, 1.2 * size), landmarks.astype(np.float32), 0.9)


@dataclass
class Ellipses:
    """A parser that sees skin in the box of the face, hair above it, and skin of everybody else, too."""

    faces: list[Face]

    def parse(self, image: np.ndarray, face: Face) -> np.ndarray:
        rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
        labels = np.zeros(image.shape[:2], np.uint8)
        for one in self.faces:
            x, y = one.center
            away = np.hypot((columns - x) / one.box[2], (rows - y) / one.box[3])
            labels[(away < 0.7) & (rows < y)] = ParsingLabel.HAIR
            labels[away < 0.5] = ParsingLabel.SKIN
        return labels


FACES = [face_at(60, 70, 40), face_at(150, 70, 60), face_at(260, 90, 30)]
PICTURE = np.random.default_rng(0).integers(0, 256, (160, 320, 3), dtype=np.uint8)


def test_the_largest_faces_from_left_to_right_or_those_asked_for() -> None:
    assert choose_faces(FACES, 1, None) == [FACES[1]]
    assert choose_faces(FACES, 2, None) == [FACES[0], FACES[1]]
    assert choose_faces(FACES, 3, None) == FACES
    assert choose_faces(FACES, 2, [2, 0]) == [FACES[2], FACES[0]]


@pytest.mark.parametrize(
    ("num_people", "chosen", "error", "message"),
    [
        (4, None, FaceError, "4 people were given and the template has 3 faces"),
        (2, [1, 1], FaceIndexError, "one face of their own"),
        (2, [1], FaceIndexError, "2 people were given and the faces"),
        (1, [3], FaceIndexError, "numbered 0 to 2"),
    ],
)
def test_people_without_a_place_are_refused(
    num_people: int, chosen: list[int] | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        choose_faces(FACES, num_people, chosen)


@pytest.mark.parametrize("part", ["face", "head"])
def test_regions_hold_their_face_and_nothing_of_others(part: Part) -> None:
    near = [FACES[0], face_at(98, 72, 38), FACES[2]]
    places = find_places(PICTURE, near, near, Ellipses(near), side=64, part=part)
    assert not np.logical_and(places[0].region, places[1].region).any()
    for place, face in zip(places, near, strict=True):
        x, y = (round(value) for value in face.center)
        assert place.region[y, x]
        assert place.square.shape == (64, 64, 3)
        assert place.square_region[20:44, 20:44].any()
    for other, place in ((1, places[0]), (0, places[1])):
        x, y = (round(value) for value in near[other].center)
        assert not place.region[y, x]
    above = (round(near[0].box[1]) - 4, 60)
    assert places[0].region[above] == (part == "head")


def test_a_face_that_stays_keeps_its_pixels() -> None:
    near = [FACES[0], face_at(98, 72, 38)]
    [place] = find_places(PICTURE, near, near[:1], Ellipses(near), side=64)
    assert not place.region[72, 98]


@pytest.mark.parametrize("size", [9.0, 40.0, 400.0])
def test_every_pixel_outside_the_region_stays_bit_for_bit(size: float) -> None:
    face = face_at(130, 70, size)
    place = find_places(PICTURE, [face], [face], Ellipses([face]), side=64)[0]
    before = PICTURE.copy()
    result = place.put(PICTURE, np.full((64, 64, 3), 255, np.uint8) - place.square)
    assert np.array_equal(PICTURE, before)
    assert np.array_equal(result[~place.region], PICTURE[~place.region])
    assert (result[place.region] != PICTURE[place.region]).any()


def test_what_was_drawn_comes_back_where_it_was_cut() -> None:
    smooth = np.dstack(np.broadcast_arrays(*np.ogrid[:160, :320], 0)).astype(np.float32) * (1, 0.6, 0) + 20
    picture = smooth.clip(0, 255).astype(np.uint8)
    face = face_at(150, 80, 60)
    [place] = find_places(picture, [face], [face], Ellipses([face]), side=128, part="head")
    again = place.put(picture, place.square)
    assert np.abs(again.astype(int) - picture).max() <= 2


def test_a_mask_takes_the_place_of_parsing_and_is_shared_out() -> None:
    mask = np.zeros(PICTURE.shape[:2], bool)
    mask[60:100, 40:200] = True
    places = find_places(PICTURE, FACES, FACES[:2], Ellipses([]), side=64, mask=mask)
    assert np.array_equal(places[0].region | places[1].region, mask)
    assert not (places[0].region & places[1].region).any()
    [alone] = find_places(PICTURE, FACES, FACES[:1], Ellipses([]), side=64, mask=mask)
    assert np.array_equal(alone.region, mask)


def test_masks_of_another_size_or_beside_the_face_are_refused() -> None:
    with pytest.raises(ConfigError, match="the mask is 320 x 100 pixels and the template 320 x 160"):
        find_places(PICTURE, FACES, FACES[:1], Ellipses([]), side=64, mask=np.ones((100, 320), bool))
    with pytest.raises(FaceError, match="the mask does not touch it"):
        find_places(PICTURE, FACES, FACES[:1], Ellipses([]), side=64, mask=np.zeros((160, 320), bool))
    with pytest.raises(FaceError, match="no face could be parsed there"):
        find_places(PICTURE, FACES, FACES[:1], Ellipses([]), side=64)


def test_the_region_of_a_photo_is_its_parsed_face(photo: np.ndarray, face: Face, analyzer: FaceAnalyzer) -> None:
    [place] = find_places(photo, [face], [face], analyzer, side=128)
    parsed = region_mask(analyzer.parse(photo, face), "face").astype(bool)
    assert (place.region & parsed).sum() > 0.99 * parsed.sum()
    assert 1.0 < place.region.sum() / parsed.sum() < 1.3
    [head] = find_places(photo, [face], [face], analyzer, side=128, part="head")
    assert head.region.sum() > 1.3 * place.region.sum()
    assert head.square_region.mean() < 1
