"""The people who come with the package: names, photos, table."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.core.errors import ConfigError
from limner.core.images import read_image
from limner.data.invented_people import (
    NAMES,
    invented_people,
    name_of,
    named_in,
    names_in,
    person_file,
    photo_of,
)
from limner.faces.analysis import FaceAnalyzer


def test_everybody_has_a_line_and_a_photo_with_one_face() -> None:
    people = invented_people()
    assert [one.name for one in people] == list(NAMES)
    assert len({one.person for one in people}) == len(people)
    assert {one.age for one in people} <= {"30-39", "40-49", "50-59", "60 and over"}
    analyzer = FaceAnalyzer()
    for one in people:
        photo = read_image(photo_of(one.name))
        assert photo.shape == (160, 160, 3)
        assert analyzer.detect(photo), one.name
        assert name_of(photo_of(one.name)) == one.name


@given(st.lists(st.sampled_from(NAMES), max_size=4), st.sampled_from([str.lower, str.upper, str]))
def test_a_sentence_names_people_in_its_order_each_once(names: list[str], spelling: type[str]) -> None:
    sentence = spelling("a photo of " + " and ".join(names) + ", smiling")
    assert names_in(sentence) == list(dict.fromkeys(names))


@pytest.mark.parametrize("sentence", ["", "a person", "Alma", "Verin Alma", "Alma Verinski", "xAlma Verin"])
def test_part_of_a_name_names_nobody(sentence: str) -> None:
    assert names_in(sentence) == []
    assert named_in(sentence) is None


def test_a_portrait_is_of_one_person() -> None:
    assert named_in("a photo of alma verin") == photo_of("Alma Verin")
    with pytest.raises(ConfigError, match=r"names Alma Verin and Bruno Mosk, .* `limner group`"):
        named_in("Alma Verin and Bruno Mosk")


@pytest.mark.parametrize("name", ["Nobody", "", "Alma Verin, smiling", "../people/alma-verin"])
def test_nobody_is_called_otherwise(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no invented person is called .*; `limner people` lists them"):
        photo_of(name)


def test_a_file_of_that_name_comes_first(tmp_path: Path) -> None:
    assert person_file(" alma verin ", tmp_path) == photo_of("Alma Verin")
    assert person_file("me.jpg", tmp_path) == tmp_path / "me.jpg"
    (tmp_path / "Alma Verin").write_bytes(b"mine")
    assert person_file("Alma Verin", tmp_path) == tmp_path / "Alma Verin"
    assert name_of(tmp_path / "alma-verin.webp") is None
