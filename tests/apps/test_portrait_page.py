"""The page docs/portrait.md keeps its word: its commands and programs run on a tiny model."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from limner.apps import bases
from limner.apps.cli import main
from limner.core.assets import asset_path
from limner.core.images import read_image, write_png
from limner.identity import encoder

PAGE = Path(__file__).resolve().parents[2] / "docs" / "portrait.md"
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def _desk(miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the photos the page speaks of, and a tiny miniature in place of the packaged one."""
    (tmp_path / "weights").mkdir()
    os.symlink(miniature_folder, tmp_path / "weights" / "miniature")
    monkeypatch.setattr(bases, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(encoder, "asset_path", lambda name: tmp_path / "weights" / name)
    monkeypatch.chdir(tmp_path)
    photo = read_image(asset_path("example/person.jpg"))
    write_png("me.jpg", photo)
    write_png("group.png", np.hstack([photo[::3, ::3]] * 2))


@pytest.mark.usefixtures("_desk")
@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "python"])
def test_programs_run(code: str) -> None:
    exec(compile(code, str(PAGE), "exec"), {})


@pytest.mark.usefixtures("_desk")
@pytest.mark.parametrize("block", [code for language, code in BLOCKS if language == "sh"])
def test_commands_run(block: str) -> None:
    for line in block.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "limner"
        with pytest.raises(SystemExit) as stopped:
            main([*arguments, *(["--steps", "2"] if arguments[0] == "portrait" else [])])
        assert not stopped.value.code


@pytest.mark.usefixtures("_desk")
def test_the_files_are_those_the_page_names() -> None:
    with pytest.raises(SystemExit):
        main(["portrait", "--face", "me.jpg", "a person", "--count", "4", "--seed", "7", "--steps", "1", "-o", "out/"])
    named = set(re.findall(r"`([\w-]+\.(?:png|json))`", PAGE.read_text(encoding="utf-8")))
    assert named <= {path.name for path in Path("out").iterdir()}
    assert {"portrait-7.png", "portrait-10.png", "contact-sheet.png", "portrait.json"} <= named


def test_the_page_has_examples() -> None:
    assert [language for language, _ in BLOCKS] == ["sh", "sh", "sh", "sh", "sh", "python", "python"]
