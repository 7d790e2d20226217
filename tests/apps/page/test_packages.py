"""The packages of the page: complete, without what Limner does without, and told where they are missing."""

from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from limner.apps.page import extra
from tests.apps.conftest import Exits

ROOT = Path(__file__).resolve().parents[3]
WITHOUT = {"torch", "torchvision", "timm", "opencv-python", "insightface"}
OLDER_WANTED = {"pillow"}
"""Gradio asks for one before 13 and runs with 13, as the other tests here show."""


def requirements(package: str) -> list[Requirement]:
    told = map(Requirement, distribution(package).requires or ())
    return [one for one in told if one.marker is None or one.marker.evaluate({"extra": ""})]


def test_all_that_gradio_asks_for_is_there_but_an_older_pillow() -> None:
    missing = [
        str(one)
        for package in ("gradio", "gradio_client", "safehttpx", "hf-gradio", "pydub", "httpx", "httpcore", "pandas")
        for one in requirements(package)
        if one.name.lower() not in OLDER_WANTED and not one.specifier.contains(version(one.name), prereleases=True)
    ]
    assert missing == []


def test_gradio_brings_nothing_that_limner_does_without() -> None:
    assert {one.name.lower() for one in requirements("gradio")} & WITHOUT == set()


def test_make_installs_all_of_it_in_pinned_versions() -> None:
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    makefile = (ROOT / "Makefile").read_text()
    listed = makefile.split("PAGE = ")[1].split("\n\n")[0].replace("\\", " ").split()
    assert {name: pinned[name] for name in listed} == {name: version(name) for name in listed}


def test_a_missing_extra_names_the_command(command: Exits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "NEEDED", ("gradio_that_is_not_there",))
    code, _, errors = command("ui")
    assert code == 2
    assert "gradio_that_is_not_there" in errors
    assert "pip install 'limner[ui]'" in errors
