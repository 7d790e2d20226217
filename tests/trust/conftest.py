"""Pictures to mark."""

import numpy as np
import pytest
from PIL import Image

from limner.core.assets import asset_path
from limner.core.images import read_image


@pytest.fixture(scope="session")
def face() -> np.ndarray:
    """The packaged portrait at the miniature's size, RGB uint8 (128, 128, 3); not to be changed."""
    picture = Image.fromarray(read_image(asset_path("example/person.jpg")))
    return np.asarray(picture.resize((128, 128), Image.Resampling.LANCZOS))
