"""Who is drawn, with which words, from which seeds: everything that two methods must have in common."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from limner.core.config import Config
from limner.core.errors import ConfigError
from limner.data.captions import Traits

SEEDS_PER_WISH, SEEDS_PER_PERSON = 100, 10_000


class Protocol(Config):
    """How a comparison is made.

    Attributes:
        name: of the protocol.
        people: at most so many of each group.
        photos: at most so many of a person; the first is the reference, the others are what a likeness is measured by.
        seeds: pictures of each person and sentence, two or more.
        first_seed: other numbers give other pictures of the same people.
        scale: how strongly the person is kept.
        steps: sampling steps.
        guidance: how closely the words are followed; the base's own default if None.
        window: part of the run in which the person is shown, see :class:`limner.apps.settings.Dials`; as a portrait is
            drawn if None.
        identity_guidance: how far the guide pulls what is drawn towards the person, likewise.
        glasses: "photo", a person wears them as on the reference unless the sentence speaks of them, or "words", see
            :mod:`limner.apps.glasses`.
        fast: draw with what the base brings for few steps instead, which settles steps and guidance.
        wishes: what is asked of every person, by trait; the person's gender is added.
    """

    name: str
    people: PositiveInt = 60
    photos: int = Field(default=4, ge=2)
    seeds: int = Field(default=3, ge=2, le=SEEDS_PER_WISH)
    first_seed: NonNegativeInt = 0
    scale: NonNegativeFloat = 0.8
    steps: PositiveInt = 25
    guidance: float | None = None
    window: tuple[float, float] | None = None
    identity_guidance: float | None = Field(default=None, ge=0, le=1)
    glasses: Literal["photo", "words"] = "photo"
    fast: bool = False
    wishes: tuple[dict[str, str], ...] = Field(min_length=1, max_length=SEEDS_PER_PERSON // SEEDS_PER_WISH)

    def wishes_for(self, person: "Person") -> list[Traits]:
        """What is asked of this person."""
        return [replace(Traits(**wish), gender=person.gender) for wish in self.wishes]

    def seed_of(self, person: int, wish: int) -> int:
        """First seed of a person's sentence; the others follow. No two sentences share one."""
        return (self.first_seed * 1_000 + person) * SEEDS_PER_PERSON % 2**31 + wish * SEEDS_PER_WISH


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="miniature",
            wishes=(
                {"expression": "smiling"},
                {"expression": "serious"},
                {"direction": "left", "background": "blue"},
                {"direction": "right", "background": "green"},
                {"glasses": "yes"},
                {"hair": "black", "background": "white"},
            ),
        ),
        Protocol(
            name="ablation",
            people=40,
            seeds=2,
            steps=12,
            identity_guidance=0.0,  # adapters are compared, not what helps each of them alike
            glasses="words",
            wishes=({"expression": "smiling"}, {"direction": "left"}),
        ),
        Protocol(name="quick", people=8, seeds=2, wishes=({"direction": "left", "expression": "smiling"},)),
    )
}
"""Protocols by name; "ablation" has more people and fewer pictures of each, for the differences of many methods;
"quick" shows whether everything works, and no more."""


def protocol_named(name: str, **changes: object) -> Protocol:
    """A protocol with some settings changed; None changes nothing.

    Raises:
        ConfigError: there is none of that name, or a setting is out of range.
    """
    if name not in PROTOCOLS:
        raise ConfigError(f"there is no protocol {name!r}; known are {', '.join(PROTOCOLS)}")
    given = {key: value for key, value in changes.items() if value is not None}
    try:
        return Protocol.model_validate(PROTOCOLS[name].model_dump() | given)
    except ValueError as error:
        raise ConfigError(f"the protocol cannot be followed with {given}: {error}") from error


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody to be drawn.

    Attributes:
        name: id in the shards.
        photos: RGB uint8, two or more; the first is the reference.
        gender: a word of the captions, None where nobody can tell.
        age: apparent, in years; NaN if unknown.
        skin_tone: individual typology angle of the reference, degrees.
        yaw: of the reference, degrees.
        generated: whether the person does not exist; pictures of others are neither shown nor kept.
    """

    name: str
    photos: Sequence[np.ndarray]
    gender: str | None
    age: float
    skin_tone: float
    yaw: float
    generated: bool
