"""What an adapter does to the base model's own picture of the same seed and words, on the face and beside it."""

import numpy as np


def change(before: np.ndarray, after: np.ndarray, face: np.ndarray) -> tuple[float, float]:
    """How far two pictures differ, (inside, outside) the face: mean absolute difference, 1 is black against white.

    Not a number where a side of the mask is empty.

    Args:
        before: RGB uint8 ``(height, width, 3)``.
        after: the same.
        face: bool ``(height, width)``.
    """
    differences = np.abs(before.astype(np.float32) - after.astype(np.float32)).mean(axis=-1) / 255
    inside, outside = differences[face], differences[~face]
    return (
        float(inside.mean()) if inside.size else float("nan"),
        float(outside.mean()) if outside.size else float("nan"),
    )


def either_face(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    """Where one of two pictures has its face; None if neither has one.

    Both count, because a face that moved uncovers background.
    """
    if first is None or second is None:
        return first if second is None else second
    return first | second
