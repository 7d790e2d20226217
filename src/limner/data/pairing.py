"""Which photo of a person conditions the drawing of which: the step that tells identity from picture.

A policy takes the record numbers of a batch's target pictures and gives the record numbers of the faces that go in.
``people`` maps each person to the numbers of the person's records; every random number comes from the generator.
FACT's shuffle (arXiv:2410.12312) permutes the faces of one person within a batch; with batches that hold one picture
a person it does nothing, ``cross`` asks for another photo in any batch.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch

from limner.core.errors import ConfigError

People = Mapping[str, Sequence[int]]


class Pairing(Protocol):
    """References ``(batch,)`` for the targets ``(batch,)``, always of the same people in the same order."""

    def __call__(self, targets: Sequence[int], rng: torch.Generator) -> list[int]: ...


def same(targets: Sequence[int], rng: torch.Generator) -> list[int]:
    """Each picture conditions itself; easiest to learn, and what teaches an adapter to copy."""
    del rng
    return list(targets)


class Cross:
    """Another photo of the person, each with the same chance; a person with one photo conditions itself."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._person_of = _persons(people)

    def __call__(self, targets: Sequence[int], rng: torch.Generator) -> list[int]:
        chances = torch.rand(len(targets), generator=rng, dtype=torch.float64).tolist()
        return [self._other(target, chance) for target, chance in zip(targets, chances, strict=True)]

    def _other(self, target: int, chance: float) -> int:
        others = [number for number in self._people[self._person_of[target]] if number != target]
        return others[int(chance * len(others))] if others else target


class Shuffle:
    """The faces of each person in the batch, permuted among that person's rows; a face may meet its own picture."""

    def __init__(self, people: People) -> None:
        self._person_of = _persons(people)

    def __call__(self, targets: Sequence[int], rng: torch.Generator) -> list[int]:
        rows: dict[str, list[int]] = {}
        for row, target in enumerate(targets):
            rows.setdefault(self._person_of[target], []).append(row)
        order = torch.rand(len(targets), generator=rng, dtype=torch.float64).tolist()
        references = list(targets)
        for of_person in rows.values():
            for row, giver in zip(of_person, sorted(of_person, key=order.__getitem__), strict=True):
                references[row] = targets[giver]
        return references


class Mixed:
    """Each row ``apart`` with a probability, ``same`` otherwise.

    Args:
        apart: what the chosen rows do; it sees the whole batch, so that the draw of one row never depends on another.
        probability: of ``apart``, in [0, 1]; a curriculum makes a policy for each step.

    Raises:
        ConfigError: the probability is none.
    """

    def __init__(self, apart: Pairing, probability: float) -> None:
        if not 0 <= probability <= 1:
            raise ConfigError(f"pairing was given the probability {probability}; it lies between 0 and 1")
        self._apart, self._probability = apart, probability

    def __call__(self, targets: Sequence[int], rng: torch.Generator) -> list[int]:
        chosen = (torch.rand(len(targets), generator=rng, dtype=torch.float64) < self._probability).tolist()
        references = self._apart(targets, rng)
        return [other if apart else own for own, other, apart in zip(targets, references, chosen, strict=True)]


def pairing_named(name: str, people: People) -> Pairing:
    """A policy as a recipe names it: ``same``, ``cross``, ``shuffle``, or ``mixed(0.5)``, which is half ``cross``.

    Raises:
        ConfigError: there is no such policy.
    """
    if name == "same":
        return same
    if name in ("cross", "shuffle"):
        return Cross(people) if name == "cross" else Shuffle(people)
    kind, _, argument = name.removesuffix(")").partition("(")
    try:
        if kind == "mixed" and name.endswith(")"):
            return Mixed(Cross(people), float(argument))
    except ValueError:
        pass
    raise ConfigError(f"there is no pairing {name!r}; write same, cross, shuffle or mixed(0.5)")


def draw_targets(people: People, count: int, rng: torch.Generator, *, per_person: int = 1) -> list[int]:
    """``count`` record numbers: first a person, then ``per_person`` of the person's pictures, so that people with many
    photos do not crowd out the others; pictures repeat only where a person has too few.

    Raises:
        ConfigError: there is nobody, or ``per_person`` is no positive divisor of ``count``.
    """
    if not people or per_person < 1 or count % per_person:
        raise ConfigError(
            f"{count} pictures of {len(people)} people, {per_person} of each, cannot be drawn; there must be people, "
            "and the batch a multiple of the pictures per person"
        )
    everybody = list(people)
    targets: list[int] = []
    for who in torch.randint(len(everybody), (count // per_person,), generator=rng).tolist():
        own = people[everybody[who]]
        order = torch.randperm(len(own), generator=rng).tolist()
        targets += [own[order[i % len(own)]] for i in range(per_person)]
    return targets


def _persons(people: People) -> dict[int, str]:
    return {number: person for person, numbers in people.items() for number in numbers}
