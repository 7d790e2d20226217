"""From photos to shards with stubs for the networks: what comes out, and that a break anywhere changes nothing."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from limner.core.errors import InputError
from limner.core.images import write_png
from limner.data.folder_lock import only_one
from limner.data.pools import Pool, open_pool
from limner.data.preparing.run import LOOK, WRITE, Summary, prepare
from limner.data.preparing.settings import PrepareSettings
from limner.data.record import read_shards
from tests.data.preparing.stubs import draw_photo, files_of, lay_out, maker, small_settings

SETTINGS = small_settings()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine photos of three people, six that cannot be used, one stranger and one copy."""
    root = lay_out(tmp_path_factory.mktemp("photos"))
    write_png(root / "p1" / "stranger.png", draw_photo(9, 9))
    shutil.copy(root / "p2" / "0.png", root / "p2" / "copy.png")
    return root


def run(photos: Path, shards: Path, settings: PrepareSettings = SETTINGS, **options: Any) -> Summary:
    return prepare(photos, shards, settings, open_pool(maker(photos, settings), 1), **options)


@pytest.fixture(scope="module")
def unbroken(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    shards = tmp_path_factory.mktemp("unbroken")
    run(photos, shards)
    return shards


def test_what_comes_out(photos: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    summary = run(photos, tmp_path / "out", progress=lambda *state: told.append(state))
    assert summary.kept == 9
    assert summary.dropped == {
        "no face": 1, "several faces": 1, "looks like a child": 1, "face not recognisable": 1,
        "age cannot be told": 1, "face too small": 1, "another person": 1, "copy of another photo": 1,
    }  # fmt: skip
    assert told[0] == (LOOK, 0, 17)
    assert (LOOK, 17, 17) in told
    assert told[-1] == (WRITE, 9, 9)
    records = list(read_shards(tmp_path / "out"))
    assert [record.person for record in records] == [f"test-p{n}" for n in (0, 0, 0, 1, 1, 1, 2, 2, 2)]
    assert len({record.key for record in records}) == 9
    assert all(record.caption and record.licence == "CC0-1.0" for record in records)
    assert sorted(files_of(tmp_path / "out")) == [
        "card.json", "card.md", "dropped.jsonl", "test-00000.tar", "test-00001.tar", "test-00002.tar",
    ]  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert {"photo": "p1/stranger.png", "person": "test-p1", "reason": "another person", "detail": ""} in rows


def test_a_second_call_looks_at_nothing_and_writes_nothing(photos: Path, tmp_path: Path) -> None:
    run(photos, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")}
    told: list[tuple[str, int, int]] = []
    run(photos, tmp_path, progress=lambda *state: told.append(state))
    assert told == [(LOOK, 17, 17), (WRITE, 9, 9)]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")} == before


class Breaking:
    """A pool that, like a killed process, stops before job number ``at``."""

    def __init__(self, pool: Pool, at: int) -> None:
        self._pool, self._left = pool, at

    def map(self, step: Any, jobs: Any) -> Iterator[Any]:
        for answer in self._pool.map(step, jobs):
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
            yield answer


@contextmanager
def breaking(photos: Path, at: int) -> Iterator[Pool]:
    with open_pool(maker(photos, SETTINGS), 1) as pool:
        yield Breaking(pool, at)


@pytest.mark.parametrize("step", [4, 7])
def test_broken_again_and_again_it_ends_as_if_unbroken(photos: Path, tmp_path: Path, unbroken: Path, step: int) -> None:
    for _ in range(40):
        try:
            prepare(photos, tmp_path, SETTINGS, breaking(photos, step))
        except KeyboardInterrupt:
            continue
        break
    assert files_of(tmp_path) == files_of(unbroken)
    assert list(tmp_path.glob(".*.part")) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda out: (out / "test-00001.tar").unlink(),
        lambda out: (out / ".prepare" / "shards" / "test-00000.tar").write_text("unfinished"),
        lambda out: (out / "card.json").unlink(),
        lambda out: (out / ".test-00002.tar.1234.part").write_bytes(b"half"),
        lambda out: shutil.rmtree(out / ".prepare"),
    ],
)
def test_what_is_missing_is_made_again(
    photos: Path, tmp_path: Path, unbroken: Path, damage: Callable[[Path], object]
) -> None:
    run(photos, tmp_path)
    damage(tmp_path)
    run(photos, tmp_path)
    assert files_of(tmp_path) == files_of(unbroken)


def test_added_photos_are_looked_at_alone(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    run(root, tmp_path / "out")
    write_png(root / "p4" / "0.png", draw_photo(4, 0))
    told: list[tuple[str, int, int]] = []
    assert run(root, tmp_path / "out", progress=lambda *state: told.append(state)).kept == 10
    assert told[0] == (LOOK, 17, 18)
    (root / "p4" / "0.png").unlink()
    assert run(root, tmp_path / "out").kept == 9


def test_broken_while_shards_are_replaced_no_old_one_is_taken_for_new(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    run(root, tmp_path / "out")
    write_png(root / "a" / "0.png", draw_photo(4, 0))  # first of all people, so every shard changes
    run(root, tmp_path / "unbroken")
    for answers in (2, 5):
        with pytest.raises(KeyboardInterrupt):
            prepare(root, tmp_path / "out", SETTINGS, breaking(root, answers))
    run(root, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "unbroken")


def test_shards_that_no_plan_names_go_and_those_of_others_stay(photos: Path, tmp_path: Path) -> None:
    run(photos, tmp_path)
    (tmp_path / "foreign.txt").write_text("mine")
    run(photos, tmp_path, small_settings(records_per_shard=100))
    assert [path.name for path in tmp_path.glob("*.tar")] == ["test-00000.tar"]
    assert (tmp_path / "foreign.txt").exists()
    assert len(list(read_shards(tmp_path))) == 9


def test_other_settings_of_the_analysis_are_refused_those_of_the_selection_taken(photos: Path, tmp_path: Path) -> None:
    run(photos, tmp_path)
    analysis = SETTINGS.analysis.model_copy(update={"pixels": 32})
    with pytest.raises(InputError, match=r"pixels was 64 and is 32.*choose another folder"):
        run(photos, tmp_path, SETTINGS.model_copy(update={"analysis": analysis}))
    assert run(photos, tmp_path, small_settings(min_pictures=3, stranger=-1.0)).kept == 10


def test_a_folder_in_use_is_refused(photos: Path, tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(InputError, match="another process is changing"):
        run(photos, tmp_path)


def test_photos_of_which_none_can_be_used_are_refused_with_the_reasons(tmp_path: Path) -> None:
    write_png(tmp_path / "photos" / "a.png", draw_photo(0, 0, "no face"))
    with pytest.raises(InputError, match=r"none of the 1 photos .*no face: 1"):
        run(tmp_path / "photos", tmp_path / "out")


def test_a_flat_folder_is_sorted_by_face(tmp_path: Path) -> None:
    for number, person in enumerate((3, 1, 3, 2, 1)):
        write_png(tmp_path / "photos" / f"{number}.png", draw_photo(person, number))
    assert run(tmp_path / "photos", tmp_path / "out").kept == 5
    people: dict[str, list[str]] = {}
    for record in read_shards(tmp_path / "out"):
        people.setdefault(record.person, []).append(record.key.split("-")[1])
    assert sorted(people.values()) == [["0", "2"], ["1", "4"], ["3"]]


@pytest.mark.slow
def test_several_processes_make_the_same(photos: Path, tmp_path: Path, unbroken: Path) -> None:
    prepare(photos, tmp_path, SETTINGS, open_pool(maker(photos, SETTINGS), 3))
    assert files_of(tmp_path) == files_of(unbroken)


def test_outcomes_of_an_exchanged_photo_are_not_taken_for_the_new_ones(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    write_png(root / "p1" / "0.png", draw_photo(1, 0))
    write_png(root / "p1" / "1.png", draw_photo(1, 1))
    run(root, tmp_path / "out")
    write_png(root / "p1" / "1.png", draw_photo(1, 1, "no face"))
    assert run(root, tmp_path / "out") == Summary(1, {"no face": 1})
