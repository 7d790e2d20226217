"""The sheet of fast drawing: every person by every way, and that it gets into its page."""

from pathlib import Path
from typing import Any

import pytest

from tests.apps.evaluation_desk import write_people
from tests.apps.tiny_models import save_tiny_miniature

PAGE = Path(__file__).resolve().parents[2] / "docs" / "miniature.md"


def test_the_page_gets_its_sheet(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened("fast_sheet")
    shown: list[Any] = []
    monkeypatch.setattr(made, "encoded", lambda sheet: shown.append(sheet) or b"picture")
    monkeypatch.setitem(made.WAYS, "25 steps", {"num_steps": 2})
    save_tiny_miniature(tmp_path / "model")
    write_people(tmp_path / "people", people=2)
    (tmp_path / "docs" / "pictures").mkdir(parents=True)
    (tmp_path / "docs" / PAGE.name).write_text(PAGE.read_text())
    made.main(tmp_path / "people", tmp_path / "docs", str(tmp_path / "model"))
    assert (tmp_path / "docs" / PAGE.name).read_text().count("(pictures/fast.webp)") == 1
    assert (tmp_path / "docs" / "pictures" / "fast.webp").read_bytes() == b"picture"
    [sheet] = shown
    assert [tile.caption for tile in sheet.made] == [
        caption for caption in ("the photo that is given", *made.WAYS) for _ in range(2)
    ]
