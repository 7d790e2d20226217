"""Invented people by name, as `limner portrait` draws them: a row each, photo first.

    python benchmarks/names_sheet.py --docs docs

The first four names, a seed a column, so nothing is picked. Writes docs/pictures/names.webp and puts it into
docs/miniature.md.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from howto_pictures import SEED, Sheet, encoded, squared
from performance_page import circumstances, write_section

from limner.apps.contact_sheet import Tile
from limner.apps.studio import Studio
from limner.core.files import replacing
from limner.core.images import read_image
from limner.data.invented_people import NAMES, photo_of

SENTENCES = ("a photo of {}", "a photo of {}, laughing", "a photo of {}, looking to the left", "a pencil drawing of {}")
NUM_PEOPLE = 4
SHEET = "names.webp"


def main(
    docs: Annotated[Path, typer.Option(help="Where the page lies.")] = Path("docs"),
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
) -> None:
    """Draw, write the sheet, and put it into the page."""
    studio, tiles = Studio.open(model, device="cpu"), []
    for name in NAMES[:NUM_PEOPLE]:
        identity = studio.identity(photo_of(name))
        tiles.append(Tile(squared(read_image(photo_of(name)), studio.pixels), name))
        for number, sentence in enumerate(SENTENCES):
            [one] = studio.portrait(identity, sentence.format(name), seed=SEED + number)
            tiles.append(Tile(one.image, sentence.format(name.split()[0])))
    sheet = Sheet([], tiles, f"seeds {SEED} to {SEED + len(SENTENCES) - 1}, one a column", 1 + len(SENTENCES))
    with replacing(docs / "pictures" / SHEET) as unfinished:
        unfinished.write_bytes(encoded(sheet))
    text = f"![The first four names: the packaged photo, and drawn after four sentences](pictures/{SHEET})"
    write_section(
        docs / "miniature.md", "names", circumstances("cpu"), text, ["benchmarks/names_sheet.py", *sys.argv[1:]]
    )


if __name__ == "__main__":
    typer.run(main)
