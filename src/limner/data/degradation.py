"""What happens to pictures on their way: compression and noise. Every random number comes from the generator."""

import cv2
import numpy as np
import torch

JPEG_SHARE, LOWEST_JPEG_QUALITY = 0.3, 60
LARGEST_NOISE = 4.0
"""Deviation of pixel noise, of 255."""


def lightly_degraded(picture: np.ndarray, rng: torch.Generator) -> np.ndarray:
    """RGB uint8 ``(height, width, 3)``: sometimes compressed, always with a little noise."""
    if _uniform(rng) < JPEG_SHARE:
        quality = round(LOWEST_JPEG_QUALITY + _uniform(rng) * (95 - LOWEST_JPEG_QUALITY))
        picture = compressed(picture, quality)
    noise = torch.randn(picture.shape, generator=rng).numpy() * (_uniform(rng) * LARGEST_NOISE)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def resized(picture: np.ndarray, side: int) -> np.ndarray:
    """A square RGB uint8 picture at another size, each pixel the mean of those it stands for."""
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def compressed(picture: np.ndarray, quality: int) -> np.ndarray:
    """RGB uint8 as it comes back from a JPEG file of that quality, 1 to 100."""
    bgr = np.ascontiguousarray(picture[..., ::-1])
    code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    read = cv2.imdecode(code, cv2.IMREAD_COLOR)
    assert read is not None  # it was written just now
    return np.ascontiguousarray(read[..., ::-1])


def _uniform(rng: torch.Generator) -> float:
    return float(torch.rand((), generator=rng))
