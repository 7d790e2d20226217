"""Does the picture show what the words asked for? Traits asked against traits measured, person by person.

A trait counts where the measurement gives a verdict; the bands in which it gives none are left out and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from limner.data.captions import WORDS, Traits
from limner.evaluation.verification import Measured


@dataclass(frozen=True)
class Agreement:
    """Share of asked traits that were seen, over all and per trait, and of how many a verdict was possible."""

    overall: Measured
    by_trait: dict[str, float]
    verdicts: int
    asked: int


def prompt_for(traits: Traits) -> str:
    """The canonical sentence for traits: the first word of each list, in the order of the fields."""
    noun = WORDS["gender"][traits.gender][0] if traits.gender else "person"
    age = f"{WORDS['age'][traits.age][0]} " if traits.age else ""
    who = traits.name or f"{'an' if (age or noun)[0] in 'aeiou' else 'a'} {age}{noun}"
    said = [
        WORDS[field.name][getattr(traits, field.name)][0]
        for field in fields(traits)
        if field.name not in ("style", "age", "gender", "name") and getattr(traits, field.name)
    ]
    return ", ".join([f"{WORDS['style'][traits.style][0]} {who}", *said])


def measure_agreement(
    asked: Sequence[Sequence[Traits]], seen: Sequence[Sequence[Traits | None]], *, seed: int, replicates: int = 1000
) -> Agreement:
    """Compare, per person, the traits asked for with those seen; None where no face was found, which counts as
    wrong."""
    counts: list[tuple[int, int]] = []
    by_trait: dict[str, list[bool]] = {}
    total = 0
    for wishes, results in zip(asked, seen, strict=True):
        right = verdicts = 0
        for wish, result in zip(wishes, results, strict=True):
            for name, value in _wishes(wish):
                total += 1
                got = None if result is None else getattr(result, name)
                if result is not None and got is None:
                    continue
                verdicts += 1
                agreed = value == got
                right += agreed
                by_trait.setdefault(name, []).append(agreed)
        counts.append((right, verdicts))
    table = np.array(counts, dtype=float)
    rng = np.random.default_rng(seed)
    drawn = table[rng.integers(len(table), size=(replicates, len(table)))].sum(axis=1)
    low, high = np.percentile(drawn[:, 0] / np.maximum(drawn[:, 1], 1), [2.5, 97.5])
    right, verdicts = table.sum(axis=0)
    return Agreement(
        overall=Measured(float(right / max(verdicts, 1)), float(low), float(high)),
        by_trait={name: float(np.mean(values)) for name, values in sorted(by_trait.items())},
        verdicts=int(verdicts),
        asked=total,
    )


def _wishes(traits: Traits) -> list[tuple[str, str]]:
    return [
        (field.name, getattr(traits, field.name))
        for field in fields(traits)
        if field.name not in ("style", "name") and getattr(traits, field.name) is not None
    ]
