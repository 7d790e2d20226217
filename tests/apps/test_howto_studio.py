"""The studio's how-to pages keep their word: their commands and programs run on a tiny model."""

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
from limner.identity.identity import Identity

DOCS = Path(__file__).resolve().parents[2] / "docs"
TOPICS = ("batch", "dials", "inpaint", "pose", "several-people", "styles")
PAGES = [f"howto-{topic}.md" for topic in TOPICS]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
DRAWING = {"batch", "group", "inpaint", "portrait"}
"""Commands that would take their time without being told to take two steps."""


def blocks(language: str) -> list[tuple[str, str]]:
    pages = [(page, BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))) for page in PAGES]
    return [(page, text) for page, found in pages for kind, text in found if kind == language]


@pytest.fixture
def _desk(miniature_folder: Path, person: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the files the pages speak of, and a tiny miniature in place of the packaged one."""
    (tmp_path / "weights").mkdir()
    os.symlink(miniature_folder, tmp_path / "weights" / "miniature")
    monkeypatch.setattr(bases, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(encoder, "asset_path", lambda name: tmp_path / "weights" / name)
    monkeypatch.chdir(tmp_path)
    photo = read_image(asset_path("example/person.jpg"))
    for name in ("me.jpg", "me2.jpg", "friend.jpg", "pose.jpg"):
        os.symlink(asset_path("example/person.jpg"), name)
    write_png("scene.png", photo[::4, ::4])
    [style] = re.findall(r"^```toml\n(.*?)^```", (DOCS / "howto-styles.md").read_text(), re.MULTILINE | re.DOTALL)
    Path("mine").mkdir()
    Path("mine/velvet.toml").write_text(style)
    [table] = re.findall(r"^```\n(person.*?)^```", (DOCS / "howto-batch.md").read_text(), re.MULTILINE | re.DOTALL)
    Path("jobs.csv").write_text(table)
    person.save("friend.safetensors")
    write_png("group.png", np.hstack([photo[::3, ::3]] * 2))


@pytest.mark.usefixtures("_desk")
@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_programs_run(page: str, code: str) -> None:
    exec(compile(code, page, "exec"), {})


@pytest.mark.usefixtures("_desk")
@pytest.mark.parametrize(("page", "block"), blocks("sh"))
def test_commands_run(page: str, block: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in block.replace("\\\n", " ").splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "limner"
        with pytest.raises(SystemExit) as stopped:
            main([*arguments, *(["--steps", "2"] if arguments[0] in DRAWING and "--fast" not in arguments else [])])
        assert not stopped.value.code, f"{page}: {line}: {capsys.readouterr().err}"
