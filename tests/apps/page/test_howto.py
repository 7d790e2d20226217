"""The page docs/howto-page.md keeps its word: its commands open the page that they speak of."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from limner.apps.page import blocks, serving
from limner.apps.page.settings import PageSettings
from limner.apps.service import serving as service
from limner.apps.service.settings import ServiceSettings
from tests.apps.conftest import Exits

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "howto-page.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines()]


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("limner ui")])
def test_a_command_opens_the_page_with_what_it_says(command: Exits, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[PageSettings, int]] = []

    def serve(settings: PageSettings, *, port: int, ready: Any) -> None:
        started.append((settings, port))
        ready("http://127.0.0.1")

    monkeypatch.setattr(serving, "serve", serve)
    words = shlex.split(line)[1:]
    code, output, _ = command(*words)
    assert (code, "Open http://127.0.0.1" in output) == (0, True)
    [(settings, port)] = started
    given = dict(zip(words[1::2], words[2::2], strict=True))
    told = {
        "--model": settings.choice.model,
        "--adapter": settings.choice.adapter,
        "--encoder": settings.choice.encoder,
        "--people": settings.people,
        "--adapters": settings.adapters,
        "--styles": settings.styles,
        "--port": port,
    }
    assert {name: Path(str(told[name])) for name in given} == {name: Path(value) for name, value in given.items()}


def test_the_service_has_a_page_where_the_settings_say_so(
    command: Exits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [toml] = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    [line] = [line for line in LINES if line.startswith("limner serve")]
    started: list[ServiceSettings] = []
    monkeypatch.setattr(service, "serve", lambda settings, **_: started.append(settings))
    monkeypatch.chdir(tmp_path)
    Path("service.toml").write_text(toml)
    assert command(*shlex.split(line)[1:])[0] == 0
    assert started[0].page


def test_make_has_the_target_that_is_named() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [line for line in LINES if line.startswith("make ")] == ["make ui"]
    assert re.search(r"^ui: .*\n\t\$\(BIN\)/limner ui$", makefile, re.MULTILINE)
    assert "make ui" in makefile.split("\nportrait:")[1].split("\n\n")[0]  # the last thing that `make portrait` says


def test_the_tabs_are_those_that_are_told() -> None:
    told = re.findall(r"^\| (\w+) \| .* \| `limner", PAGE, re.MULTILINE)
    built = re.findall(r'gr\.Tab\("(\w+)"', Path(blocks.__file__).read_text(encoding="utf-8"))
    assert built == told
