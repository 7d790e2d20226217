"""Random access: the same records as reading in order, kept up to date, without needing its sidecar."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from limner.core.errors import InputError
from limner.data.record import read_shards, write_shard
from limner.data.shard_index import ShardIndex
from tests.data.examples import record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_shard(tmp_path / "b.tar", [record(3, person="x"), record(4, person="y", split="validation")])
    write_shard(tmp_path / "a.tar", [record(1, person="x"), record(2, person="z")])
    return tmp_path


def test_numbers_follow_the_order_of_reading(folder: Path) -> None:
    index = ShardIndex(folder)
    assert len(index) == 4
    for number, expected in enumerate(read_shards(folder)):
        assert index[number].key == expected.key
        assert np.array_equal(index[number].image, expected.image)
    assert index.people == {"x": [0, 2], "z": [1], "y": [3]}
    assert index.split == ["train", "train", "train", "validation"]
    assert index.people_in("validation") == {"y": [3]}
    assert index.facts(3)["person"] == "y"


def test_it_can_be_handed_to_another_process(folder: Path) -> None:
    assert pickle.loads(pickle.dumps(ShardIndex(folder)))[2].key == "00003_0"


def test_the_sidecar_is_used_while_it_fits_and_made_anew_when_not(folder: Path) -> None:
    ShardIndex(folder)
    sidecar = folder / "a.index.json"
    content = json.loads(sidecar.read_text())
    content["records"][0][3] = "somebody"
    sidecar.write_text(json.dumps(content))
    assert ShardIndex(folder).entries[0].person == "somebody"
    write_shard(folder / "a.tar", [record(9, person="w")])
    os.utime(folder / "a.tar", ns=(1, 1))
    assert [entry.person for entry in ShardIndex(folder).entries] == ["w", "x", "y"]
    sidecar.write_text("{")
    assert len(ShardIndex(folder)) == 3


def test_a_folder_that_cannot_be_written_is_still_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    assert len(ShardIndex(folder)) == 4
    assert sorted(path.name for path in folder.iterdir()) == ["a.tar", "b.tar"]


def test_a_shard_changed_under_an_open_index_is_noticed(folder: Path) -> None:
    index = ShardIndex(folder)
    write_shard(folder / "a.tar", [record(2, person="z"), record(1, person="x")])
    with pytest.raises(InputError, match=r"a\.tar is not a whole shard"):
        index[0]


def test_records_of_one_split_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", [record(i, split="validation" if i == 1 else "train") for i in range(4)])
    chosen = ShardIndex(tmp_path).of_split("train")
    assert len(chosen) == 3
    assert [one.key for one in chosen] == [record(i).key for i in (0, 2, 3)]
    assert [one.key for one in chosen[1:]] == [record(i).key for i in (2, 3)]
    with pytest.raises(IndexError):
        chosen[3]
