"""Which photos are found, and what they are called."""

from pathlib import Path

import pytest

from limner.core.errors import InputError
from limner.data.preparing.photo_files import list_photos, slug


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_a_folder_per_person(tmp_path: Path) -> None:
    names = ("bob/1.JPG", "ann/deep/2.png", "ann/1.jpeg", "ann/1.txt", "ann/.hidden.jpg", ".git/x.png", "read.me")
    found = list_photos(touch(tmp_path, *names), source="set one")
    assert [(one.name, one.folder) for one in found] == [
        ("ann/1.jpeg", "ann"),
        ("ann/deep/2.png", "ann"),
        ("bob/1.JPG", "bob"),
    ]
    assert all(one.key.startswith("set-one-") and not set(one.key) & {".", "/", " "} for one in found)


def test_keys_are_unique_and_stay_when_photos_are_added(tmp_path: Path) -> None:
    before = list_photos(touch(tmp_path, "a/x y.png", "a/x-y.png", "a-x/y.png"), source="s")
    after = list_photos(touch(tmp_path, "a/aa.png"), source="s")
    assert len({one.key for one in before}) == 3
    assert {one.key for one in before} < {one.key for one in after}


def test_photos_alone_are_nobodys(tmp_path: Path) -> None:
    assert [one.folder for one in list_photos(touch(tmp_path, "a.png", "b.png"), source="s")] == ["", ""]


def test_what_is_no_such_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        list_photos(tmp_path / "missing", source="s")
    with pytest.raises(InputError, match="holds no photos"):
        list_photos(touch(tmp_path, "notes.txt"), source="s")
    with pytest.raises(InputError, match=r"also 1 photos of nobody, such as loose\.png"):
        list_photos(touch(tmp_path, "loose.png", "ann/1.png"), source="s")


def test_an_exchanged_photo_is_another_one(tmp_path: Path) -> None:
    (before,) = list_photos(touch(tmp_path, "a.png"), source="s")
    (tmp_path / "a.png").write_bytes(b"longer")
    (after,) = list_photos(tmp_path, source="s")
    assert before.key == after.key
    assert before != after


def test_slugs_are_short_and_never_empty() -> None:
    assert slug("Zoë & Bob/1.2") == "Zo-Bob-1-2"
    assert slug("猫") == "photo"
    assert len(slug("x" * 99)) == 40
