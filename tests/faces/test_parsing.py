import cv2
import numpy as np
import pytest

from limner.core.errors import ConfigError
from limner.core.images import read_image
from limner.faces.parsing import REGIONS, FaceParser, ParsingLabel, glasses_share, region_mask, wears_glasses


@pytest.fixture(scope="module")
def parser() -> FaceParser:
    return FaceParser()


def label_at(parsing_map: np.ndarray, point) -> ParsingLabel:
    x, y = np.round(point).astype(int)
    return ParsingLabel(int(parsing_map[y, x]))


def test_parts_lie_where_the_landmarks_say(photo, face, analysis):
    parsing_map = analysis.parsing_map
    assert parsing_map.shape == photo.shape[:2]
    assert parsing_map.dtype == np.uint8
    assert label_at(parsing_map, analysis.mesh[1, :2]) is ParsingLabel.NOSE
    assert label_at(parsing_map, face.landmarks[0]) is ParsingLabel.EYES
    assert label_at(parsing_map, face.landmarks[1]) is ParsingLabel.EYES
    # Seen in the picture: the lower lip's middle, red hair on both sides, trees in the corner.
    assert label_at(parsing_map, (380, 580)) is ParsingLabel.LOWER_LIP
    assert label_at(parsing_map, (140, 500)) is ParsingLabel.HAIR
    assert label_at(parsing_map, (600, 500)) is ParsingLabel.HAIR
    assert label_at(parsing_map, (20, 20)) is ParsingLabel.BACKGROUND


def test_only_merged_labels_occur(analysis):
    assert set(np.unique(analysis.parsing_map)) <= set(ParsingLabel)


def test_both_eyes_and_brows_have_one_label_each(analysis, face):
    middle = int(face.landmarks[2, 0])
    for label in (ParsingLabel.EYES, ParsingLabel.BROWS):
        found = analysis.parsing_map == label
        assert found[:, :middle].sum() > 100
        assert found[:, middle:].sum() > 100


def test_the_map_follows_a_moved_and_scaled_face(photo, face, analysis, parser, analyzer):
    canvas = np.full((700, 900, 3), 90, np.uint8)
    canvas[200:584, 400:784] = cv2.resize(photo, (384, 384), interpolation=cv2.INTER_AREA)
    moved = parser.parse(canvas, analyzer.detect(canvas)[0])
    small = cv2.resize(analysis.parsing_map, (384, 384), interpolation=cv2.INTER_NEAREST)
    faces = region_mask(moved[200:584, 400:784], "face"), region_mask(small, "face")
    assert (faces[0] & faces[1]).sum() / (faces[0] | faces[1]).sum() > 0.93


def test_regions_nest(analysis):
    face, head, hair = (region_mask(analysis.parsing_map, name) for name in ("face", "head", "hair"))
    assert face.dtype == np.uint8
    assert set(np.unique(face)) == {0, 1}
    assert not (face & ~head & 1).any()
    assert not (hair & ~head & 1).any()
    assert not (hair & face).any()


def test_regions_hold_what_their_names_say():
    every = np.array([list(ParsingLabel)])

    def labels(region):
        return {ParsingLabel(int(value)) for value in every[region_mask(every, region) == 1]}

    assert labels("face") == {
        ParsingLabel.SKIN,
        ParsingLabel.BROWS,
        ParsingLabel.EYES,
        ParsingLabel.GLASSES,
        ParsingLabel.NOSE,
        ParsingLabel.MOUTH,
        ParsingLabel.UPPER_LIP,
        ParsingLabel.LOWER_LIP,
    }
    extra = {ParsingLabel.EARS, ParsingLabel.EARRINGS, ParsingLabel.HAIR, ParsingLabel.HAT}
    assert labels("head") == labels("face") | extra
    assert labels("hair") == {ParsingLabel.HAIR}


def test_an_unknown_region_is_refused():
    with pytest.raises(ConfigError, match="face, head, hair"):
        region_mask(np.zeros((2, 2), np.uint8), "nose")  # pyright: ignore[reportArgumentType]
    assert set(REGIONS) == {"face", "head", "hair"}


@pytest.mark.shared
def test_the_back_of_a_profile_head_is_parsed(shared, analyzer):
    """Seen in the photo: hair reaches to x = 550, the ear stands at (465, 285)."""
    photo = read_image(shared / "data/portraits/profile_cc0_063.jpg")
    parsing_map = analyzer.parse(photo, analyzer.detect(photo)[0])
    assert label_at(parsing_map, (535, 150)) is ParsingLabel.HAIR
    assert label_at(parsing_map, (465, 285)) is ParsingLabel.EARS


@pytest.mark.shared
def test_voluminous_hair_is_parsed(shared, analyzer):
    photo = read_image(shared / "data/portraits/portrait_11_cc0_080.jpg")
    parsing_map = analyzer.parse(photo, analyzer.detect(photo)[0])
    for point in ((100, 350), (640, 350), (380, 70)):
        assert label_at(parsing_map, point) is ParsingLabel.HAIR


@pytest.mark.parametrize(("rows", "wears"), [(0, False), (1, None), (8, True)])
def test_glasses_are_told_by_their_share_of_the_face(rows, wears):
    labels = np.full((64, 64), ParsingLabel.SKIN, np.uint8)
    labels[:16] = ParsingLabel.HAIR
    labels[20 : 20 + rows] = ParsingLabel.GLASSES
    assert glasses_share(labels) == rows * 64 / (48 * 64)
    assert wears_glasses(glasses_share(labels)) is wears
