"""A page on a tiny model, and pictures to give it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from limner.apps.model_choice import ModelChoice
from limner.core.assets import asset_path
from limner.core.images import write_png
from tests.apps.page.browsing import address, browser, desk, phone, playwright

pytest.importorskip("gradio", reason="the page needs the extra [ui]: make ui")

from limner.apps.page.settings import PageSettings
from limner.apps.page.workbench import Workbench

__all__ = ["address", "browser", "desk", "phone", "playwright"]

PROMPT = "a photo of a person, smiling"
DIALS = (7, 0.8, 0.12, 2.0, 2, "")
"""Seed, likeness, guide, obedience, steps, not in the picture."""


@pytest.fixture
def bench(miniature_folder: Path, tmp_path: Path) -> Iterator[Workbench]:
    settings = PageSettings(ModelChoice(model=str(miniature_folder), device="cpu"), people=tmp_path / "people")
    bench = Workbench(settings)
    yield bench
    bench.close()


@pytest.fixture
def photo(bench: Workbench) -> str:
    """Where the browser's uploads lie."""
    path = bench.files / "0a1b" / "me.jpg"
    path.parent.mkdir()
    path.write_bytes(asset_path("example/person.jpg").read_bytes())
    return str(path)


@pytest.fixture
def wall(bench: Workbench) -> str:
    """A picture of nobody."""
    path = bench.files / "2c3d" / "wall.png"
    write_png(path, np.full((200, 200, 3), 140, np.uint8))
    return str(path)
