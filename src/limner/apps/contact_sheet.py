"""Pictures side by side with a line of text below each, as one picture to look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MAX_COLUMNS = 5
ENLARGE_BELOW = 256
"""Pictures whose longer side is below this many pixels are shown at twice their size."""
MARGIN = 12
LINE = 22
FONT_PIXELS = 14
PAPER, INK = (250, 249, 246), (40, 40, 40)
ELLIPSIS = "…"


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture, RGB uint8 (height, width, 3), and what stands below it."""

    image: np.ndarray
    caption: str


def contact_sheet(
    references: Sequence[Tile], results: Sequence[Tile], *, title: str = "", columns: int = MAX_COLUMNS
) -> np.ndarray:
    """Lay out pictures row by row, references first; small ones are enlarged with Lanczos.

    Args:
        references: scaled to fit the cell.
        results: at least one, all of one size, which is the cell's or half of it.
        title: stands above, cut off at the sheet's width.
        columns: at most so many.

    Returns:
        RGB uint8 (height, width, 3).
    """
    height, width = results[0].image.shape[:2]
    factor = 2 if max(height, width) < ENLARGE_BELOW else 1
    cell = (width * factor, height * factor)
    tiles = [*references, *results]
    columns = min(len(tiles), columns)
    rows = -(-len(tiles) // columns)
    step = (cell[0] + MARGIN, cell[1] + LINE + MARGIN)
    top = MARGIN + (LINE if title else 0)
    sheet = Image.new("RGB", (MARGIN + columns * step[0], top + rows * step[1]), PAPER)
    pen = ImageDraw.Draw(sheet)
    _write(pen, (MARGIN, MARGIN // 2), title, sheet.width - 2 * MARGIN)
    for number, tile in enumerate(tiles):
        x, y = MARGIN + number % columns * step[0], top + number // columns * step[1]
        picture = _fitted(tile.image, cell)
        sheet.paste(picture, (x + (cell[0] - picture.width) // 2, y + (cell[1] - picture.height) // 2))
        _write(pen, (x, y + cell[1] + 3), tile.caption, cell[0])
    return np.asarray(sheet)


def _fitted(image: np.ndarray, cell: tuple[int, int]) -> Image.Image:
    height, width = image.shape[:2]
    scale = min(cell[0] / width, cell[1] / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)


def _write(pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, width: int) -> None:
    font = ImageFont.load_default(FONT_PIXELS)
    text = " ".join(text.split())
    if pen.textlength(text, font=font) > width:
        while text and pen.textlength(text + ELLIPSIS, font=font) > width:
            text = text[:-1]
        text += ELLIPSIS
    pen.text(place, text, fill=INK, font=font)
