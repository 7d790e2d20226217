"""Copy-paste: does a picture repeat the reference, or show the person anew? MultiID-Bench's measure (peers.md 2.1)."""

import numpy as np

SMALLEST_ANGLE = 1e-3
"""Radians; two photos nearer than this are one photo."""


def angle(cosine: np.ndarray) -> np.ndarray:
    """Radians in [0, pi]."""
    return np.arccos(np.clip(cosine, -1.0, 1.0))


def copy_paste(generated: np.ndarray, targets: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Angle to the target minus angle to the reference, over the angle between the two.

    1 where the reference was pasted, -1 where the target was drawn, about 0 where neither is nearer. Strangers score
    about 0, too: compare methods only where the similarity to the target is high.

    Args:
        generated: ``(pictures, dim)`` of unit length.
        targets: ``(photos, dim)``, other photos of the person.
        reference: ``(dim,)``, the photo the generator saw.

    Returns:
        ``(pictures, photos)``.
    """
    to_target = angle(generated @ targets.T)
    to_reference = angle(generated @ reference)
    apart = np.maximum(angle(targets @ reference), SMALLEST_ANGLE)
    return (to_target - to_reference[:, None]) / apart[None, :]
