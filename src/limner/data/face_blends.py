"""Training faces for an encoder: jittered, mirrored, degraded, half of them blends of two people.

A few thousand people are too few to learn what tells people apart. A blend of two aligned faces is a new face to a
recogniser, which can say what it makes of it, so blends widen the set at the cost of one call each.
"""

import cv2
import numpy as np

SIDE = 112


def blended_faces(crops: np.ndarray, count: int, seed: int) -> np.ndarray:
    """``count`` training faces ``(count, 112, 112, 3)`` uint8 from aligned ``crops``: jittered, mirrored, half of
    them blends."""
    rng = np.random.default_rng(seed)
    faces = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for i in range(count):
        first, second = (_jittered(crops[rng.integers(len(crops))], rng) for _ in range(2))
        kind = rng.random()
        if kind < 0.3:
            share = rng.uniform(0.35, 0.65)
            first = cv2.addWeighted(first, share, second, 1 - share, 0)
        elif kind < 0.5:
            ramp = np.clip((np.arange(SIDE) - rng.uniform(35, 85)) / 24 + 0.5, 0, 1)[:, None, None]
            first = (first * ramp + second * (1 - ramp)).astype(np.uint8)
        faces[i] = _degraded(first, rng)
    return faces


def _jittered(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.normal(0, 2), rng.normal(1, 0.02))
    matrix[:, 2] += rng.normal(0, 1.0, 2)
    moved = cv2.warpAffine(crop, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved[:, ::-1] if rng.random() < 0.5 else moved


def _degraded(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light, contrast and colour changes; sometimes grey, blurred or small, as real photos are."""
    gain, offset = rng.normal(1, 0.15), rng.normal(0, 12)
    changed = np.clip(face.astype(np.float32) * gain * rng.normal(1, 0.04, 3) + offset, 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        changed = np.repeat(cv2.cvtColor(changed, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if rng.random() < 0.25:
        small = int(rng.integers(32, 80))
        changed = cv2.resize(cv2.resize(changed, (small, small), interpolation=cv2.INTER_AREA), (SIDE, SIDE))
    return changed
