"""Every command line in the README and the docs names a command and options that exist; Python examples parse."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from limner.apps.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.name}", text)
        for page in PAGES
        for kind, text in FENCE.findall(page.read_text(encoding="utf-8"))
        if kind == language
    ]


def command_lines() -> list[tuple[str, str]]:
    lines = [(page, line.strip()) for page, text in blocks("sh") for line in text.replace("\\\n", " ").splitlines()]
    return [(page, line) for page, line in lines if line.startswith("limner ")]


def problem_with(line: str) -> str | None:
    """What is wrong with a command line, None if nothing."""
    words = shlex.split(line, comments=True)[1:]
    command: Any = typer.main.get_command(app)  # typer brings its own click, whose classes are private
    while hasattr(command, "commands"):
        name = words.pop(0)
        if name not in command.commands:
            return f"no command {name!r}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in known]
    return f"no option {unknown[0]!r}" if unknown else None


def test_there_are_examples() -> None:
    assert len(command_lines()) >= 5


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_a_command_line_exists(page: str, line: str) -> None:
    assert problem_with(line) is None, f"{page}: {line}"


def test_a_wrong_line_is_caught() -> None:
    assert problem_with("limner potrait") == "no command 'potrait'"
    assert problem_with("limner faces me.jpg --colour red") == "no option '--colour'"


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_a_python_example_parses(page: str, text: str) -> None:
    ast.parse(text, filename=page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
