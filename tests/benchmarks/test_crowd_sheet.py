"""The sheet of the crowd: who stands on it, what is counted, and that both get into their page."""

from pathlib import Path
from typing import Any

import pytest

from limner.core.errors import ConfigError
from limner.data.record import write_shard
from limner.data.synthetic_people import SOURCE
from tests.data.examples import record

PAGE = Path(__file__).resolve().parents[2] / "docs" / "miniature.md"


def write_crowd(folder: Path, people: int) -> None:
    records = [
        record(2 * person + i, person=f"generated-{person:05d}", source=SOURCE, age_years=20.0 + 5 * person)
        for person in range(people)
        for i in range(2)
    ]
    folder.mkdir()
    write_shard(folder / "generated-000.tar", [*records, record(99, person="real", source="photos")])


def test_the_page_gets_its_sheet_and_its_table(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened("crowd_sheet")
    shown: list[Any] = []
    monkeypatch.setattr(made, "encoded", lambda sheet: shown.append(sheet) or b"picture")
    write_crowd(tmp_path / "shards", people=9)
    (tmp_path / "docs" / "pictures").mkdir(parents=True)
    (tmp_path / "docs" / PAGE.name).write_text(PAGE.read_text())
    made.main(tmp_path / "shards", tmp_path / "docs", 2)
    page = (tmp_path / "docs" / PAGE.name).read_text()
    assert "18 pictures of 9 people." in page
    assert "| age | 30-39 22.2%, 40-49 22.2%, 50-59 22.2%, under 30 22.2%, 60 and over 11.1% |" in page
    [sheet] = shown
    ages = [tile.caption for tile in sheet.made[made.COLUMNS * 2 :]]
    assert [one for one in ages if one] == [f"about {years} years" for years in (20, 30, 40, 50, 60)]
    assert (tmp_path / "docs" / "pictures" / "crowd.webp").read_bytes() == b"picture"


def test_too_few_people_are_told(opened: Any, tmp_path: Path) -> None:
    write_crowd(tmp_path / "shards", people=3)
    with pytest.raises(ConfigError, match="3 generated people of 2 pictures; 5 are needed"):
        opened("crowd_sheet").main(tmp_path / "shards", tmp_path, 2)
