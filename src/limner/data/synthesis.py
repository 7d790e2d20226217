"""People who do not exist: which pictures of which invented person the face generator is asked for.

A person is a style code. Several pictures of a person come from moving the code along learned directions (yaw,
pitch, smile, mouth, age) and from exchanging the styles of the last two blocks, which keep the face and change
colour and background. From the fourth picture on glasses are put on and taken off by turns: else few people
are seen both with and without, and a model hardly learns that the words decide. Everything follows from
``(seed, person)``, so an interrupted run can be continued.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from limner.core.errors import InputError
from limner.data.face_generator import NUM_STYLES, FaceGenerator

TRUNCATION = 0.85
"""How far a style lies from the mean style, in [0, 1]; below 1 the generator makes fewer failures."""
FIRST_EXCHANGED_STYLE = 6
"""Styles from here on (256 and 512 px) may come from somebody else: similarity 0.949 in ``assets.md`` 7."""
EDIT_RANGES = {"yaw": 1.5, "pitch": 1.0, "happy": 2.0, "mouth": 1.5, "age": 0.6}
"""Largest edit per direction, in standard deviations of the style along it."""
NEEDED_DIRECTIONS = {*EDIT_RANGES, "male"}
FIRST_EXCHANGED_GLASSES = 3
"""Pictures of a person from here on wear glasses by turns, whatever the others do."""
GLASSES_ON, GLASSES_OFF = 3.0, -1.5
"""Where along the direction a style then lies, in deviations from the mean style: far enough that nearly all wear them,
near enough that the guide still sees the person (docs/training-log.md)."""
FIRST_PICTURE_RANGES = {"yaw": 0.5, "pitch": 0.5, "happy": 1.0, "mouth": 0.5, "age": 0.0}


@dataclass(frozen=True)
class Directions:
    """Unit directions ``(512,)`` in style space with the standard deviation of the style along each."""

    mean: Tensor
    unit: dict[str, Tensor]
    deviation: dict[str, float]

    @classmethod
    def read(cls, path: Path) -> "Directions":
        """Read an ``.npz`` with ``mu`` and, for each direction, ``d_NAME`` and ``s_NAME``.

        Raises:
            InputError: the file is missing or something else, or a direction that is needed is not in it.
        """
        try:
            with np.load(path) as arrays:
                names = [key[2:] for key in arrays.files if key.startswith("d_")]
                directions = cls(
                    mean=torch.from_numpy(arrays["mu"]).float(),
                    unit={name: torch.from_numpy(arrays[f"d_{name}"]).float() for name in names},
                    deviation={name: float(arrays[f"s_{name}"]) for name in names},
                )
        except (OSError, ValueError, KeyError, AttributeError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path} holds no edit directions ({error}); give an .npz with mu, d_NAME and s_NAME"
            ) from error
        missing = sorted(NEEDED_DIRECTIONS - set(directions.unit))
        if missing:
            raise InputError(f"{path} lacks the directions {', '.join(missing)}; it has {', '.join(directions.unit)}")
        return directions

    def step(self, name: str, amount: float) -> Tensor:
        return self.unit[name] * (self.deviation[name] * amount)

    def placed(self, style: Tensor, name: str, amount: float) -> Tensor:
        """The style at ``amount`` deviations from the mean style along the direction, unchanged across it."""
        return style + self.step(name, amount) - self.unit[name] * ((style - self.mean) @ self.unit[name])


@dataclass(frozen=True)
class Shot:
    """One picture to be made: its styles ``(8, 512)`` and the edits that led to them."""

    person: int
    picture: int
    styles: Tensor
    edits: dict[str, float]


def plan_person(
    person: int, num_pictures: int, generator: FaceGenerator, directions: Directions, *, seed: int
) -> list[Shot]:
    """The pictures of one person; the first one is near the front and serves as the identity's anchor."""
    rng = torch.Generator().manual_seed(seed * 1_000_003 + person)

    def uniform(limit: float) -> float:
        return float((torch.rand((), generator=rng) * 2 - 1) * limit)

    def truncated_style() -> Tensor:
        style = generator.styles(torch.randn(1, directions.mean.shape[0], generator=rng))[0]
        return directions.mean + TRUNCATION * (style - directions.mean)

    # Half a deviation towards age keeps most of the generator's children out; the rest is filtered by age.
    who = truncated_style() + directions.step("age", 0.5 + uniform(0.8)) + directions.step("male", uniform(0.8))
    shots = []
    for picture in range(num_pictures):
        ranges = FIRST_PICTURE_RANGES if picture == 0 else EDIT_RANGES
        edits = {name: round(uniform(limit), 3) for name, limit in ranges.items()}
        style = who + sum(directions.step(name, amount) for name, amount in edits.items())
        if picture >= FIRST_EXCHANGED_GLASSES and "glasses" in directions.unit:
            edits["glasses"] = GLASSES_ON if picture % 2 else GLASSES_OFF
            style = directions.placed(style, "glasses", edits["glasses"])
        styles = style.expand(NUM_STYLES, -1).clone()
        other = truncated_style()
        if uniform(1.0) > 0:
            styles[FIRST_EXCHANGED_STYLE:] = other
            edits["exchanged_styles"] = float(NUM_STYLES - FIRST_EXCHANGED_STYLE)
        shots.append(Shot(person, picture, styles, edits))
    return shots
