"""Training variants of one record: the picture as it is, and mirrored with, often, another background or an art
style."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from limner.data.art import BACKGROUND_COLOURS, STYLES, exchange_background
from limner.data.captions import Traits, describe
from limner.data.record import FaceRecord
from limner.faces.parsing import ParsingLabel, region_mask

NUM_VARIANTS = 2
BACKGROUND_SHARE, STYLE_SHARE = 0.45, 0.35
_MIRRORED = {"left": "right", "right": "left"}


@dataclass(frozen=True, eq=False)
class Variant:
    """``picture`` ``(pixels, pixels, 3)`` RGB uint8, ``face_mask`` ``(pixels, pixels)`` float32 in [0, 1], what is to
    be seen."""

    picture: np.ndarray
    face_mask: np.ndarray
    traits: Traits


def variants_of(record: FaceRecord, *, pixels: int, rng: torch.Generator) -> list[Variant]:
    """``NUM_VARIANTS`` variants of a record at ``pixels`` a side."""
    image = cv2.resize(record.image, (pixels, pixels), interpolation=cv2.INTER_AREA)
    labels = cv2.resize(record.labels, (pixels, pixels), interpolation=cv2.INTER_NEAREST)
    traits = describe(record.numbers, age_years=record.age_years, male=record.male)
    face = _dilated(region_mask(labels, "face"))
    mirrored, edited = image[:, ::-1], mirrored_traits(traits)
    if float(torch.rand((), generator=rng)) < BACKGROUND_SHARE:
        colour = list(BACKGROUND_COLOURS)[int(torch.randint(len(BACKGROUND_COLOURS), (), generator=rng))]
        person = (labels[:, ::-1] != ParsingLabel.BACKGROUND).astype(np.float32)
        mirrored, edited = exchange_background(mirrored, person, colour, rng), replace(edited, background=colour)
    if float(torch.rand((), generator=rng)) < STYLE_SHARE:
        style = list(STYLES)[int(torch.randint(len(STYLES), (), generator=rng))]
        mirrored, edited = STYLES[style](np.ascontiguousarray(mirrored)), _restyled(edited, style)
    return [
        Variant(image, face, traits),
        Variant(np.ascontiguousarray(mirrored), np.ascontiguousarray(face[:, ::-1]), edited),
    ]


def mirrored_traits(traits: Traits) -> Traits:
    """Traits of the mirror image."""
    return replace(
        traits,
        direction=_MIRRORED.get(traits.direction or "", traits.direction),
        light=_MIRRORED.get(traits.light or "", traits.light),
    )


def _restyled(traits: Traits, style: str) -> Traits:
    """A style without colour says nothing of colours."""
    if style in ("pencil", "monochrome", "sepia"):
        return replace(traits, style=style, background=None, hair=None, light=None)
    return replace(traits, style=style, light=None)


def _dilated(mask: np.ndarray) -> np.ndarray:
    """The face, widened by a twentieth of its side, as FACT's own mask is (``fact.md`` 1.1 step 4)."""
    side = max(int(np.sqrt(mask.sum()) / 20), 1)
    return cv2.dilate(mask.astype(np.float32), np.ones((2 * side + 1, 2 * side + 1), np.uint8))
