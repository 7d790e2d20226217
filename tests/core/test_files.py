"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from limner.core.errors import InputError
from limner.core.files import replacing


def test_the_file_takes_its_name_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "note.txt"
    with replacing(target) as temporary:
        assert temporary.parent == target.parent
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_who_reads_the_old_file_is_not_disturbed(tmp_path: Path) -> None:
    target = tmp_path / "note.txt"
    target.write_text("old")
    with target.open() as reader:
        with replacing(target) as temporary:
            temporary.write_text("new")
        assert reader.read() == "old"


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "note.txt"
    target.write_text("old")

    def fail() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"cannot write .*file.note.txt.*choose a folder"),
        replacing(tmp_path / "file" / "note.txt"),
    ):
        pass
