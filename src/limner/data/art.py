"""Deterministic picture edits with a word for each: art styles by filters, and exchanged backgrounds.

They widen what the miniature's captions can ask for without a second generator. Pictures are ``(height, width, 3)``
RGB uint8.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch

BACKGROUND_COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (238, 238, 235),
    "grey": (138, 140, 142),
    "black": (22, 22, 24),
    "blue": (60, 105, 190),
    "green": (70, 140, 75),
    "red": (180, 50, 45),
    "yellow": (225, 195, 70),
    "brown": (115, 82, 55),
    "pink": (230, 150, 180),
    "purple": (120, 75, 155),
}


def pencil(image: np.ndarray) -> np.ndarray:
    """Dodge-and-burn line drawing."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    blurred = cv2.GaussianBlur(255 - grey, (0, 0), image.shape[0] / 32)
    return _grey(cv2.divide(grey, 255 - blurred, scale=235))


def oil(image: np.ndarray) -> np.ndarray:
    """Flat strokes: repeated median filtering, stronger colours."""
    painted = image
    for _ in range(2):
        painted = cv2.medianBlur(painted, 7)
    hsv = cv2.cvtColor(painted, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 1] = np.clip(hsv[..., 1] * 1.45, 0, 255)
    hsv[..., 2] = np.clip((hsv[..., 2] - 128) * 1.1 + 128, 0, 255)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


def monochrome(image: np.ndarray) -> np.ndarray:
    return _grey(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def sepia(image: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
    return np.clip(grey * np.array([1.07, 0.84, 0.62]) + np.array([12, 6, 0]), 0, 255).astype(np.uint8)


def poster(image: np.ndarray) -> np.ndarray:
    """Four levels a channel with strong colours."""
    smooth = cv2.bilateralFilter(image, 7, 60, 7)
    levels = np.round(smooth.astype(np.float32) / 85) * 85
    hsv = cv2.cvtColor(levels.astype(np.uint8), cv2.COLOR_RGB2HSV)
    hsv[..., 1] = np.clip(hsv[..., 1].astype(np.float32) * 1.7, 0, 255).astype(np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def watercolour(image: np.ndarray) -> np.ndarray:
    """Washed, light areas with faint edges."""
    smooth = image
    for _ in range(3):
        smooth = cv2.bilateralFilter(smooth, 9, 45, 9)
    return np.clip(smooth.astype(np.float32) * 0.72 + 78, 0, 255).astype(np.uint8)


STYLES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pencil": pencil,
    "oil": oil,
    "monochrome": monochrome,
    "sepia": sepia,
    "poster": poster,
    "watercolour": watercolour,
}
"""Style name of the caption grammar -> filter."""


def exchange_background(image: np.ndarray, person_mask: np.ndarray, colour: str, rng: torch.Generator) -> np.ndarray:
    """Put the person before a wall of ``colour`` with a random light gradient.

    Args:
        image: the picture.
        person_mask: ``(height, width)`` in [0, 1], 1 on the person.
        colour: a key of ``BACKGROUND_COLOURS``.
        rng: source of the gradient's direction and of the tint.
    """
    height, width = person_mask.shape
    tint, angle = torch.rand(3, generator=rng).numpy() * 24 - 12, float(torch.rand((), generator=rng)) * 2 * np.pi
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    shade = 1 + 0.14 * (np.cos(angle) * columns + np.sin(angle) * rows)
    wall = np.clip((np.array(BACKGROUND_COLOURS[colour]) + tint) * shade[..., None], 0, 255)
    soft = cv2.GaussianBlur(person_mask.astype(np.float32), (0, 0), height / 128)[..., None]
    return (image * soft + wall * (1 - soft)).round().astype(np.uint8)


def _grey(channel: np.ndarray) -> np.ndarray:
    return np.repeat(channel[..., None], 3, axis=2)
