"""Writing pictures that say what they are: one helper for everything that leaves Limner."""

import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from limner.core.files import replacing
from limner.core.images import encode_png
from limner.trust import audit
from limner.trust.keys import signing_keys
from limner.trust.making import Making, Source
from limner.trust.provenance import sign
from limner.trust.settings import TrustSettings
from limner.trust.watermark import PAYLOAD_BITS, Watermark, watermarks

LARGEST_REGION_ERROR = 255**2 / 10**3.6
"""Mean squared change within a region, 36 dB: what the watermark allows itself in pictures of strong texture."""


@dataclass(frozen=True)
class MarkedPicture:
    """A PNG file that is ready to be written or sent.

    Attributes:
        data: its bytes.
        number: of the watermark, by which the audit log finds the picture; six hexadecimal digits.
    """

    data: bytes
    number: str


def save_picture(
    path: str | os.PathLike[str],
    image: np.ndarray,
    making: Making,
    *,
    source: Source | None = None,
    region: np.ndarray | None = None,
) -> MarkedPicture:
    """Write a PNG with watermark and signed manifest, whole or not at all, and say so in the audit log.

    Args:
        path: the file to write; missing folders are made.
        image: RGB uint8 (height, width, 3), without a watermark yet.
        making: what everybody may know about it.
        source: the picture that a composite was made from; a manifest that it has is kept inside.
        region: bool (height, width) that the watermark stays inside; where it is too small to hide one, there is none.
            The whole picture if None.

    Raises:
        InputError: the file, the keys or the log cannot be written.
        ConfigError: the signing certificate or the settings are wrong.
        ImageError: the source cannot be read.
    """
    marked = mark_picture(image, making, source=source, region=region)
    with replacing(path) as temporary:
        temporary.write_bytes(marked.data)
    return marked


def mark_picture(
    image: np.ndarray, making: Making, *, source: Source | None = None, region: np.ndarray | None = None
) -> MarkedPicture:
    """The same without a file, for services; see :func:`save_picture`.

    The pixels depend on the picture and on ``making`` alone. The manifest differs from call to call: it holds an
    identifier and salts by chance, as C2PA asks for.
    """
    settings = TrustSettings.current()
    number = picture_number(image, making)
    watermark = watermarks()[0] if settings.watermark else None
    pixels = None if watermark is None else _embedded(watermark, image, number, region)
    if pixels is None:
        watermark, pixels = None, image
    data = encode_png(pixels, text={"Software": f"Limner {version('limner')}"})
    if settings.manifest:
        promised = None if watermark is None else (watermark.name, number)
        data = sign(data, "image/png", making, signing_keys(), watermark=promised, source=source)
    named = f"{number:06x}"
    audit.record("picture", number=named, kind=making.kind, model=making.model, off=settings.off)
    return MarkedPicture(data, named)


def picture_number(image: np.ndarray, making: Making) -> int:
    """The watermark's number: the first 24 bits of a hash of picture and making."""
    digest = hashlib.sha256(making.model_dump_json().encode())
    digest.update(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes())
    return int.from_bytes(digest.digest()[: PAYLOAD_BITS // 8], "big")


def _embedded(watermark: Watermark, image: np.ndarray, number: int, region: np.ndarray | None) -> np.ndarray | None:
    """The picture with the number in it, None if the region cannot hold it without showing it."""
    if region is None:
        return watermark.embed(image, number)
    if not region.any():
        return None
    pixels = np.where(region[..., None], watermark.embed(image, number), image)
    change = pixels[region].astype(np.float64) - image[region]
    shows = np.square(change).mean() > LARGEST_REGION_ERROR
    return None if shows or watermark.read(pixels) != number else pixels
