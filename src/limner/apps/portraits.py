"""Pictures of one person, or of several people in the same passes: drawn, looked at, the best kept."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from limner.apps.control import Control
from limner.apps.drawing import Progress, Row, Structure, draw_rows
from limner.apps.pictures import fitted
from limner.apps.portrait_making import portrait_making
from limner.apps.settings import PortraitSettings
from limner.core.errors import ConfigError, LimnerError, RefusedError
from limner.identity.enrolment import Photo, read_photo
from limner.identity.identity import Identity
from limner.trust.making import Making
from limner.trust.marks import save_picture

if TYPE_CHECKING:
    from limner.apps.studio import Studio

OWN = frozenset({"prompt", "negative_prompt", "glasses", "seed", "count", "best_of", "style", "styles"})
"""What each order of a pass has for itself; all other settings hold for a whole pass."""
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
        making: what everybody may know about it.
        read: sentence and negative sentence as the base read them, see :meth:`limner.apps.studio.Studio.words`.
    """

    image: np.ndarray
    seed: int
    similarity: float | None
    settings: PortraitSettings
    making: Making
    read: tuple[str, str]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a PNG that says what it is, with a watermark and a signed manifest.

        Raises:
            InputError: it cannot be written.
        """
        save_picture(path, self.image, self.making)


@dataclass(frozen=True, eq=False)
class Order:
    """Pictures of one person, to be drawn alone or beside those of others.

    Attributes:
        identity: the person; None only with ``adapter_scale=0``.
        settings: what the pictures show, and how.
    """

    identity: Identity | None
    settings: PortraitSettings

    @property
    def seeds(self) -> range:
        """One per picture that is drawn."""
        return range(self.settings.seed, self.settings.seed + self.settings.count * self.settings.best_of)

    @property
    def shown(self) -> Identity | None:
        """The person, None where the scale is 0."""
        return self.identity if self.settings.adapter_scale > 0 else None


def pass_of(settings: PortraitSettings) -> str:
    """The same text for settings whose pictures can be drawn in the same passes."""
    return settings.model_dump_json(exclude=set(OWN))


def draw_orders(
    studio: "Studio",
    orders: Sequence[Order],
    *,
    start: Photo | None = None,
    control: Control | None = None,
    progress: Progress | None = None,
) -> list[list[Portrait] | RefusedError]:
    """See :meth:`limner.apps.studio.Studio.draw_together`; the settings are complete."""
    for order in orders:
        _require_same_pass(orders[0].settings, order.settings)
    settings = orders[0].settings
    if settings.enlarge:
        _ = studio.assembly.enlarger  # a base without one is told before anything is drawn
    assert settings.height is not None
    assert settings.width is not None
    size = settings.height, settings.width
    begin = None if start is None else fitted(read_photo(start, "the picture to start from"), *size)
    structure = None
    if control is not None:
        structure = Structure(control.network, control.picture(size, studio.analyzer), control.scale)
    also = () if control is None else control.licences
    rows = [_rows(studio, order, begin) for order in orders]
    wanted = [row for own in rows if not isinstance(own, RefusedError) for row in own]
    drawn = []
    if wanted:
        drawn = draw_rows(studio.assembly, wanted, settings, size=size, structure=structure, progress=progress)
    images = iter(drawn)
    return [
        own if isinstance(own, RefusedError) else _finished(studio, order, own, [next(images) for _ in own], also)
        for order, own in zip(orders, rows, strict=True)
    ]


def draw_each(
    studio: "Studio", orders: Sequence[Order], *, progress: Progress | None = None
) -> list[list[Portrait] | LimnerError]:
    """Draw orders in the same passes; where that fails each alone, so that only the faulty ones are lost.

    Returns:
        For each order its pictures, or why there are none.
    """
    try:
        return [*studio.draw_together(orders, progress=progress)]
    except LimnerError as error:
        if len(orders) == 1:
            return [error]
        return [drawn for order in orders for drawn in draw_each(studio, [order], progress=progress)]


def _require_same_pass(first: PortraitSettings, other: PortraitSettings) -> None:
    mine, yours = (one.model_dump(exclude=set(OWN)) for one in (first, other))
    for name, value in mine.items():
        if yours[name] != value:
            raise ConfigError(
                f"{name} is {value} in one order and {yours[name]} in another; draw those one after the other"
            )


def _rows(studio: "Studio", order: Order, start: np.ndarray | None) -> list[Row] | RefusedError:
    prompt, negative = studio.words(order.settings, order.shown)
    try:
        studio.guard.request(prompt, order.shown)
    except RefusedError as refusal:
        return refusal
    return [Row(prompt, seed, order.identity, negative_prompt=negative, start=start) for seed in order.seeds]


def _finished(
    studio: "Studio", order: Order, rows: Sequence[Row], images: Sequence[np.ndarray], also: Sequence[str]
) -> list[Portrait] | RefusedError:
    try:
        for row, image in zip(rows, images, strict=True):
            studio.guard.picture(image, row.prompt)
    except RefusedError as refusal:
        return refusal
    settings = order.settings
    images = [studio.assembly.enlarged(image, settings) for image in images]
    portraits = [
        Portrait(
            image,
            row.seed,
            studio.similarity(image, order.identity),
            settings,
            portrait_making(studio.assembly, settings, row.seed, also=also),
            (row.prompt, row.negative_prompt),
        )
        for row, image in zip(rows, images, strict=True)
    ]
    if settings.best_of == 1:
        return portraits
    told = sorted(portraits, key=lambda one: _NOBODY if one.similarity is None else one.similarity, reverse=True)
    return told[: settings.count]
