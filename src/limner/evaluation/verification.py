"""Are two faces the same person? How well a score answers, with intervals over people.

A pair is accepted when its score lies above a threshold. TAR is the share of same pairs accepted, FAR the share of
different pairs accepted. Intervals come from drawing people, not pairs, with replacement: pairs that share a person
are not independent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from limner.evaluation.intervals import Measured, interval


@dataclass(frozen=True, eq=False)
class Pairs:
    """Scored pairs of faces.

    Attributes:
        scores: (pairs,), higher means more alike.
        same: bool (pairs,), whether both faces are of one person.
        people: int (pairs, 2), who is shown, numbered from 0.
    """

    scores: np.ndarray
    same: np.ndarray
    people: np.ndarray


@dataclass(frozen=True)
class Verification:
    """How well a score tells people apart.

    Attributes:
        num_same: same pairs.
        num_different: different pairs.
        auc: area under the ROC curve, 0.5 is guessing.
        accuracy: mean over folds; same and different pairs count alike, the threshold comes from the other folds.
        tar: by FAR; nan where fewer than one different pair would be accepted.
        threshold: by FAR.
    """

    num_same: int
    num_different: int
    auc: Measured
    accuracy: float
    tar: dict[float, Measured]
    threshold: dict[float, float]


def measure_verification(
    pairs: Pairs, *, seed: int, fars: Sequence[float] = (1e-2, 1e-3), replicates: int = 500
) -> Verification:
    """Measure a score on pairs that hold both kinds.

    Args:
        seed: of the draws of people.
        replicates: how many such draws.
    """
    everybody = np.ones(len(pairs.scores))
    draws = [_people_weights(pairs, generator) for generator in np.random.default_rng(seed).spawn(replicates)]

    def measured(statistic: Callable[[np.ndarray], float]) -> Measured:
        return interval(statistic(everybody), np.array([statistic(weights) for weights in draws]))

    return Verification(
        num_same=int(pairs.same.sum()),
        num_different=int((~pairs.same).sum()),
        auc=measured(partial(roc_auc, pairs)),
        accuracy=cross_validated_accuracy(pairs),
        tar={far: measured(partial(tar_at, pairs, far)) for far in fars},
        threshold={far: threshold_at(pairs, far, everybody) for far in fars},
    )


def roc_auc(pairs: Pairs, weights: np.ndarray) -> float:
    """Chance that a same pair scores above a different pair, ties counting half; pairs count by ``weights``."""
    order = np.argsort(pairs.scores[~pairs.same], kind="stable")
    different = pairs.scores[~pairs.same][order]
    mass = np.concatenate([[0.0], np.cumsum(weights[~pairs.same][order])])
    same = pairs.scores[pairs.same]
    below = (mass[np.searchsorted(different, same, "left")] + mass[np.searchsorted(different, same, "right")]) / 2
    return float(np.average(below, weights=weights[pairs.same]) / mass[-1])


def threshold_at(pairs: Pairs, far: float, weights: np.ndarray) -> float:
    """The lowest threshold that at most a share ``far`` of different pairs lies above; nan if that is less than one."""
    mass = weights[~pairs.same]
    if far * mass.sum() < 1:
        return float("nan")
    order = np.argsort(-pairs.scores[~pairs.same], kind="stable")
    accepted = np.cumsum(mass[order]) / mass.sum()
    first_refused = int(np.searchsorted(accepted, far * (1 + 1e-9), "right"))
    return float(pairs.scores[~pairs.same][order][min(first_refused, len(order) - 1)])


def tar_at(pairs: Pairs, far: float, weights: np.ndarray) -> float:
    """Share of same pairs above the threshold for ``far``."""
    threshold = threshold_at(pairs, far, weights)
    accepted = pairs.scores[pairs.same] > threshold
    return float("nan") if np.isnan(threshold) else float(np.average(accepted, weights=weights[pairs.same]))


def cross_validated_accuracy(pairs: Pairs, folds: int = 10) -> float:
    """Mean of TAR and 1 - FAR on each fold, at the threshold that is best on the other folds."""
    # Folds are dealt within each kind, so that every fold holds both.
    fold = np.empty(len(pairs.scores), dtype=int)
    for kind in (True, False):
        fold[pairs.same == kind] = np.arange(int((pairs.same == kind).sum())) % folds
    shares = []
    for held_out in range(folds):
        seen, unseen = fold != held_out, fold == held_out
        threshold = _best_threshold(pairs.scores[seen], pairs.same[seen])
        accepted = pairs.scores[unseen] > threshold
        same = pairs.same[unseen]
        shares.append((accepted[same].mean() + (~accepted[~same]).mean()) / 2)
    return float(np.mean(shares))


def _best_threshold(scores: np.ndarray, same: np.ndarray) -> float:
    """Midway between the neighbouring scores where the mean of TAR and 1 - FAR peaks."""
    order = np.argsort(-scores, kind="stable")
    gain = np.cumsum(np.where(same[order], 1 / same.sum(), -1 / (~same).sum()))
    best = int(gain.argmax())
    ranked = scores[order]
    return float((ranked[best] + ranked[min(best + 1, len(ranked) - 1)]) / 2)


def _people_weights(pairs: Pairs, generator: np.random.Generator) -> np.ndarray:
    """How often each pair occurs when as many people as there are get drawn with replacement, (pairs,)."""
    known = np.unique(pairs.people)
    drawn = np.zeros(int(known.max()) + 1)
    np.add.at(drawn, generator.choice(known, len(known)), 1.0)
    first, second = drawn[pairs.people[:, 0]], drawn[pairs.people[:, 1]]
    return np.where(pairs.same, first, first * second)
