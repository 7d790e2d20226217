"""How far generated pictures look like the person: against other photos, between random pairs and real pairs.

A bare similarity says little: recognisers differ in their floor and their ceiling. So a judge's similarity of generated
pictures to *other* photos of the person is placed on the way from random pairs (0) to real pairs (1) of the same
people.
Intervals come from drawing people with replacement.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limner.evaluation.verification import Measured


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
        to_other: generated to other photos of the person.
        to_reference: generated to the photo it was made from.
        random_pairs: generated to photos of somebody else.
        real_pairs: the reference to other photos of the person.
        share: (to_other - random_pairs) / (real_pairs - random_pairs).
        copy_paste: angle to the other photo minus angle to the reference, over the angle between those two, in
            [-1, 1]; 1 means the reference was pasted (MultiID-Bench's measure).
    """

    to_other: Measured
    to_reference: Measured
    random_pairs: Measured
    real_pairs: Measured
    share: Measured
    copy_paste: Measured


def measure_likeness(people: Sequence[PersonScores], *, seed: int, replicates: int = 1000) -> Likeness:
    """Measure a generator on people with at least one generated picture each.

    Args:
        people: at least two.
        seed: of the draws of people.
        replicates: how many such draws.
    """
    rows = np.array([_person_means(people, number) for number in range(len(people))])
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(people), size=(replicates, len(people)))
    means = np.stack([rows[draw].mean(axis=0) for draw in draws])

    def measured(value: np.ndarray, drawn: np.ndarray) -> Measured:
        low, high = np.percentile(drawn, [2.5, 97.5])
        return Measured(float(value), float(low), float(high))

    overall = rows.mean(axis=0)
    to_other, to_reference, strangers, real, copying = (
        measured(overall[column], means[:, column]) for column in range(rows.shape[1])
    )
    return Likeness(
        to_other=to_other,
        to_reference=to_reference,
        random_pairs=strangers,
        real_pairs=real,
        share=measured(_share(overall), _share(means.T)),
        copy_paste=copying,
    )


def _share(columns: np.ndarray) -> np.ndarray:
    to_other, _, strangers, real, _ = columns
    return (to_other - strangers) / (real - strangers)


def _person_means(people: Sequence[PersonScores], number: int) -> tuple[float, float, float, float, float]:
    person = people[number]
    strangers = np.concatenate([other.others for index, other in enumerate(people) if index != number])
    to_other = person.generated @ person.others.T
    to_reference = person.generated @ person.reference
    real = person.others @ person.reference
    apart = np.maximum(_angle(real), 1e-3)
    copying = (_angle(to_other) - _angle(to_reference)[:, None]) / apart[None, :]
    return (
        float(to_other.mean()),
        float(to_reference.mean()),
        float((person.generated @ strangers.T).mean()),
        float(real.mean()),
        float(copying.mean()),
    )


def _angle(cosine: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(cosine, -1.0, 1.0))
