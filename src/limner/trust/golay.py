"""The extended binary Golay code: 12 bits as 24 signs that differ from any other word's in at least 8 places.

Decoding is by maximum likelihood: every one of the 4096 words is compared with what was received.
Source: M. J. E. Golay, "Notes on digital coding", Proc. IRE 37, 1949.
"""

from functools import cache

import numpy as np

INFORMATION_BITS = 12
WORD_LENGTH = 24
_GENERATOR = 0b101011100011  # x^11 + x^9 + x^7 + x^6 + x^5 + x + 1


def encode(number: int, blocks: int) -> np.ndarray:
    """Signs +1 and -1 as float64 (24 * blocks,) of a number of 12 * blocks bits, lowest bits first."""
    parts = [number >> (INFORMATION_BITS * block) & 0xFFF for block in range(blocks)]
    return _codebook()[parts].reshape(-1)


def decode(received: np.ndarray) -> int:
    """The number whose words lie nearest to ``received``, float (24 * blocks,), positive for +1."""
    likeness = received.reshape(-1, WORD_LENGTH) @ _codebook().T
    parts = likeness.argmax(axis=1)
    return sum(int(part) << (INFORMATION_BITS * block) for block, part in enumerate(parts))


@cache
def _codebook() -> np.ndarray:
    """Every word as signs, (4096, 24), in the order of what it stands for."""
    words = np.array([_word(number) for number in range(1 << INFORMATION_BITS)])
    bits = words[:, None] >> np.arange(WORD_LENGTH) & 1
    book = 1.0 - 2.0 * bits
    book.flags.writeable = False
    return book


def _word(number: int) -> int:
    """Information, remainder and parity: systematic, 23 bits of the perfect code and one that makes the sum even."""
    remainder = number << 11
    for shift in range(INFORMATION_BITS - 1, -1, -1):
        if remainder >> (shift + 11) & 1:
            remainder ^= _GENERATOR << shift
    word = number << 11 | remainder
    return word << 1 | word.bit_count() & 1
