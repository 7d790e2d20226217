"""The page docs/howto-trust.md keeps its word: its commands run in their order on a tiny model."""

import os
import re
import shlex
from pathlib import Path

import pytest

from limner.apps import bases
from limner.apps.cli import main
from limner.core.assets import asset_path
from limner.core.images import read_image, write_png
from limner.identity import encoder
from limner.trust.settings import TrustSettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto-trust.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def _desk(miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the photo the page speaks of, and a tiny miniature in place of the packaged one."""
    (tmp_path / "weights").mkdir()
    os.symlink(miniature_folder, tmp_path / "weights" / "miniature")
    monkeypatch.setattr(bases, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(encoder, "asset_path", lambda name: tmp_path / "weights" / name)
    monkeypatch.chdir(tmp_path)
    write_png("me.jpg", read_image(asset_path("example/person.jpg")))


@pytest.mark.usefixtures("_desk")
@pytest.mark.parametrize("block", [code for language, code in BLOCKS if language == "sh"])
def test_commands_run(block: str) -> None:
    for line in block.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "limner"
        with pytest.raises(SystemExit) as stopped:
            main([*arguments, *(["--steps", "2"] if arguments[0] == "portrait" else [])])
        promised = re.search(r"exit code (\d)", line)
        assert (stopped.value.code or 0) == (int(promised[1]) if promised else 0), line


@pytest.mark.usefixtures("_desk")
@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "python"])
def test_programs_run(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == "marked\n"


def test_the_switch_on_the_page_exists(own_data_folder: Path) -> None:
    (switch,) = [code for language, code in BLOCKS if not language]
    own_data_folder.mkdir(parents=True)
    (own_data_folder / "trust.toml").write_text(switch)
    assert TrustSettings.current().off == ["explicit_content"]


def test_the_page_has_examples() -> None:
    assert [language for language, _ in BLOCKS] == ["sh", "python", "sh", "sh", "sh", ""]
