"""The page docs/howto-evaluate.md keeps its word: its commands run on a tiny model."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from limner.apps import bases
from limner.apps.cli import main
from limner.core.errors import MissingExtraError
from limner.identity.judge import JudgeRecognizer
from tests.apps.evaluation_desk import FEW, save_runs, write_people, write_recipe

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto-evaluate.md"
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture
def _desk(miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which the page's commands find what they name."""
    try:
        JudgeRecognizer()
    except MissingExtraError as error:
        pytest.skip(str(error))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "miniature").symlink_to(miniature_folder)
    monkeypatch.setattr(bases, "WEIGHTS", tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    write_people(Path("people/shards"))
    save_runs(Path("runs/miniature"))
    write_recipe(Path("recipes/miniature-fact.toml"))
    Path("runs/rival").mkdir()
    shutil.copy(miniature_folder / "adapter.safetensors", "runs/rival")


@pytest.mark.usefixtures("_desk")
@pytest.mark.parametrize("line", COMMANDS)
def test_commands_run(line: str) -> None:
    program, *arguments = shlex.split(line, comments=True)
    assert program == "limner"
    only = ["--variants", "no-fair"] if arguments[0] == "ablate" else []
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, *FEW, *only])
    assert (stopped.value.code or 0) == (2 if "exit code 2" in line else 0)
    if "exit code 2" not in line:
        folder = Path(arguments[arguments.index("-o") + 1] if "-o" in arguments else "out/evaluation")
        assert {"report.json", "report.html", "pictures"} <= {path.name for path in folder.iterdir()}


def test_the_page_has_four_commands() -> None:
    assert [line.split()[1] for line in COMMANDS] == ["evaluate", "evaluate", "ablate", "evaluate"]
