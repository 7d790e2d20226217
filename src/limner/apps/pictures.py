"""Pictures cut to a size."""

import numpy as np
from PIL import Image, ImageOps


def fitted(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of a picture, scaled to fill a size without being distorted.

    Args:
        picture: RGB uint8 (rows, columns, 3).

    Returns:
        RGB uint8 (height, width, 3); the same pixels where the size is right already.
    """
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(ImageOps.fit(Image.fromarray(picture), (width, height), Image.Resampling.LANCZOS))
