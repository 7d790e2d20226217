"""Intervals over people: what the same measurement would have given had other people been asked.

Pictures of one person are not independent, however many there are, so people are drawn with replacement and never
pictures. A number of a person is the mean over that person's prompts and seeds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

REPLICATES = 1000

Table = Mapping[str, np.ndarray]
"""Numbers of people by name, ``(people,)``, or ``(replicates, people)`` where people were drawn; NaN where a person has
none."""
Formula = Callable[[Table], np.ndarray]
"""A statistic of people, along the last axis of every column."""


@dataclass(frozen=True)
class Measured:
    """A value and the middle 95 % of what other people from the same population would give."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def mean(values: np.ndarray) -> np.ndarray:
    """Mean along the last axis over those that have a number; NaN where none has."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """``above / below``, NaN where ``below`` is zero."""
    return above / np.where(below == 0, np.nan, below)


def draw_people(num_people: int, *, seed: int, replicates: int = REPLICATES) -> np.ndarray:
    """Who is asked in each replicate, ``(replicates, people)`` numbers below ``num_people``."""
    return np.random.default_rng(seed).integers(num_people, size=(replicates, num_people))


def over_people(table: Table, formula: Formula, *, seed: int, replicates: int = REPLICATES) -> Measured:
    """A statistic of people with its interval.

    Args:
        table: columns of equal length, one number per person.
        formula: what to measure.
        seed: of the draws; the same seed draws the same people.
        replicates: how many draws.
    """
    num_people = len(next(iter(table.values())))
    drawn = draw_people(num_people, seed=seed, replicates=replicates)
    return interval(float(formula(table)), formula({name: column[drawn] for name, column in table.items()}))


def paired_difference(
    first: Table, second: Table, formula: Formula, *, seed: int, replicates: int = REPLICATES
) -> Measured:
    """``first`` minus ``second``, both asked the same people in every draw; rows of the two are the same people.

    People whom one of the two has no number of are left out of both.
    """
    complete = np.ones(len(next(iter(first.values()))), bool)
    for table in (first, second):
        for column in table.values():
            complete &= np.isfinite(column)
    if not complete.any():
        return Measured(np.nan, np.nan, np.nan)
    left, right = ({name: column[complete] for name, column in table.items()} for table in (first, second))
    drawn = draw_people(int(complete.sum()), seed=seed, replicates=replicates)
    differences = [formula({name: column[drawn] for name, column in table.items()}) for table in (left, right)]
    return interval(float(formula(left) - formula(right)), differences[0] - differences[1])


def interval(value: float, drawn: np.ndarray) -> Measured:
    """A value with the middle 95 % of its draws that are numbers."""
    known = drawn[np.isfinite(drawn)]
    if not len(known) or np.isnan(value):
        return Measured(value, np.nan, np.nan)
    low, high = np.percentile(known, [2.5, 97.5])
    return Measured(value, float(low), float(high))
