"""How far generated pictures look like the person: against other photos, between random pairs and real pairs.

A bare similarity says little: recognisers differ in their floor and their ceiling. So a judge's similarity of generated
pictures to *other* photos of the person is placed on the way from random pairs (0) to real pairs (1) of the same
people.
Intervals come from drawing people with replacement.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limner.evaluation.copy_paste import copy_paste
from limner.evaluation.intervals import REPLICATES, Formula, Measured, Table, mean, over_people, ratio

COLUMNS = ("to_other", "to_reference", "random_pairs", "real_pairs", "copy_paste")
"""Names of what :func:`likeness_columns` gives of each person."""


@dataclass(frozen=True, eq=False)
class PersonScores:
    """One person's embeddings by the judge, rows of unit length.

    Attributes:
        reference: (dim,), the photo the generator saw.
        others: (photos, dim), further photos of the person; at least one.
        generated: (pictures, dim); pictures without a face are left out.
    """

    reference: np.ndarray
    others: np.ndarray
    generated: np.ndarray


@dataclass(frozen=True)
class Likeness:
    """Means over people.

    Attributes:
        to_other: generated to other photos of the person, Sim(GT).
        to_reference: generated to the photo it was made from, Sim(Ref).
        random_pairs: generated to photos of somebody else.
        real_pairs: the reference to other photos of the person.
        share: (to_other - random_pairs) / (real_pairs - random_pairs).
        copy_paste: see :func:`limner.evaluation.copy_paste.copy_paste`.
    """

    to_other: Measured
    to_reference: Measured
    random_pairs: Measured
    real_pairs: Measured
    share: Measured
    copy_paste: Measured


def measure_likeness(people: Sequence[PersonScores], *, seed: int, replicates: int = REPLICATES) -> Likeness:
    """Measure a generator on people with at least one generated picture each.

    Args:
        people: at least two.
        seed: of the draws of people.
        replicates: how many such draws.
    """
    table = likeness_columns(people)
    formulas: dict[str, Formula] = {name: _mean_of(name) for name in COLUMNS} | {"share": share_of_the_way}
    return Likeness(
        **{name: over_people(table, one, seed=seed, replicates=replicates) for name, one in formulas.items()}
    )


def likeness_columns(people: Sequence[PersonScores | None]) -> dict[str, np.ndarray]:
    """``COLUMNS``, each ``(people,)``; NaN where a person is None or nobody else is there to compare with."""
    rows = np.array([_person_means(people, number) for number in range(len(people))]).reshape(-1, len(COLUMNS))
    return dict(zip(COLUMNS, rows.T, strict=True))


def share_of_the_way(table: Table) -> np.ndarray:
    """How far from random pairs (0) to real pairs (1), of means over people."""
    floor = mean(table["random_pairs"])
    return ratio(mean(table["to_other"]) - floor, mean(table["real_pairs"]) - floor)


def _mean_of(name: str) -> Formula:
    return lambda table: mean(table[name])


def _person_means(people: Sequence[PersonScores | None], number: int) -> tuple[float, ...]:
    person = people[number]
    others = [one.others for index, one in enumerate(people) if one is not None and index != number]
    if person is None or not others:
        return (np.nan,) * len(COLUMNS)
    return (
        float((person.generated @ person.others.T).mean()),
        float((person.generated @ person.reference).mean()),
        float((person.generated @ np.concatenate(others).T).mean()),
        float((person.others @ person.reference).mean()),
        float(copy_paste(person.generated, person.others, person.reference).mean()),
    )
