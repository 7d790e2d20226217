"""Who bears the invented names: the first who are fit, by gender."""

from pathlib import Path
from typing import Any

import pytest

from limner.core.errors import ConfigError
from limner.data.invented_people import NAMES
from limner.data.record import write_shard
from limner.data.shard_index import ShardIndex
from tests.data.examples import record


def shards(folder: Path, people: int) -> ShardIndex:
    """Men have even numbers; the first woman is young, the second man's gender is not clear."""
    folder.mkdir()
    records = [
        record(
            number,
            person=f"generated-{number:05d}",
            age_years=29.0 if number == 1 else 40.0,
            male=0.5 if number == 2 else float(number % 2 == 0),
        )
        for number in range(people)
    ]
    write_shard(folder / "generated-000.tar", [*records, record(people, person="real-1")])
    return ShardIndex(folder)


def test_women_and_men_get_the_names_in_order(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened("invented_people")
    monkeypatch.setattr(made, "LEFT_OUT", frozenset({3}))
    index = shards(tmp_path / "shards", len(NAMES) + 4)
    found = made.bearers(index)
    assert list(found) == list(NAMES)
    who = {name: index.entries[number].person for name, number in found.items()}
    assert (who["Alma Verin"], who["Clio Verin"]) == ("generated-00005", "generated-00007")
    assert (who["Bruno Verin"], who["Dario Verin"]) == ("generated-00000", "generated-00004")
    assert len(set(found.values())) == len(NAMES)


def test_too_few_people_are_told(opened: Any, tmp_path: Path) -> None:
    made, few = opened("invented_people"), shards(tmp_path / "shards", 10)
    with pytest.raises(ConfigError, match="has people for 7 of 200 names"):
        made.bearers(few)
