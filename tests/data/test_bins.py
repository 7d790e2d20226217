"""Groups of pictures: bounds, and what is unknown."""

from dataclasses import asdict, replace

import pytest

from limner.data.bins import bins_of, level
from tests.data.examples import NUMBERS


@pytest.mark.parametrize(
    ("division", "value", "group"),
    [
        ("age", 29.9, "under 30"),
        ("age", 30, "30-39"),
        ("age", 95, "60 and over"),
        ("age", float("nan"), "unknown"),
        ("quality", None, "unknown"),
        ("skin tone", 9, "dark"),
        ("skin tone", 41, "light"),
        ("turned by", 25, "over 25°"),
    ],
)
def test_levels(division: str, value: float | None, group: str) -> None:
    assert level(division, value) == group


def test_a_record() -> None:
    facts = {"numbers": asdict(replace(NUMBERS, yaw=-30.0)), "age_years": 44.0, "male": 0.95, "quality": 0.7}
    groups = bins_of(facts)
    assert groups["turned by"] == "over 25°"
    assert (groups["age"], groups["gender"], groups["quality"]) == ("40-49", "man", "0.5 and over")
    assert (groups["glasses"], groups["expression"]) == ("no", "serious")
    assert groups["hat"] == "unknown"
