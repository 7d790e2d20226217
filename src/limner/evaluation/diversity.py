"""How different the pictures of one person and one sentence are: pairwise distance, spread of pose and expression."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np


def mean_pairwise(distances: np.ndarray) -> float:
    """Mean over the pairs of a symmetric matrix ``(items, items)``; not a number below two items."""
    if len(distances) < 2:
        return float("nan")
    return float(distances[np.triu_indices(len(distances), k=1)].mean())


def pixel_distances(crops: Sequence[np.ndarray]) -> np.ndarray:
    """Mean absolute difference of RGB uint8 crops of one size, ``(crops, crops)``, 1 is black against white."""
    distances = np.zeros((len(crops), len(crops)))
    for first, second in combinations(range(len(crops)), 2):
        apart = np.abs(crops[first].astype(np.float32) - crops[second].astype(np.float32)).mean() / 255
        distances[first, second] = distances[second, first] = apart
    return distances


def spread(values: Sequence[float]) -> float:
    """Standard deviation (n - 1); not a number below two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
