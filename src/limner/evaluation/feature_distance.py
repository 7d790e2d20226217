"""How far two sets of pictures are apart in the features of some network: Frechet distance, and kernel distance.

The Frechet distance (arXiv:1706.08500) falls with the number of pictures even where nothing else changes, so it is
never told without that number and compares methods only at equal numbers. The kernel distance (arXiv:1801.01401) has no
such bias. Own code, because torchmetrics and torch-fidelity get their features from torchvision or from weights that
are not to be had offline; the features here are of another network than Inception, so no value is comparable with a
published FID.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from limner.evaluation.intervals import Measured, draw_people, interval


@dataclass(frozen=True, eq=False)
class Spread:
    """What a Frechet distance asks of a set of features.

    Attributes:
        mean: ``(width,)``.
        root: ``(rows, width)`` with ``root.T @ root`` the covariance; no more rows than needed.
        pictures: how many there were.
    """

    mean: np.ndarray
    root: np.ndarray
    pictures: int


def spread_of(features: np.ndarray) -> Spread:
    """Of features ``(pictures, width)``, two or more."""
    features = features.astype(np.float64)
    centred = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    root = np.linalg.qr(centred).R if len(centred) > centred.shape[1] else centred
    return Spread(features.mean(axis=0), root, len(features))


def frechet_distance(first: Spread, second: Spread) -> float:
    """``|m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2))`` of two sets of features.

    The last trace is the sum of singular values of the roots' product, so no covariance is formed.
    """
    means = first.mean - second.mean
    trace = float((first.root**2).sum() + (second.root**2).sum())
    cross = np.linalg.svd(first.root @ second.root.T, compute_uv=False).sum()
    return float(means @ means + trace - 2 * cross)


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Squared maximum mean discrepancy with the kernel ``(x.y / width + 1)^3``, unbiased, so it may fall below zero."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    width = first.shape[1]

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / width + 1) ** 3

    def within(x: np.ndarray) -> float:
        values = kernel(x, x)
        return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))

    return within(first) + within(second) - 2 * float(kernel(first, second).mean())


def frechet_over_people(
    generated: Sequence[np.ndarray], real: Sequence[np.ndarray], *, seed: int, replicates: int = 100
) -> Measured:
    """Frechet distance of all generated to all real pictures, and its interval over people.

    A draw repeats people and so has fewer different pictures, which raises the distance: the interval is widened to
    hold the value itself.

    Args:
        generated: per person ``(pictures, width)``; a person may have none.
        real: per person ``(photos, width)``.
    """

    def photos(chosen: Sequence[int]) -> Spread | None:
        return _spread(real, chosen)

    return _over_people(generated, photos, seed=seed, replicates=replicates)


def frechet_to_others(generated: Sequence[np.ndarray], others: Spread, *, seed: int, replicates: int = 100) -> Measured:
    """Frechet distance to pictures of other people, who stay the same when people are drawn; see
    :func:`frechet_over_people`.
    """
    return _over_people(generated, lambda chosen: others, seed=seed, replicates=replicates)


def _over_people(
    generated: Sequence[np.ndarray], asked: Callable[[Sequence[int]], Spread | None], *, seed: int, replicates: int
) -> Measured:
    def distance(chosen: Sequence[int]) -> float:
        drawn, photos = _spread(generated, chosen), asked(chosen)
        return np.nan if drawn is None or photos is None else frechet_distance(drawn, photos)

    value = distance(range(len(generated)))
    if np.isnan(value):
        return Measured(np.nan, np.nan, np.nan)
    draws = draw_people(len(generated), seed=seed, replicates=replicates)
    found = interval(value, np.array([distance(draw) for draw in draws]))
    return Measured(value, min(value, found.low), max(value, found.high))


def _spread(people: Sequence[np.ndarray], chosen: Sequence[int]) -> Spread | None:
    """Of the chosen people's features; None where there are too few."""
    features = [people[number] for number in chosen if len(people[number])]
    return spread_of(np.concatenate(features)) if sum(map(len, features)) > 1 else None
