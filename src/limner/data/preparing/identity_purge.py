"""Photos under the wrong name: the one least like the person's medoid goes, again and again, until all are like it."""

import numpy as np


def medoid(vectors: np.ndarray) -> int:
    """The row of unit vectors ``(photos, dim)`` that is on average most like the others; the first among equals."""
    return int((vectors @ vectors.sum(axis=0)).round(6).argmax())


def strangers(vectors: np.ndarray, *, threshold: float) -> list[int]:
    """Rows that show somebody else, in the order of their leaving.

    The medoid is found anew after each, so that a folder with many strangers converges on its largest group. Of two
    photos that disagree the first stays: nothing tells which of them is right, and a single photo is one person.

    Args:
        vectors: unit embeddings ``(photos, dim)`` of one supposed person.
        threshold: cosine to the medoid below which a photo shows somebody else; ``settings.py`` has what was measured.
    """
    remaining = list(range(len(vectors)))
    gone: list[int] = []
    while len(remaining) > 1:
        left = vectors[remaining]
        similarities = left @ left[medoid(left)]
        worst = int(similarities.argmin())
        if similarities[worst] >= threshold:
            break
        gone.append(remaining.pop(worst))
    return gone
