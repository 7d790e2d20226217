"""The split follows from the name alone."""

from limner.data.splits import share_of, split_of


def test_a_person_stays_where_it_is() -> None:
    # Values of the day it was written; a change would move people from validation into training.
    assert [round(share_of(name), 6) for name in ("photos-alice", "photos-bob")] == [0.638584, 0.77329]


def test_about_the_asked_share_of_people_is_held_out() -> None:
    names = [f"person-{i}" for i in range(4000)]
    share = sum(split_of(name, validation_share=0.25) == "validation" for name in names) / len(names)
    assert abs(share - 0.25) < 0.02
    assert {split_of(name, validation_share=0.0) for name in names} == {"train"}
    assert {split_of(name, validation_share=1.0) for name in names} == {"validation"}


def test_a_larger_share_only_adds_people() -> None:
    names = [f"person-{i}" for i in range(500)]
    few = {name for name in names if split_of(name, validation_share=0.1) == "validation"}
    assert few < {name for name in names if split_of(name, validation_share=0.3) == "validation"}
