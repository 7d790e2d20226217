"""The one place where the service writes pictures that it drew."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np

from limner.core.images import write_png


def write_picture(path: Path, image: np.ndarray, *, about: Mapping[str, str]) -> None:
    """Write a finished picture, whole or not at all.

    Args:
        path: a PNG.
        image: RGB uint8 (height, width, 3).
        about: how it was made: what may be public of model, settings and seed.
    """
    write_png(path, image, text={"Software": f"Limner {version('limner')}", **about})
