"""The sheet of everybody: who stands on it, and that it gets into its page."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from limner.core.errors import ConfigError
from tests.apps.evaluation_desk import write_people
from tests.apps.tiny_models import save_tiny_miniature

PAGE = Path(__file__).resolve().parents[2] / "docs" / "miniature.md"


def test_the_extremes_and_even_ranks_between_them_are_shown(opened: Any) -> None:
    ages = [float("nan"), 40.0, 20.0, 30.0, 90.0, 60.0, 50.0, 70.0, 80.0, 25.0]
    people = [SimpleNamespace(age=age) for age in ages]
    chosen = opened("people_sheet").spread(people, lambda one: one.age)
    assert [one.age for one in chosen] == [20.0, 30.0, 50.0, 70.0, 90.0]


def test_the_page_gets_its_sheet(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened("people_sheet")
    shown: list[Any] = []
    monkeypatch.setattr(made, "encoded", lambda sheet: shown.append(sheet) or b"picture")
    save_tiny_miniature(tmp_path / "model")
    write_people(tmp_path / "people", people=made.COLUMNS)
    (tmp_path / "docs" / "pictures").mkdir(parents=True)
    (tmp_path / "docs" / PAGE.name).write_text(PAGE.read_text())
    made.main(tmp_path / "people", tmp_path / "docs", str(tmp_path / "model"), 2)
    assert (tmp_path / "docs" / PAGE.name).read_text().count("(pictures/people.webp)") == 1
    assert (tmp_path / "docs" / "pictures" / "people.webp").read_bytes() == b"picture"
    [sheet] = shown
    assert len(sheet.made) == len(made.ATTRIBUTES) * (1 + len(made.WISHES)) * made.COLUMNS
    side = sheet.made[0].image.shape
    assert all(tile.image.shape == side and tile.image.dtype == np.uint8 for tile in sheet.made)


def test_too_few_people_are_told(opened: Any, tmp_path: Path) -> None:
    write_people(tmp_path / "people", people=3)
    with pytest.raises(ConfigError, match="3 generated validation people; 5 are needed"):
        opened("people_sheet").main(tmp_path / "people", tmp_path / "docs", "miniature", 2)
