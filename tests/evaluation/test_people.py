"""Whom an evaluation draws."""

from pathlib import Path

import pytest

from limner.core.errors import InputError
from limner.data.record import write_shard
from limner.data.shard_index import ShardIndex
from limner.data.synthetic_people import SOURCE
from limner.evaluation.people import people_of, spaces_of
from limner.evaluation.protocol import protocol_named
from limner.identity.recognition import GUIDE_SPACE
from tests.data.examples import record

RULES = protocol_named("miniature", people=2)


def index_of(folder: Path, people: dict[str, int], *, source: str = SOURCE, split: str = "validation") -> ShardIndex:
    """Shards of so many pictures of each person."""
    names = [name for name, count in people.items() for _ in range(count)]
    write_shard(
        folder / "a.tar",
        [record(number, person=name, source=source, split=split) for number, name in enumerate(names)],
    )
    return ShardIndex(folder)


def test_people_with_one_photo_are_left_out_and_the_number_is_kept(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"generated-00001": 1, "generated-00002": 6, "generated-00003": 2, "generated-4": 3})
    people = people_of(index, RULES)
    assert [person.name for person in people] == ["generated-00002", "generated-00003"]
    assert [len(person.photos) for person in people] == [4, 2]


def test_only_invented_people_may_be_shown(tmp_path: Path) -> None:
    people = people_of(index_of(tmp_path, {"generated-00001": 2, "generated-../x": 2}), RULES)
    assert [person.generated for person in people] == [True, False]


def test_a_folder_that_is_called_like_an_invented_person_is_not_shown(tmp_path: Path) -> None:
    people = people_of(index_of(tmp_path, {"generated-00001": 2, "generated-00002": 2}, source="my photos"), RULES)
    assert not any(person.generated for person in people)


def test_training_people_are_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 people with two photos or more in the split 'validation'"):
        people_of(index_of(tmp_path, {"generated-00001": 3, "generated-00002": 3}, split="train"), RULES)


def test_the_shards_name_who_filtered_them(tmp_path: Path) -> None:
    assert spaces_of(index_of(tmp_path, {"generated-00001": 2})) == [GUIDE_SPACE]
