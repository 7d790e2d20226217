"""From measured pictures to numbers of a person: one method's pictures beside the base model's of the same seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import torch
from torch import Tensor

from limner.data.captions import Traits
from limner.evaluation.agreement import Counts, count_agreement
from limner.evaluation.classifiers import TRAITS as CLASSIFIED
from limner.evaluation.diversity import mean_pairwise, pixel_distances, spread
from limner.evaluation.feature_network import pairwise_distances, perceptual_distance
from limner.evaluation.likeness import PersonScores
from limner.evaluation.measuring import PictureFacts
from limner.evaluation.preservation import change, either_face

Row = list[PictureFacts]
"""Pictures of one sentence, one per seed."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one method did with one person.

    Attributes:
        numbers: by name; NaN where there is none.
        scores: embeddings by the judge; None where the reference, all others or all pictures have no face.
        geometric: agreement by mesh, parser and the captions' own classifier.
        independent: agreement by classifiers that took no part in training; None without them.
        features: (pictures, width) of the feature network, or (0, 0).
    """

    numbers: dict[str, float]
    scores: PersonScores | None
    geometric: Counts
    independent: Counts | None
    features: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))


def outcome_of(
    wishes: Sequence[Traits],
    photos: Sequence[PictureFacts],
    drawn: Sequence[Row],
    base: Sequence[Row],
    *,
    classified: bool,
) -> Outcome:
    """Measure one person.

    Args:
        wishes: what was asked, by sentence.
        photos: of the person, the reference first.
        drawn: by sentence the method's pictures, one per seed.
        base: the base model's pictures of the same sentences and seeds; ``drawn`` itself to measure the base.
        classified: whether faces were shown to independent classifiers.
    """
    everything = [picture for row in drawn for picture in row]
    asked = [wish for wish, row in zip(wishes, drawn, strict=True) for _ in row]
    traits = [picture.face.traits if picture.face else None for picture in everything]
    return Outcome(
        numbers={"found": float(np.mean([picture.face is not None for picture in everything]))}
        | _preservation(drawn, base)
        | _diversity(drawn),
        scores=scores_of(photos, everything),
        geometric=count_agreement(asked, traits),
        independent=_independent(asked, everything) if classified else None,
        features=np.array([picture.pooled for picture in everything if picture.pooled is not None]),
    )


def pooled(outcomes: Sequence[Outcome]) -> Outcome:
    """One person's outcomes of several trainings of one method as one: all pictures together, means of the numbers.

    Args:
        outcomes: of the same person, at least one.
    """
    scores = [one.scores for one in outcomes if one.scores is not None]
    independent = [one.independent for one in outcomes if one.independent is not None]
    return Outcome(
        numbers={name: _mean([one.numbers[name] for one in outcomes]) for name in outcomes[0].numbers},
        scores=replace(scores[0], generated=np.concatenate([one.generated for one in scores])) if scores else None,
        geometric=reduce(add, [one.geometric for one in outcomes]),
        independent=reduce(add, independent) if independent else None,
        features=np.concatenate([one.features for one in outcomes]),
    )


def scores_of(photos: Sequence[PictureFacts], pictures: Sequence[PictureFacts]) -> PersonScores | None:
    """Embeddings of those that have a face."""
    reference = photos[0].face
    others = [photo.face.embedding for photo in photos[1:] if photo.face]
    generated = [picture.face.embedding for picture in pictures if picture.face]
    if reference is None or not others or not generated:
        return None
    return PersonScores(reference.embedding, np.stack(others), np.stack(generated))


def _independent(asked: Sequence[Traits], pictures: Sequence[PictureFacts]) -> Counts:
    verdicts = [picture.face.verdicts if picture.face else None for picture in pictures]
    seen = [Traits(direction=one.direction, gender=one.gender) if one else None for one in verdicts]
    return count_agreement(asked, seen, CLASSIFIED)


def _preservation(drawn: Sequence[Row], base: Sequence[Row]) -> dict[str, float]:
    """Change from the base's picture of the same seed, and the base's own change from one seed to the next."""
    pairs = [pair for rows in zip(base, drawn, strict=True) for pair in zip(*rows, strict=True)]
    adapter = [_changes(before, after) for before, after in pairs]
    seeds = [_changes(before, after) for row in base for before, after in pairwise(row)]
    inside, outside, perceptual = _means(adapter)
    seed_inside, seed_outside, seed_perceptual = _means(seeds)
    return {
        "change_inside": inside,
        "change_outside": outside,
        "change_perceptual": perceptual,
        "seed_change_inside": seed_inside,
        "seed_change_outside": seed_outside,
        "seed_change_perceptual": seed_perceptual,
    }


def _changes(before: PictureFacts, after: PictureFacts) -> tuple[float, float, float]:
    face = either_face(before.face.mask if before.face else None, after.face.mask if after.face else None)
    inside, outside = (np.nan, np.nan) if face is None else change(before.image, after.image, face)
    if before.maps is None or after.maps is None:
        return inside, outside, np.nan
    return inside, outside, float(perceptual_distance(before.maps, after.maps)[0])


def _diversity(drawn: Sequence[Row]) -> dict[str, float]:
    """Of the pictures of one sentence, mean over sentences; yaw and expression over all sentences."""
    faces = [[picture.face for picture in row if picture.face] for row in drawn]
    numbers = [face.numbers for row in faces for face in row]
    maps = [[picture.maps for picture in row if picture.maps] for row in drawn]
    return {
        "pixel_diversity": _mean([mean_pairwise(pixel_distances([face.crop for face in row])) for row in faces]),
        "perceptual_diversity": _mean([mean_pairwise(_pairwise(row)) for row in maps]),
        "yaw_spread": spread([one.yaw for one in numbers]),
        "smile_spread": spread([one.smile for one in numbers]),
    }


def _pairwise(row: Sequence[Sequence[Tensor]]) -> np.ndarray:
    return pairwise_distances([torch.cat(levels) for levels in zip(*row, strict=True)]) if row else np.zeros((0, 0))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _means(rows: Sequence[tuple[float, float, float]]) -> tuple[float, ...]:
    return tuple(_mean([row[column] for row in rows]) for column in range(3))
