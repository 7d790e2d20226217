"""Pictures of one person: rows of one prompt with their own seeds, looked at afterwards, the best kept."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from limner.apps.control import Control
from limner.apps.drawing import Progress, Row, Structure, draw_rows
from limner.apps.pictures import fitted
from limner.apps.settings import PortraitSettings
from limner.identity.enrolment import Photo, read_photo
from limner.identity.identity import Identity

if TYPE_CHECKING:
    from limner.apps.studio import Studio

_NOBODY = -2.0  # below any cosine, where no face was found


@dataclass(frozen=True, eq=False)
class Portrait:
    """One picture.

    Attributes:
        image: RGB uint8 (height, width, 3).
        seed: draws this picture again, alone or among others, up to rounding in the last digits.
        similarity: cosine to the person by the guide, in [-1, 1]; None if no face was found or nobody was asked for.
            It tells whether a picture went wrong, not how good the model is: the guide took part in training.
        settings: what it was drawn with, nothing left open.
    """

    image: np.ndarray
    seed: int
    similarity: float | None
    settings: PortraitSettings


def draw_portraits(
    studio: "Studio",
    identity: Identity | None,
    settings: PortraitSettings,
    *,
    start: Photo | None,
    control: Control | None,
    progress: Progress | None,
) -> list[Portrait]:
    """See :meth:`limner.apps.studio.Studio.portrait`; the settings are complete."""
    assert settings.height is not None
    assert settings.width is not None
    size = settings.height, settings.width
    begin = None if start is None else fitted(read_photo(start, "the picture to start from"), *size)
    structure = None
    if control is not None:
        structure = Structure(control.network, control.picture(size, studio.analyzer), control.scale)
    prompt, negative = studio.words(settings)
    seeds = range(settings.seed, settings.seed + settings.count * settings.best_of)
    rows = [Row(prompt, seed, identity, negative_prompt=negative, start=begin) for seed in seeds]
    images = draw_rows(studio.assembly, rows, settings, size=size, structure=structure, progress=progress)
    similarities = [studio.similarity(image, identity) for image in images]
    portraits = [Portrait(*one, settings) for one in zip(images, seeds, similarities, strict=True)]
    if settings.best_of == 1:
        return portraits
    told = sorted(portraits, key=lambda one: _NOBODY if one.similarity is None else one.similarity, reverse=True)
    return told[: settings.count]
