"""The failed regions of a picture of several people, drawn again: nothing else of the picture changes, bit for bit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from limner.apps.drawing import Progress, Row, draw_rows
from limner.apps.settings import GroupSettings
from limner.faces.blending import feathered, match_seam
from limner.identity.features import SAME_PERSON_SIMILARITY
from limner.identity.recognition import GUIDE_SPACE

if TYPE_CHECKING:
    from limner.apps.studio import Studio

SOMEBODY_ELSE_BELOW = SAME_PERSON_SIMILARITY[GUIDE_SPACE]
"""Cosine by the guide."""
SEEDS_APART = 1_000_003
"""Between a picture's seed and those of its redrawings, so that no picture of the same call shares them."""
NOBODY = -1.0
"""Below any cosine that a face could have to its person."""
_TRANSITION = 0.06  # width of the soft border inside a region, as a share of the picture's shorter side


@dataclass(frozen=True, eq=False)
class Checked:
    """A picture and who was found in it.

    Attributes:
        image: RGB uint8 (height, width, 3).
        similarities, in_place, redrawn: see :class:`limner.apps.groups.GroupPortrait`.
    """

    image: np.ndarray
    similarities: tuple[float | None, ...]
    in_place: tuple[bool, ...]
    redrawn: tuple[int, ...]

    @property
    def rank(self) -> tuple[int, float]:
        """Larger is better: people who are where they belong, then the least similar of them."""
        return sum(self.in_place), min(NOBODY if one is None else one for one in self.similarities)

    @property
    def failed(self) -> tuple[bool, ...]:
        """Per person whether they were not found where they belong, or the face there is somebody else's."""
        pairs = zip(self.in_place, self.similarities, strict=True)
        return tuple(not here or one is None or one < SOMEBODY_ELSE_BELOW for here, one in pairs)


def redraw_failed(
    studio: "Studio",
    rows: Sequence[Row],
    found: Sequence[Checked],
    settings: GroupSettings,
    *,
    check: Callable[[np.ndarray], Checked],
    progress: Progress | None,
) -> list[Checked]:
    """Draw the regions of those who failed again, ``settings.retries`` times at most; the better picture stays.

    Args:
        rows: what each picture was drawn by, all with the same people and regions.
        found: the pictures.
        check: looks for the people in a picture.

    Raises:
        RefusedError: a rule of safety forbids what was drawn.
    """
    kept = list(found)
    forgetting = settings.model_copy(update={"strength": 1.0})
    for attempt in range(1, settings.retries + 1):
        regions = {number: _open_region(one, rows[number]) for number, one in enumerate(kept) if any(one.failed)}
        wanted = [
            replace(rows[number], seed=seed_of(rows[number].seed, attempt), start=kept[number].image, mask=region)
            for number, region in regions.items()
            if region.any()
        ]
        if not wanted:
            break
        size = kept[0].image.shape[0], kept[0].image.shape[1]
        drawn = draw_rows(studio.assembly, wanted, forgetting, size=size, progress=progress)
        numbers = [number for number, region in regions.items() if region.any()]
        for number, image in zip(numbers, drawn, strict=True):
            laid = lay_into(kept[number].image, image, regions[number])
            studio.guard.picture(laid, rows[number].prompt)
            kept[number] = _better(kept[number], check(laid))
    return kept


def seed_of(seed: int, attempt: int) -> int:
    """The seed of a picture's n-th redrawing."""
    return (seed + attempt * SEEDS_APART) % 2**32


def lay_into(picture: np.ndarray, drawn: np.ndarray, region: np.ndarray) -> np.ndarray:
    """The picture with a region of what was drawn; colours meet at its border, and all pixels outside are as before.

    Args:
        picture: RGB uint8 (height, width, 3).
        drawn: the same.
        region: bool (height, width).
    """
    opacity = feathered(region, _TRANSITION * min(region.shape))[..., None]
    matched = match_seam(drawn, picture, region).astype(np.float32)
    return np.rint(picture + opacity * (matched - picture)).astype(np.uint8)


def _open_region(one: Checked, row: Row) -> np.ndarray:
    """bool (height, width): what belongs to those who failed and to nobody who did not."""
    assert row.placed is not None
    failed, regions = np.array(one.failed), row.placed.regions
    return np.logical_or.reduce(regions[failed]) & ~np.logical_or.reduce(regions[~failed])


def _better(before: Checked, after: Checked) -> Checked:
    if after.rank <= before.rank:
        return before
    counted = zip(before.redrawn, before.failed, strict=True)
    return replace(after, redrawn=tuple(times + failed for times, failed in counted))
