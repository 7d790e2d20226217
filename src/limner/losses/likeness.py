"""Likeness: how far a recogniser's view of a predicted picture is from the person's."""

from torch import Tensor


def likeness_loss(embeddings: Tensor, aims: Tensor) -> Tensor:
    """Mean of 1 - cosine; 0 without rows.

    Args:
        embeddings: unit vectors ``(rows, dim)`` of what was predicted.
        aims: unit vectors ``(rows, dim)`` of the people.
    """
    distances = 1 - (embeddings.float() * aims.float()).sum(dim=1)
    return distances.sum() / max(len(distances), 1)
