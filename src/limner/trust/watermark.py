"""A sign in the pixels that nobody sees: what every watermark of Limner can do, and which one is used."""

from functools import cache
from typing import Protocol

import numpy as np

from limner.core.errors import ConfigError

PAYLOAD_BITS = 24


class Watermark(Protocol):
    """Hides a number of 24 bits in a picture.

    Attributes:
        name: as it stands in the manifest.
        false_alarm: probability that :meth:`read` finds a number in a picture that has none.
    """

    name: str
    false_alarm: float

    def embed(self, image: np.ndarray, payload: int) -> np.ndarray:
        """The picture with the mark, RGB uint8 (height, width, 3) like the one given, which stays as it is.

        Raises:
            ConfigError: the payload has more than 24 bits.
        """
        ...

    def read(self, image: np.ndarray) -> int | None:
        """The number in an RGB uint8 picture, None if there is none."""
        ...


def watermarks() -> "tuple[Watermark, ...]":
    """Those that can be read here; the first is the one that new pictures get.

    TrustMark comes first where its package and its weights are present; nothing is ever downloaded.
    """
    from limner.trust.trustmark import present_trustmark

    neural = present_trustmark()
    return (_spread(),) if neural is None else (neural, _spread())


def check_payload(payload: int) -> None:
    """Raise ConfigError unless it is a number of 24 bits."""
    if not 0 <= payload < 1 << PAYLOAD_BITS:
        raise ConfigError(f"the watermark's number is {payload}, expected 0 to {(1 << PAYLOAD_BITS) - 1}")


@cache
def _spread() -> Watermark:
    from limner.trust.spread import SpreadSpectrum

    return SpreadSpectrum()
