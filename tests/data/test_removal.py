"""A person who asked to be removed is in no file afterwards, does not come back, and is not named."""

import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from limner.core.errors import InputError
from limner.core.images import write_png
from limner.data.caching import cache_tensors
from limner.data.contact_page import PAGE_NAME, Filter, write_contact_page
from limner.data.pools import open_pool
from limner.data.preparing.run import prepare
from limner.data.record import read_shards, write_shard
from limner.data.removal import remove_person
from limner.data.removals import Removals
from limner.data.shard_index import ShardIndex
from tests.data.examples import record
from tests.data.preparing.stubs import draw_photo, lay_out, maker, small_settings

TODAY = date(2026, 11, 22)
SETTINGS = small_settings()


def run(photos: Path, shards: Path) -> dict[str, int]:
    return prepare(photos, shards, SETTINGS, open_pool(maker(photos, SETTINGS), 1)).dropped


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = lay_out(tmp_path / "photos")
    (root / "p1").rename(root / "Zelda")
    write_png(root / "Zelda" / "stranger.png", draw_photo(9, 9))
    return root


@pytest.fixture
def shards(photos: Path, tmp_path: Path) -> Path:
    """Prepared, with caches, indexes and a contact sheet."""
    out = tmp_path / "shards"
    run(photos, out)
    cache_tensors(out, "text/abc", lambda records: [np.frombuffer(r.person.encode(), np.uint8) for r in records])
    ShardIndex(out)
    write_contact_page(out, out / PAGE_NAME, Filter())
    return out


def mentions(folder: Path, word: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def test_no_file_knows_the_person_any_more(shards: Path) -> None:
    assert len(mentions(shards, "Zelda")) >= 5
    others = {r.key: r for r in read_shards(shards) if r.person != "test-Zelda"}
    assert remove_person(shards, "test-Zelda", today=TODAY) == 3
    assert mentions(shards, "Zelda") == []
    left = {r.key: r for r in read_shards(shards)}
    assert left.keys() == others.keys()
    for key, after in left.items():
        assert np.array_equal(after.image, others[key].image)
        assert np.array_equal(after.cached["text/abc"], others[key].cached["text/abc"])
    assert sorted(ShardIndex(shards).people) == ["test-p0", "test-p2"]
    card = json.loads((shards / "card.json").read_text())
    assert (card["pictures"], card["people"]) == (6, 2)
    assert "another person" not in card["dropped"]
    assert card["removals"] == [{"day": "2026-11-22", "pictures": 3}]
    assert not (shards / PAGE_NAME).exists()


def test_the_person_does_not_come_back_even_under_another_name(photos: Path, shards: Path) -> None:
    remove_person(shards, "test-Zelda", today=TODAY)
    assert run(photos, shards)["removal requested"] == 4
    assert mentions(shards, "Zelda") == []
    (photos / "Zelda").rename(photos / "renamed")
    assert run(photos, shards)["removal requested"] == 4
    assert sorted(ShardIndex(shards).people) == ["test-p0", "test-p2"]


def test_in_a_flat_folder_the_photos_are_known_by_their_content(tmp_path: Path) -> None:
    for number, person in enumerate((3, 1, 3, 1)):
        write_png(tmp_path / "photos" / f"{number}.png", draw_photo(person, number))
    run(tmp_path / "photos", tmp_path / "out")
    person = next(iter(ShardIndex(tmp_path / "out").people))
    assert remove_person(tmp_path / "out", person, today=TODAY) == 2
    write_png(tmp_path / "photos" / "00.png", draw_photo(5, 5))
    assert run(tmp_path / "photos", tmp_path / "out") == {"removal requested": 2}
    assert len(list(read_shards(tmp_path / "out"))) == 3


@pytest.mark.parametrize("killed_at", ["removals", "shard", "journal", "rows", "card"])
def test_a_removal_that_was_killed_is_ended_by_the_next(
    shards: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    def kill(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    names = {
        "removals": "limner.data.removal._rewrite",
        "shard": "limner.data.preparing.journal.Journal.keep_only",
        "journal": "limner.data.removal._rewrite_rows",
        "rows": "limner.data.removal._rewrite_card",
        "card": "limner.data.card.to_markdown",
    }
    with monkeypatch.context() as patch:
        patch.setattr(names[killed_at], kill)
        with pytest.raises(KeyboardInterrupt):
            remove_person(shards, "test-Zelda", today=TODAY)
    remove_person(shards, "test-Zelda", today=TODAY)
    assert mentions(shards, "Zelda") == []
    assert [one.pictures for one in Removals.read(shards).log] == [3]
    assert json.loads((shards / "card.json").read_text())["removals"] == [{"day": "2026-11-22", "pictures": 3}]


def test_repeated_it_changes_nothing(shards: Path) -> None:
    remove_person(shards, "test-Zelda", today=TODAY)
    log = Removals.read(shards).log
    assert remove_person(shards, "test-Zelda", today=date(2027, 1, 1)) == 0
    assert Removals.read(shards).log == log


def test_a_person_who_is_not_there_is_refused_with_a_likely_name(shards: Path) -> None:
    with pytest.raises(InputError, match="nobody called 'test-zelda'; did you mean test-Zelda"):
        remove_person(shards, "test-zelda", today=TODAY)
    assert not (shards / "removals.json").exists()


def test_shards_that_were_not_prepared_and_the_last_person(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", [record(0, person="x"), record(1, person="y")])
    assert remove_person(tmp_path, "x", today=TODAY) == 1
    assert [one.person for one in read_shards(tmp_path)] == ["y"]
    assert remove_person(tmp_path, "y", today=TODAY) == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["removals.json"]


def test_a_broken_list_of_removals_is_not_passed_over(photos: Path, shards: Path) -> None:
    remove_person(shards, "test-Zelda", today=TODAY)
    (shards / "removals.json").write_text("{")
    with pytest.raises(InputError, match="bring it back from a copy"):
        run(photos, shards)
    shutil.rmtree(photos)


def test_keyed_hashes_tell_nobody_and_do_not_grow_with_repetition() -> None:
    first = Removals.read(Path("/nonexistent")).adding(["ann", "ff"], pictures=1, today=TODAY)
    again = Removals.read(Path("/nonexistent")).adding(["ann", "ff"], pictures=1, today=TODAY)
    assert set(first.hashes).isdisjoint(again.hashes)
    assert first.covers("ann")
    assert not first.covers("bob")
    assert first.adding(["ann"], pictures=0, today=TODAY).hashes == first.hashes
