"""What a picture says about itself, and whether it is true: for everybody's pictures, not only Limner's."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from limner.core.errors import ImageError
from limner.core.images import MAX_PIXELS, read_image
from limner.trust.keys import anchors
from limner.trust.provenance import Manifest, mime_of, read_manifest
from limner.trust.watermark import watermarks

Status = Literal["marked", "unmarked", "broken"]
GIVEN = "the given picture"
"""The name of a picture of which only bytes were given."""


@dataclass(frozen=True)
class FoundWatermark:
    """A number read from the pixels.

    Attributes:
        name: of the watermark.
        number: six hexadecimal digits.
        false_alarm: probability that such a number is read from a picture without one.
    """

    name: str
    number: str
    false_alarm: float


@dataclass(frozen=True)
class Verdict:
    """What was found in one picture.

    Attributes:
        file: as it was given.
        status: "marked" by a whole manifest or a watermark; "broken" if a manifest does not belong to these pixels;
            "unmarked" otherwise, which does not say that no model drew it.
        problems: why it is broken, in words; empty otherwise.
        manifest: what the file says about itself, None if it says nothing or cannot be read.
        watermark: None if there is none.
    """

    file: str
    status: Status
    problems: tuple[str, ...]
    manifest: Manifest | None
    watermark: FoundWatermark | None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        told = asdict(self)
        if self.manifest is not None and self.manifest.making is not None:
            told["manifest"]["making"] = self.manifest.making.model_dump(mode="json")
        return told


def check_picture(picture: str | os.PathLike[str] | bytes, *, max_pixels: int = MAX_PIXELS) -> Verdict:
    """Look at manifest and watermark of a picture.

    Args:
        picture: a file, or the bytes of one.
        max_pixels: largest width times height.

    Raises:
        ImageTooLargeError: it has too many pixels.
        ImageError: it is missing or no picture.
        ConfigError: a configured certificate is broken.
    """
    pixels = read_image(picture, max_pixels=max_pixels)
    data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    mime = mime_of(data)
    manifest, problems = None, []
    try:
        manifest = None if mime is None else read_manifest(data, mime, anchors())
    except ImageError as error:
        problems.append(str(error))
    watermark = next(
        (
            FoundWatermark(mark.name, f"{number:06x}", mark.false_alarm)
            for mark in watermarks()
            if (number := mark.read(pixels)) is not None
        ),
        None,
    )
    if manifest is not None:
        problems += [_in_words(code) for code in manifest.problems]
        problems += _contradiction(manifest, watermark)
    found = manifest is not None or watermark is not None
    status: Status = "broken" if problems else "marked" if found else "unmarked"
    name = GIVEN if isinstance(picture, bytes) else str(picture)
    return Verdict(name, status, tuple(dict.fromkeys(problems)), manifest, watermark)


def _contradiction(manifest: Manifest, watermark: FoundWatermark | None) -> list[str]:
    """A manifest that was moved to another marked picture."""
    if manifest.watermark is None or watermark is None or manifest.watermark == (watermark.name, watermark.number):
        return []
    return [f"its manifest belongs to picture {manifest.watermark[1]}, the pixels are those of {watermark.number}"]


def _in_words(code: str) -> str:
    told = {
        "assertion.dataHash.mismatch": "the picture was changed after it was signed",
        "assertion.hashedURI.mismatch": "what the manifest says was changed after it was signed",
        "claimSignature.mismatch": "the signature does not fit the manifest",
        "signingCredential.invalid": "the signer's certificate may not sign pictures",
        "signingCredential.expired": "the signer's certificate was not valid on that day",
    }
    return f"{told[code]} ({code})" if code in told else f"the manifest is not in order ({code})"
