"""Drawing and measuring: every person by every method and by the base, under one protocol."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np

from limner.core.errors import FaceError
from limner.data.captions import Traits
from limner.evaluation.agreement import prompt_for
from limner.evaluation.measuring import Instruments
from limner.evaluation.outcomes import Outcome, outcome_of, pooled
from limner.evaluation.protocol import Person
from limner.evaluation.protocol import Protocol as Rules

BASE = "base"
"""The method that shows nobody: the floor of every table."""


class Method(Protocol):
    """A model under test."""

    def identity(self, photo: np.ndarray) -> Any:
        """What it makes of a reference photo, RGB uint8."""
        ...

    def draw(self, identity: Any, prompt: str, *, seed: int, count: int) -> list[np.ndarray]:
        """Pictures of the seeds ``seed`` to ``seed + count - 1``, RGB uint8; the base's own where nobody is given."""
        ...


class Keep(Protocol):
    """Where pictures of people who do not exist may be kept."""

    def __call__(
        self, method: str, person: Person, seeds: range, draw: Callable[[], list[np.ndarray]]
    ) -> list[np.ndarray]:
        """The pictures of these seeds, drawn or from an earlier run."""
        ...


@dataclass(frozen=True, eq=False)
class Shown:
    """Pictures of a person who does not exist: the reference and, by method, the first seed of every sentence."""

    name: str
    reference: np.ndarray
    by_method: dict[str, list[np.ndarray]]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came out of one group of people.

    Attributes:
        people: in the order of the outcomes.
        outcomes: by method, the base among them.
        real: per person the features of the photos, as coarse as the pictures, (photos, width), or (0, 0).
        shown: people to look at, none of them real.
        refused: people whose reference photo has no usable face, and why.
    """

    people: list[Person] = field(default_factory=list)
    outcomes: dict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    real: list[np.ndarray] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        person: Person,
        wishes: Sequence[Traits],
        drawn: Mapping[str, list[list[np.ndarray]]],
        instruments: Instruments,
        max_shown: int,
    ) -> None:
        """Measure one person's photos and pictures, by method and sentence."""
        facts = {name: [instruments.look(row) for row in rows] for name, rows in drawn.items()}
        photos = instruments.look(person.photos)
        classified = instruments.classifiers is not None
        for name, rows in facts.items():
            outcome = outcome_of(wishes, photos, rows, facts[BASE], classified=classified)
            self.outcomes[name].append(outcome)
        self.people.append(person)
        side = max(drawn[BASE][0][0].shape[:2])
        self.real.append(instruments.pooled(person.photos, side))
        if person.generated and len(self.shown) < max_shown:
            first = {name: [row[0] for row in rows] for name, rows in drawn.items()}
            self.shown.append(Shown(person.name, person.photos[0], first))

    def pool(self, name: str, methods: Sequence[str]) -> None:
        """Add what several trainings of one method did together, as a method of its own."""
        rows = zip(*(self.outcomes[method] for method in methods), strict=True)
        self.outcomes[name] = [pooled(outcomes) for outcomes in rows]


def draw_again(method: str, person: Person, seeds: range, draw: Callable[[], list[np.ndarray]]) -> list[np.ndarray]:
    """Keep nothing."""
    return draw()


def compare(
    people: Sequence[Person],
    methods: Mapping[str, Method],
    rules: Rules,
    instruments: Instruments,
    *,
    max_shown: int = 12,
    keep: Keep = draw_again,
    progress: Callable[[int], None] = lambda done: None,
) -> Comparison:
    """Draw and measure everybody.

    Args:
        people: real and generated ones; of real ones no picture is kept.
        methods: at least one; the first also draws for the base.
        max_shown: how many generated people's pictures to hand on.
        keep: gives pictures of an earlier run, and remembers those of this one.
        progress: told how many people are done.
    """
    found = Comparison()
    for number, person in enumerate(people):
        try:
            identities = {name: method.identity(person.photos[0]) for name, method in methods.items()}
        except FaceError as error:
            found.refused[person.name] = str(error)
            continue
        drawing = _Drawing(person, number, rules, keep)
        drawn = {BASE: drawing(BASE, next(iter(methods.values())), None)}
        drawn |= {name: drawing(name, method, identities[name]) for name, method in methods.items()}
        found.add(person, rules.wishes_for(person), drawn, instruments, max_shown)
        progress(number + 1)
    return found


@dataclass(frozen=True, eq=False)
class _Drawing:
    """One person's pictures by any method."""

    person: Person
    number: int
    rules: Rules
    keep: Keep

    def __call__(self, name: str, method: Method, identity: Any) -> list[list[np.ndarray]]:
        """By sentence, one picture per seed."""
        keep = self.keep if self.person.generated else draw_again
        rows = []
        for wish, traits in enumerate(self.rules.wishes_for(self.person)):
            first = self.rules.seed_of(self.number, wish)
            draw = partial(method.draw, identity, prompt_for(traits), seed=first, count=self.rules.seeds)
            rows.append(keep(name, self.person, range(first, first + self.rules.seeds), draw))
        return rows
