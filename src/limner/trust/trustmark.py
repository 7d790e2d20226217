"""TrustMark (arXiv 2311.18297) where a user installed it and put its weights in place; it is never made to download.

Its function that removes watermarks is not offered.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from limner.trust.watermark import PAYLOAD_BITS, Watermark, check_payload

MODEL = "Q"
NEEDED = (f"trustmark_{MODEL}.yaml", f"encoder_{MODEL}.ckpt", f"decoder_{MODEL}.ckpt")
DATA_BITS = 61
"""What its strongest error correction leaves; behind the payload stands a fixed word, so that other people's marks
are not taken for Limner's."""
SIGNATURE = f"{0x4C696D6E:032b}"
FALSE_ALARM = 2.0 ** -len(SIGNATURE)


def present_trustmark() -> Watermark | None:
    """TrustMark, or None where the package or one of its files of weights is missing."""
    spec = find_spec("trustmark")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "models"
    return _loaded() if all((folder / name).is_file() for name in NEEDED) else None


class TrustMarkWatermark:
    """See :class:`~limner.trust.watermark.Watermark`.

    Args:
        networks: an object with the methods of ``trustmark.TrustMark``.
    """

    name = f"com.adobe.trustmark.{MODEL}"
    false_alarm = FALSE_ALARM

    def __init__(self, networks: Any) -> None:
        self._networks = networks

    def embed(self, image: np.ndarray, payload: int) -> np.ndarray:
        check_payload(payload)
        bits = f"{payload:0{PAYLOAD_BITS}b}{SIGNATURE}".ljust(DATA_BITS, "0")
        return np.asarray(self._networks.encode(Image.fromarray(image), bits, MODE="binary").convert("RGB"))

    def read(self, image: np.ndarray) -> int | None:
        bits, found, *_ = self._networks.decode(Image.fromarray(image), MODE="binary")
        if not found or bits[PAYLOAD_BITS : PAYLOAD_BITS + len(SIGNATURE)] != SIGNATURE:
            return None
        return int(bits[:PAYLOAD_BITS], 2)


@cache
def _loaded() -> Watermark:
    from importlib import import_module

    networks = import_module("trustmark").TrustMark(verbose=False, model_type=MODEL, loadRemover=False)
    return TrustMarkWatermark(networks)
