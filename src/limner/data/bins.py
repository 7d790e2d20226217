"""Coarse groups of pictures, for counting who is in a set and for results by group: age, gender, skin tone, pose.

They come from measuring networks and colour, which err; they describe sets, never a single person.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from limner.data.attributes import Measurements
from limner.data.captions import describe

UNKNOWN = "unknown"
_LEVELS: dict[str, tuple[tuple[float, str], ...]] = {
    "age": ((30, "under 30"), (40, "30-39"), (50, "40-49"), (60, "50-59"), (np.inf, "60 and over")),
    "skin tone": ((10, "dark"), (41, "medium"), (np.inf, "light")),
    "turned by": ((10, "under 10°"), (25, "10-25°"), (np.inf, "over 25°")),
    "quality": ((0.3, "under 0.3"), (0.5, "0.3-0.5"), (np.inf, "0.5 and over")),
}
"""Upper bound and name of each group; skin tone by the individual typology angle in degrees."""
_TRAITS = ("gender", "expression", "glasses", "hat", "hair")
_NUMBERS = TypeAdapter(Measurements)


def bins_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """Group by name of the division, from facts of a record as ``ShardIndex.facts`` gives them."""
    numbers = _NUMBERS.validate_python(facts["numbers"])
    traits = describe(numbers, age_years=facts["age_years"], male=facts["male"])
    return {
        "age": level("age", facts["age_years"]),
        "skin tone": level("skin tone", numbers.skin_tone_angle),
        "turned by": level("turned by", abs(numbers.yaw)),
        "quality": level("quality", facts.get("quality")),
    } | {trait: getattr(traits, trait) or UNKNOWN for trait in _TRAITS}


def count_bins(facts: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """How many pictures are in each group, by name of the division; groups in the order of their names."""
    counted: dict[str, Counter[str]] = {}
    for one in facts:
        for division, group in bins_of(one).items():
            counted.setdefault(division, Counter())[group] += 1
    return {division: dict(sorted(groups.items())) for division, groups in counted.items()}


def level(division: str, value: float | None) -> str:
    """The group of a number; ``unknown`` for None and NaN."""
    if value is None or np.isnan(value):
        return UNKNOWN
    return next(name for bound, name in _LEVELS[division] if value < bound)
