"""Limner's own watermark: no weights, no training, found again after JPEG compression and at half the size.

The picture's brightness is seen as cosine waves; of the slowest 64 x 64 waves a ring is used, so that the size of the
picture does not matter. Each of 96 fixed patterns over that ring carries one sign of the message. The writer knows the
picture, so it moves each pattern's sum just far enough to the right side, and it chooses, among 1024 masked spellings
of the same message, the one that asks for the least change. The reader needs neither picture nor spelling.

Sources: Malvar and Florencio, "Improved spread spectrum", IEEE Trans. Signal Processing 51, 2003 (moving by what the
picture already holds); Miller, Doerr and Cox, "Applying informed coding and embedding", IEEE Trans. Image Processing
13, 2004 (many spellings of one message). Cropping, turning and mirroring destroy the mark.
"""

import hashlib

import numpy as np

from limner.trust import golay
from limner.trust.watermark import PAYLOAD_BITS, check_payload

BLOCKS = 4
SPELLING_BITS = 10
CHECK_BITS = golay.INFORMATION_BITS * BLOCKS - SPELLING_BITS - PAYLOAD_BITS
MESSAGE_BITS = PAYLOAD_BITS + CHECK_BITS
WAVES = 64
RING = (18.0, 48.0)
"""Slowest and fastest wave of the ring, in half periods per picture: below lie the shapes of a face, above what a
128 px picture loses when it is halved."""
TILT = 2.5
"""Patterns grow with this power of the wave's number, since photos hold less of fast waves."""
LUMA = np.array([0.299, 0.587, 0.114])
PSNR, LEAST_PSNR = 41.0, 36.0
"""How much a picture is changed, in decibels, rounding to whole grey levels left aside; and how much at most where its
texture is so strong that the first leaves too little margin."""
LEAST_MARGIN, MOST_MARGIN = 4.0, 14.0
"""How far sums are moved beyond 0, in grey levels of a 64 px picture; measured in benchmarks/marks.py."""
WANTED_MARGIN = 6.0
"""Which spelling asks for least is judged at this margin."""
ROUNDS = 3
"""Rounding and clipping to 0..255 take some of the mark back; it is put in again this often."""


class SpreadSpectrum:
    """See :class:`~limner.trust.watermark.Watermark`; about 10 ms at 128 px."""

    name = "app.limner.spread-spectrum.1"
    false_alarm = 2.0**-CHECK_BITS

    def __init__(self) -> None:
        row, column = np.mgrid[:WAVES, :WAVES]
        speed = np.hypot(row, column)
        self._ring = (speed >= RING[0]) & (speed < RING[1])
        self._patterns = _patterns(speed[self._ring])
        masks = np.frombuffer(_stream("masks", 8 << SPELLING_BITS), ">u8").astype(np.uint64)
        self._masks = [int(mask) & ((1 << MESSAGE_BITS) - 1) for mask in masks]

    def embed(self, image: np.ndarray, payload: int) -> np.ndarray:
        check_payload(payload)
        sums = self._sums(image)
        signs = self._best_spelling(_with_check(payload), sums)
        agreement = signs * sums
        margin = max(_margin(agreement, PSNR), min(LEAST_MARGIN, _margin(agreement, LEAST_PSNR)))
        height, width, _ = image.shape
        change = np.zeros((height, width))
        marked = image
        for _ in range(ROUNDS):
            needed = signs * np.maximum(0.0, margin - signs * self._sums(marked))
            change += self._waves(needed, height, width)
            marked = np.clip(np.rint(image + change[..., None]), 0, 255).astype(np.uint8)
        return marked

    def read(self, image: np.ndarray) -> int | None:
        number = golay.decode(self._sums(image))
        spelling = number & ((1 << SPELLING_BITS) - 1)
        message = (number >> SPELLING_BITS) ^ self._masks[spelling]
        payload = message >> CHECK_BITS
        return payload if message == _with_check(payload) else None

    def _sums(self, image: np.ndarray) -> np.ndarray:
        """What each pattern finds in a picture, float64 (96,), in grey levels of a 64 px picture."""
        brightness = image.astype(np.float64) @ LUMA
        height, width = brightness.shape
        waves = np.zeros((WAVES, WAVES))
        rows, columns = min(WAVES, height), min(WAVES, width)
        waves[:rows, :columns] = _cosines(height) @ brightness @ _cosines(width).T
        return self._patterns @ waves[self._ring] * (WAVES / np.sqrt(height * width))

    def _waves(self, sums: np.ndarray, height: int, width: int) -> np.ndarray:
        """The smallest change of brightness, float64 (height, width), that adds ``sums``."""
        waves = np.zeros((WAVES, WAVES))
        waves[self._ring] = self._patterns.T @ sums * (np.sqrt(height * width) / WAVES)
        rows, columns = min(WAVES, height), min(WAVES, width)
        return _cosines(height).T @ waves[:rows, :columns] @ _cosines(width)

    def _best_spelling(self, message: int, sums: np.ndarray) -> np.ndarray:
        """Signs (96,) of the spelling that the picture is nearest to."""
        numbers = [(message ^ mask) << SPELLING_BITS | spelling for spelling, mask in enumerate(self._masks)]
        words = np.array([golay.encode(number, BLOCKS) for number in numbers])
        asked = np.maximum(0.0, WANTED_MARGIN - words * sums)
        return words[(asked**2).sum(axis=1).argmin()]


def _patterns(speed: np.ndarray) -> np.ndarray:
    """96 orthonormal rows over the ring, from a fixed stream of signs; the same on every machine."""
    count, length = golay.WORD_LENGTH * BLOCKS, len(speed)
    bits = np.unpackbits(np.frombuffer(_stream("patterns", -(-count * length // 8)), np.uint8))[: count * length]
    tilted = (1.0 - 2.0 * bits.reshape(count, length)) * (speed / RING[1]) ** TILT
    # The symmetric root of the rows' products leaves no choice of sign or order to the linear algebra library.
    values, vectors = np.linalg.eigh(tilted @ tilted.T)
    return (vectors / np.sqrt(values)) @ vectors.T @ tilted


def _margin(agreement: np.ndarray, psnr: float) -> float:
    """The largest margin whose change stays within ``psnr``; found by halving."""
    allowed = 255.0**2 * WAVES**2 * 10 ** (-psnr / 10)
    low, high = -np.abs(agreement).max(), MOST_MARGIN
    for _ in range(24):
        middle = (low + high) / 2
        fits = (np.maximum(0.0, middle - agreement) ** 2).sum() <= allowed
        low, high = (middle, high) if fits else (low, middle)
    return float(low)


def _cosines(length: int) -> np.ndarray:
    """The orthonormal cosine waves of a line of pixels, slowest first, (at most 64, length)."""
    number, place = np.mgrid[: min(WAVES, length), :length]
    waves = np.cos(np.pi * number * (2 * place + 1) / (2 * length)) * np.sqrt(2 / length)
    waves[0] /= np.sqrt(2)
    return waves


def _with_check(payload: int) -> int:
    digest = hashlib.sha256(payload.to_bytes(PAYLOAD_BITS // 8, "big")).digest()
    return payload << CHECK_BITS | int.from_bytes(digest[:4], "big") >> (32 - CHECK_BITS)


def _stream(purpose: str, length: int) -> bytes:
    return hashlib.shake_256(f"limner spread spectrum 1 {purpose}".encode()).digest(length)
