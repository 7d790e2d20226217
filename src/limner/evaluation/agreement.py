"""Does the picture show what the words asked for? Traits asked against traits measured, person by person.

A trait counts where the measurement gives a verdict; the bands in which it gives none are left out and counted.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

import numpy as np

from limner.data.captions import WORDS, Traits
from limner.evaluation.intervals import REPLICATES, Measured, Table, over_people, ratio


@dataclass(frozen=True)
class Agreement:
    """Share of asked traits that were seen, over all and per trait, and of how many a verdict was possible."""

    overall: Measured
    by_trait: dict[str, float]
    verdicts: int
    asked: int


@dataclass(frozen=True)
class Counts:
    """One person's verdicts by trait, and how many traits were asked for."""

    by_trait: dict[str, list[bool]]
    asked: int

    def __add__(self, other: "Counts") -> "Counts":
        traits = {**self.by_trait, **other.by_trait}
        both = {trait: self.by_trait.get(trait, []) + other.by_trait.get(trait, []) for trait in traits}
        return Counts(both, self.asked + other.asked)

    @property
    def right(self) -> int:
        return sum(sum(verdicts) for verdicts in self.by_trait.values())

    @property
    def verdicts(self) -> int:
        return sum(len(verdicts) for verdicts in self.by_trait.values())


def prompt_for(traits: Traits) -> str:
    """The canonical sentence for traits: the first word of each list, in the order of the fields."""
    noun = WORDS["gender"][traits.gender][0] if traits.gender else "person"
    age = f"{WORDS['age'][traits.age][0]} " if traits.age else ""
    who = f"{'an' if (age or noun)[0] in 'aeiou' else 'a'} {age}{noun}"
    said = [
        WORDS[field.name][getattr(traits, field.name)][0]
        for field in fields(traits)
        if field.name not in ("style", "age", "gender") and getattr(traits, field.name)
    ]
    return ", ".join([f"{WORDS['style'][traits.style][0]} {who}", *said])


def count_agreement(
    wishes: Sequence[Traits], seen: Sequence[Traits | None], traits: Collection[str] | None = None
) -> Counts:
    """One person's asked traits against what was seen; None where no face was found, which counts as wrong.

    Args:
        traits: only these; all if None.
    """
    by_trait: dict[str, list[bool]] = {}
    asked = 0
    for wish, result in zip(wishes, seen, strict=True):
        for name, value in _wishes(wish):
            if traits is not None and name not in traits:
                continue
            asked += 1
            got = None if result is None else getattr(result, name)
            if result is None or got is not None:
                by_trait.setdefault(name, []).append(value == got)
    return Counts(by_trait, asked)


def measure_agreement(
    asked: Sequence[Sequence[Traits]],
    seen: Sequence[Sequence[Traits | None]],
    *,
    seed: int,
    replicates: int = REPLICATES,
) -> Agreement:
    """Compare, per person, the traits asked for with those seen."""
    people = [count_agreement(wishes, results) for wishes, results in zip(asked, seen, strict=True)]
    by_trait: dict[str, list[bool]] = {}
    for person in people:
        for name, verdicts in person.by_trait.items():
            by_trait.setdefault(name, []).extend(verdicts)
    table = {
        "right": np.array([person.right for person in people], float),
        "verdicts": np.array([person.verdicts for person in people], float),
    }
    return Agreement(
        overall=over_people(table, share_right, seed=seed, replicates=replicates),
        by_trait={name: float(np.mean(values)) for name, values in sorted(by_trait.items())},
        verdicts=int(table["verdicts"].sum()),
        asked=sum(person.asked for person in people),
    )


def share_right(table: Table) -> np.ndarray:
    """Right verdicts over verdicts, of all people together."""
    return ratio(table["right"].sum(axis=-1), table["verdicts"].sum(axis=-1))


def _wishes(traits: Traits) -> list[tuple[str, str]]:
    return [
        (field.name, getattr(traits, field.name))
        for field in fields(traits)
        if field.name != "style" and getattr(traits, field.name) is not None
    ]
