"""Sorting faces into people: average-linkage clustering of unit embeddings.

For cosines, the average similarity between two groups is the product of their mean vectors, so no table of all pairs
is needed: nearest-neighbour chains (Benzécri 1982) find the same tree in memory for the vectors alone. scikit-learn
has the method, but keeps the table, and would be a dependency for this one function.
"""

import numpy as np


def cluster(vectors: np.ndarray, *, threshold: float) -> list[int]:
    """Number of the group of each row of unit vectors ``(faces, dim)``; groups are numbered by their first face.

    Two groups become one as long as the average similarity between their faces is at least ``threshold``.
    """
    means = vectors.astype(np.float64).copy()
    sizes = np.ones(len(vectors))
    open_groups = np.ones(len(vectors), bool)
    group_of = np.arange(len(vectors))
    chain: list[int] = []
    while open_groups.any():
        if not chain:
            chain.append(int(open_groups.argmax()))
        last = chain[-1]
        nearest, similarity = _nearest(means, open_groups, last, chain[-2] if len(chain) > 1 else None)
        if similarity < threshold:
            # Joining others never brings anybody nearer, so nothing will join this group any more.
            open_groups[chain.pop()] = False
        elif len(chain) > 1 and nearest == chain[-2]:
            first, second = sorted((chain.pop(), chain.pop()))
            total = sizes[first] + sizes[second]
            means[first] = (means[first] * sizes[first] + means[second] * sizes[second]) / total
            sizes[first] = total
            open_groups[second] = False
            group_of[group_of == second] = first
        else:
            chain.append(nearest)
    order = {group: number for number, group in enumerate(dict.fromkeys(group_of.tolist()))}
    return [order[group] for group in group_of.tolist()]


def _nearest(means: np.ndarray, open_groups: np.ndarray, one: int, preferred: int | None) -> tuple[int, float]:
    """The open group most like ``one`` and its similarity; among equals the preferred one, so that chains end."""
    similarities = np.where(open_groups, means @ means[one], -np.inf)
    similarities[one] = -np.inf
    best = int(similarities.argmax())
    if preferred is not None and similarities[preferred] >= similarities[best] - 1e-12:
        best = preferred
    return best, float(similarities[best])
