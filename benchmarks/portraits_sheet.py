"""The picture in the README: the first validation people, who do not exist and whom no training saw, drawn three ways.

    python benchmarks/portraits_sheet.py --shards people/shards -o docs/pictures/portraits.png

One row a person, in the order of the shards, nobody left out: the photo that is given, another photo of the person to
compare with, the model without the face at the same seed, and two sentences with it. Photos are shown at the model's
size.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from limner.apps.contact_sheet import Tile
from limner.apps.portrait_files import write_sheet
from limner.apps.studio import Studio
from limner.data.shard_index import ShardIndex
from limner.evaluation.people import people_of
from limner.evaluation.protocol import Person, protocol_named
from limner.trust.making import Making

SEED = 7


def main(
    shards: Annotated[Path, typer.Option(help="Shards; validation people are drawn.")] = Path("people/shards"),
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("portraits.png"),
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
    people: Annotated[int, typer.Option(min=2)] = 6,
) -> None:
    """Write the picture."""
    studio = Studio.open(model, device="cpu")
    chosen = people_of(ShardIndex(shards), protocol_named("quick", people=people))
    assert all(person.generated for person in chosen)
    rows = [_row(studio, person) for person in chosen]
    tiles = [tile for row, _ in rows for tile in row]
    title = f"limner portrait, people who do not exist and whom no training saw; 25 steps, scale 0.8, seed {SEED}"
    write_sheet(output, tiles, rows[0][1].model_copy(update={"kind": "composite"}), title=title)


def _row(studio: Studio, person: Person) -> tuple[list[Tile], Making]:
    identity = studio.identity(person.photos[0])
    who = f"a photo of a {person.gender or 'person'}"
    drawing = f"a pencil drawing of a {person.gender or 'person'}"
    drawn = [
        (f"{who}, no face given", studio.portrait(None, who, seed=SEED, adapter_scale=0)),
        (f"{who}, smiling", studio.portrait(identity, f"{who}, smiling", seed=SEED)),
        (drawing, studio.portrait(identity, drawing, seed=SEED)),
    ]
    pictures = [Tile(portraits[0].image, caption) for caption, portraits in drawn]
    side = pictures[0].image.shape[0]
    given, other = (_small(photo, side) for photo in person.photos[:2])
    photos = [Tile(given, "the photo that is given"), Tile(other, "another photo of the person")]
    return [*photos, *pictures], drawn[-1][1][0].making


def _small(photo: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(photo).resize((side, side), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    typer.run(main)
