"""Made-up faces, pictures and people with known numbers."""

from dataclasses import replace

import numpy as np

from limner.data.captions import Traits
from limner.evaluation.classifiers import Verdicts
from limner.evaluation.comparison import BASE
from limner.evaluation.measuring import FaceFacts, PictureFacts
from limner.evaluation.outcomes import Outcome, outcome_of
from limner.evaluation.protocol import Person
from tests.data.examples import NUMBERS

SIDE = 8
WISHES = [Traits(gender="man", expression="smiling"), Traits(gender="man", direction="left")]


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def face(embedding: np.ndarray, *, traits: Traits | None = None, yaw: float = 0.0, verdicts: bool = True) -> FaceFacts:
    """A face in the left half of the picture."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, : SIDE // 2] = True
    return FaceFacts(
        embedding=embedding,
        numbers=replace(NUMBERS, yaw=yaw),
        traits=traits or Traits(gender="man", expression="smiling"),
        verdicts=Verdicts("left", "man") if verdicts else None,
        mask=mask,
        crop=np.full((4, 4, 3), int(abs(yaw)), np.uint8),
        years=40.0,
    )


def picture(level: int, found: FaceFacts | None, right: int | None = None) -> PictureFacts:
    """Grey of one level, of another in the right half if that is given."""
    image = np.full((SIDE, SIDE, 3), level, np.uint8)
    if right is not None:
        image[:, SIDE // 2 :] = right
    return PictureFacts(image, found)


def person(number: int) -> Person:
    photos = [np.full((SIDE, SIDE, 3), number, np.uint8)] * 3
    return Person(f"generated-{number:05d}", photos, "man", 25.0 + 10 * number, 20.0, 3.0 * number, True)


def outcome(number: int, *, likeness: float = 1.0, seeds: int = 2, method: str = BASE) -> Outcome:
    """What a method made of a person whose photos all point one way; its pictures lean there by ``likeness``."""
    own = np.eye(8, dtype=np.float32)[number % 7]
    photos = [picture(0, face(own + 0.1 * np.eye(8, dtype=np.float32)[7])) for _ in range(3)]
    away = np.eye(8, dtype=np.float32)[7]
    drawn_face = face(unit(*(likeness * own + (1 - likeness) * away)))
    base = [[picture(10 * seed, drawn_face) for seed in range(seeds)] for _ in WISHES]
    drawn = base if method == BASE else [[picture(10 * seed + 51, drawn_face) for seed in range(seeds)] for _ in WISHES]
    return outcome_of(WISHES, photos, drawn, base, classified=True)
