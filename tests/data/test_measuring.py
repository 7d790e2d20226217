"""Who counts as the same person. The networks themselves are tested in their own rooms."""

from limner.data.measuring import same_person
from tests.data.examples import measured


def test_the_first_picture_decides_who_it_is() -> None:
    faces = [measured(), measured(direction=1.0), measured(direction=1.2), None, measured(direction=-0.5)]
    assert same_person(faces, threshold=0.45) == [True, True, False, False, True]


def test_the_threshold_itself_counts() -> None:
    faces = [measured(), measured()]
    assert same_person(faces, threshold=1.0) == [True, True]


def test_without_a_first_face_nobody_is_known() -> None:
    assert same_person([None, measured()], threshold=0.45) == [False, False]
