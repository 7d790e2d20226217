"""How far two sets of pictures are apart in the features of some network: Frechet distance, and kernel distance.

The Frechet distance (arXiv:1706.08500) falls with the number of pictures even where nothing else changes, so it is
never told without that number and compares methods only at equal numbers. The kernel distance (arXiv:1801.01401) has no
such bias. Own code, because torchmetrics and torch-fidelity get their features from torchvision or from weights that
are not to be had offline; the features here are of another network than Inception, so no value is comparable with a
published FID.
"""

from collections.abc import Sequence

import numpy as np

from limner.evaluation.intervals import Measured, draw_people, interval


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """``|m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2))`` of two sets of features ``(pictures, width)``, two or more each.

    The last trace is the sum of singular values of the centred sets' product, so no width x width matrix is formed.
    """
    centred, trace = [], 0.0
    for features in (first, second):
        features = features.astype(np.float64)
        centred.append((features - features.mean(axis=0)) / np.sqrt(len(features) - 1))
        trace += float((centred[-1] ** 2).sum())
    means = first.mean(axis=0, dtype=np.float64) - second.mean(axis=0, dtype=np.float64)
    cross = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
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
    if sum(map(len, generated)) < 2 or sum(map(len, real)) < 2:
        return Measured(np.nan, np.nan, np.nan)
    value = frechet_distance(np.concatenate(list(generated)), np.concatenate(list(real)))
    drawn = []
    for draw in draw_people(len(generated), seed=seed, replicates=replicates):
        chosen = [np.concatenate([people[number] for number in draw]) for people in (generated, real)]
        drawn.append(frechet_distance(*chosen) if min(map(len, chosen)) > 1 else np.nan)
    found = interval(value, np.array(drawn))
    return Measured(value, min(value, found.low), max(value, found.high))
