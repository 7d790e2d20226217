"""Putting people into a picture: find the places, draw each at the model's own size, lay what was drawn back."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from limner.apps.drawing import Progress, Row, draw_rows
from limner.apps.portrait_making import portrait_making, source_of
from limner.apps.settings import InpaintSettings
from limner.core.errors import NoFaceError
from limner.faces.face import Face
from limner.faces.places import Place, choose_faces, find_places
from limner.identity.enrolment import Photo, read_photo
from limner.identity.identity import Identity
from limner.trust.making import Making, Source
from limner.trust.marks import save_picture

if TYPE_CHECKING:
    from limner.apps.studio import Studio

_WHITE_FROM = 128


@dataclass(frozen=True, eq=False)
class Scene:
    """A template with people in it.

    Attributes:
        image: RGB uint8 (height, width, 3).
        seed: draws this picture again.
        similarities: per person the cosine of the face in their place by the guide, None where no face was found.
        region: bool (height, width), what may have changed; every other pixel is the template's.
        settings: what it was drawn with, nothing left open.
        making: what everybody may know about it.
        source: the template, for the manifest.
    """

    image: np.ndarray
    seed: int
    similarities: tuple[float | None, ...]
    region: np.ndarray
    settings: InpaintSettings
    making: Making
    source: Source

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a PNG that says what it is, the template's own manifest kept inside.

        The watermark stays inside the region too, so that every other pixel is the template's; where the region is too
        small to hold it, the manifest alone speaks.

        Raises:
            InputError: it cannot be written.
        """
        save_picture(path, self.image, self.making, source=self.source, region=self.region)


def inpaint(
    studio: "Studio",
    people: Sequence[Identity],
    template: Photo,
    settings: InpaintSettings,
    *,
    assign: Sequence[int] | None,
    mask: Photo | None,
    progress: Progress | None,
) -> list[Scene]:
    """See :meth:`limner.apps.studio.Studio.inpaint`; the settings are complete."""
    picture = read_photo(template, "the template")
    source = source_of(template, picture)
    allowed = None if mask is None else read_photo(mask, "the mask").mean(axis=2) >= _WHITE_FROM
    faces = _faces(studio, picture, str(template) if isinstance(template, str | os.PathLike) else "the template")
    targets = choose_faces(faces, len(people), assign)
    places = find_places(
        picture, faces, targets, studio.analyzer, side=studio.pixels, part=settings.region, mask=allowed
    )
    seeds = range(settings.seed, settings.seed + settings.count)
    shown = [person if settings.adapter_scale > 0 else None for person in people]
    words = [studio.words(settings, person) for person in shown]
    for person, (prompt, _) in zip(people, words, strict=True):
        studio.guard.request(prompt, person)
    rows = [
        Row(prompt, seed, person, negative_prompt=negative, start=place.square, mask=place.square_region)
        for seed in seeds
        for person, place, (prompt, negative) in zip(people, places, words, strict=True)
    ]
    drawn = draw_rows(studio.assembly, rows, settings, size=(studio.pixels, studio.pixels), progress=progress)
    region = np.logical_or.reduce([place.region for place in places])
    scenes = []
    for number, seed in enumerate(seeds):
        image = picture
        for place, square in zip(places, drawn[number * len(places) :], strict=False):
            image = place.put(image, square)
        studio.guard.picture(image, words[0][0])
        found = studio.analyzer.detect(image)
        pairs = zip(people, places, strict=True)
        similarities = tuple(_similarity(studio, image, found, person, place) for person, place in pairs)
        making = portrait_making(studio.assembly, settings, seed, kind="composite")
        scenes.append(Scene(image, seed, similarities, region, settings, making, source))
    return scenes


def _faces(studio: "Studio", picture: np.ndarray, name: str) -> list[Face]:
    try:
        return studio.analyzer.search(picture).require()
    except NoFaceError as error:
        raise NoFaceError(f"{name} shows nobody whose place could be taken: {error}") from error


def _similarity(
    studio: "Studio", image: np.ndarray, found: Sequence[Face], person: Identity, place: Place
) -> float | None:
    x, y, width, height = place.face.box
    inside = [face for face in found if x <= face.center[0] <= x + width and y <= face.center[1] <= y + height]
    return studio.similarity(image, person, inside[0]) if inside else None
