"""Photos that are copies of each other: re-encoded, resized, slightly retouched.

A perceptual hash (Zauner 2010): signs of the lowest frequencies of the small grey picture. ``imagehash`` has the
same, but brings scipy and PyWavelets; with OpenCV at hand it is three lines.
"""

from collections.abc import Sequence

import cv2
import numpy as np

_SIDE, _FREQUENCIES = 32, 12
HASH_BITS = _FREQUENCIES * _FREQUENCIES - 1


def perceptual_hash(image: np.ndarray) -> str:
    """The hash of an RGB uint8 picture as hexadecimal digits; take the picture around the face, so that a copy with
    other margins has the same."""
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(grey.astype(np.float32))[:_FREQUENCIES, :_FREQUENCIES].ravel()[1:]
    return np.packbits(waves > np.median(waves)).tobytes().hex()


def bits_apart(first: str, second: str) -> int:
    """In how many of the ``HASH_BITS`` two hashes differ."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


def copies(hashes: Sequence[str], *, most_bits: int) -> list[int | None]:
    """For each picture the earlier one it is a copy of, None if it is the first of its kind.

    Args:
        hashes: best pictures first, for the first of its kind is the one to keep.
        most_bits: pictures whose hashes differ in more are different pictures.
    """
    kept: list[int] = []
    answers: list[int | None] = []
    for number, one in enumerate(hashes):
        original = next((other for other in kept if bits_apart(one, hashes[other]) <= most_bits), None)
        answers.append(original)
        if original is None:
            kept.append(number)
    return answers
