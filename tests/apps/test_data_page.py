"""The page docs/howto-data.md keeps its word: its commands and programs run, in their order, on the packaged person."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from limner.apps import bases
from limner.apps.cli import main
from limner.core.assets import asset_path
from limner.core.images import read_image, write_png
from limner.data.record import read_shards

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto-data.md"
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def _desk(miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos of two people, who are one and do not exist, and a tiny miniature in place of the packaged one."""
    shutil.copytree(miniature_folder, tmp_path / "weights" / "miniature")
    monkeypatch.setattr(bases, "WEIGHTS", tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    photo = read_image(asset_path("example/person.jpg"))
    write_png("photos/ann/1.png", photo)
    write_png("photos/bea/1.png", photo[:, ::-1])


def run(line: str) -> None:
    program, *arguments = shlex.split(line)
    assert program == "limner"
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, *(["--workers", "1"] if arguments[1] == "prepare" else [])])
    assert not stopped.value.code, line


@pytest.mark.usefixtures("_desk")
def test_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
    assert [line.split()[2] for line in lines] == ["prepare", "inspect", "inspect", "cache", "remove"]
    for line in lines[:-1]:
        run(line)
    assert {record.person for record in read_shards(Path("shards"))} == {"album-ann", "album-bea"}
    named = {"card.md", "card.json", "dropped.jsonl", "album-00000.tar", "contact-sheet.html"}
    assert named <= {path.name for path in Path("shards").iterdir()}
    assert Path("serious.html").exists()
    for record in read_shards(Path("shards")):
        assert {name.split("/")[0]: array.shape for name, array in record.cached.items()} == {
            "latents": (32, 8, 8),
            "text": (16, 32),
        }
    (program,) = (text for language, text in BLOCKS if language == "python")
    exec(compile(program, str(PAGE), "exec"), {})
    assert "mobilefacenet-faceplugin-arcface112" in capsys.readouterr().out
    run(lines[-1])
    assert {record.person for record in read_shards(Path("shards"))} == {"album-bea"}
    run(lines[0])
    assert {record.person for record in read_shards(Path("shards"))} == {"album-bea"}
