"""What FACT is shown as training goes on: functions of the share of the run that is done, in [0, 1].

The published abstract names a curriculum and nothing more; the defaults are the proposal of ``fact.md`` 2.3.
"""

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from limner.core.config import Config
from limner.core.errors import ConfigError

Probability = Annotated[float, Field(ge=0, le=1)]


class FactCurriculum(Config):
    """Shuffle, drop, and the size of faces.

    Attributes:
        shuffle_probability: that the face comes from another picture than the target, once the ramp is over.
        shuffle_from: share of the run with no shuffle; then it rises linearly.
        shuffle_full: share of the run at which it has risen.
        face_drop_probability: that the face alone is left out of a sample.
        text_drop_probability: that the sentence alone is.
        both_drop_probability: that both are, as in the unconditional half of guidance.
        drop_full: share of the run over which the three rise linearly from 0; 0 for at once.
        face_area_first: least share of the picture's area that the target's face takes at first; falls linearly to 0,
            so that large faces come first.
        face_area_until: share of the run at which it is 0; 0 for all sizes at once.
    """

    shuffle_probability: Probability = 0.5
    shuffle_from: Probability = 0.1
    shuffle_full: Probability = 0.5
    face_drop_probability: Probability = 0.1
    text_drop_probability: Probability = 0.0
    both_drop_probability: Probability = 0.05
    drop_full: Probability = 0.0
    face_area_first: Probability = 0.0
    face_area_until: Probability = 0.0

    def model_post_init(self, context: object) -> None:
        if self.face_drop_probability + self.text_drop_probability + self.both_drop_probability > 1:
            raise ValueError("face_drop_probability, text_drop_probability and both_drop_probability exceed 1 together")

    def shuffle_at(self, done: float) -> float:
        """Probability that the face comes from another picture: 0 at first, then rising linearly to its value."""
        return self.shuffle_probability * _ramp(done, self.shuffle_from, self.shuffle_full)

    def face_area_at(self, done: float) -> float:
        """Least share of the picture that a target's face takes."""
        return self.face_area_first * (1 - _ramp(done, 0.0, self.face_area_until))

    def draw_kept(self, done: float, rows: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Which rows keep their face and which their sentence, two ``(rows,)`` bool, decided for each row."""
        risen = _ramp(done, 0.0, self.drop_full)
        both = self.both_drop_probability * risen
        face = both + self.face_drop_probability * risen
        text = face + self.text_drop_probability * risen
        chance = torch.rand(rows, generator=rng, dtype=torch.float64)
        keep_face = chance >= face
        keep_text = (chance >= text) | ((chance >= both) & (chance < face))
        return keep_face, keep_text


def _ramp(done: float, start: float, end: float) -> float:
    """0 up to ``start``, 1 from ``end`` on, linear in between; a step where they meet."""
    if done >= end:
        return 1.0
    return max((done - start) / max(end - start, 1e-9), 0.0)


def people_with_large_faces(
    people: dict[str, list[int]], face_area: Callable[[], Tensor], smallest: float
) -> dict[str, list[int]]:
    """The people and their records whose face takes at least this share of the picture.

    Args:
        face_area: gives each record's share, ``(records,)``; asked only where it matters.

    Raises:
        ConfigError: there are none.
    """
    if smallest <= 0:
        return people
    area = face_area()
    large = (area >= smallest).tolist()
    kept = {person: [number for number in numbers if large[number]] for person, numbers in people.items()}
    kept = {person: numbers for person, numbers in kept.items() if numbers}
    if not kept:
        raise ConfigError(
            f"no face takes {smallest:.0%} of its picture (the largest: {float(area.max()):.0%}); lower "
            "curriculum.face_area_first"
        )
    return kept
