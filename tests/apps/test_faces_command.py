import numpy as np
import pytest

from limner.apps.cli import main
from limner.core.assets import asset_path
from limner.core.images import read_image, write_png


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["faces", *arguments])
    return int(stopped.value.code or 0)


def test_table_and_picture(capsys, tmp_path):
    assert run(str(asset_path("example/person.jpg"))) == 0
    assert "person-faces.png" in capsys.readouterr().out
    assert read_image(tmp_path / "person-faces.png").shape[1] > 768


def test_one_face_of_two(capsys, tmp_path):
    small = read_image(asset_path("example/person.jpg"))[::3, ::3]
    write_png(tmp_path / "two.png", np.hstack([small, small]))
    assert run("two.png", "--face", "1", "-o", "out/drawn.png") == 0
    assert read_image(tmp_path / "out/drawn.png").shape[0] > 0
    assert run("two.png", "--face", "2") == 2
    assert "2 faces, numbered 0 to 1" in capsys.readouterr().err


def test_a_photo_without_a_face_is_refused(capsys, tmp_path):
    write_png(tmp_path / "wall.png", np.full((200, 200, 3), 140, np.uint8))
    assert run("wall.png") == 2
    assert "No face was found" in capsys.readouterr().err
