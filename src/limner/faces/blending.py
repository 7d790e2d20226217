"""Making a drawn face part of a picture: an opacity that ends with the region, colours that meet at its border."""

import cv2
import numpy as np

_SEAM = 0.05  # width of the strip along the border in which colours are compared, as a share of the square's side
_REACH = 0.15  # how far the correction at one place is taken from the border around it, likewise
_MOST = 48.0  # grey levels; a larger difference is hair beside skin, not another light
_EVERYWHERE = 1e-3  # share of the border's mean far from any border, where nearby weights vanish


def feathered(region: np.ndarray, width: float) -> np.ndarray:
    """Opacity of a region: 0 on every pixel outside, rising smoothly to 1 within `width` pixels inside.

    Args:
        region: bool (height, width).
        width: pixels from the border to full opacity; at most 1 is a hard edge.

    Returns:
        float32 (height, width) in 0 to 1.
    """
    inside = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5)
    ramp = np.clip(inside / max(width, 1.0), 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def match_seam(drawn: np.ndarray, original: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Shift the colours of what was drawn so that along the region's border they are those of the picture.

    The shift is the picture's difference in a strip along the border, spread inwards as a weighted mean of near places;
    it varies slowly, so features and shading stay.

    Args:
        drawn: RGB uint8 (side, side, 3).
        original: the same square of the picture, RGB uint8.
        region: bool (side, side), what was drawn anew.

    Returns:
        RGB uint8 (side, side, 3); `drawn` itself where the region has no border.
    """
    side = max(region.shape)
    strip = _border(region, max(round(_SEAM * side), 1))
    if not strip.any():
        return drawn
    difference = np.clip(original.astype(np.float32) - drawn, -_MOST, _MOST) * strip[..., None]
    mean = difference.sum(axis=(0, 1)) / strip.sum()
    near = cv2.GaussianBlur(difference, (0, 0), _REACH * side) + _EVERYWHERE * mean
    weight = cv2.GaussianBlur(strip.astype(np.float32), (0, 0), _REACH * side) + _EVERYWHERE
    return np.clip(np.rint(drawn + near / weight[..., None]), 0, 255).astype(np.uint8)


def _border(region: np.ndarray, width: int) -> np.ndarray:
    """bool (side, side), what lies within `width` pixels of the border on either side."""
    mask, kernel = region.astype(np.uint8), np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    return cv2.dilate(mask, kernel) != cv2.erode(mask, kernel)
