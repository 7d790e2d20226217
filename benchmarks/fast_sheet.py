"""What `--fast` costs, to the eye: people who do not exist, drawn the usual way, in few steps, and fast.

    python benchmarks/fast_sheet.py --shards people/shards --docs docs

One column a person, the first validation people in the order of the shards, nobody left out, one seed: the photo that
is given, 25 guided steps (fifty evaluations of the network), four guided ones of the same sampler (eight), and four
distilled ones (four). Writes docs/pictures/fast.webp and puts it into docs/miniature.md; 15 pictures, under a minute.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from howto_pictures import Sheet, encoded, squared
from performance_page import circumstances, write_section

from limner.apps.contact_sheet import Tile
from limner.apps.studio import Studio
from limner.core.files import replacing
from limner.data.shard_index import ShardIndex
from limner.evaluation.people import people_of
from limner.evaluation.protocol import protocol_named

COLUMNS, SEED = 5, 8
WAYS: dict[str, dict[str, Any]] = {
    "25 steps": {"num_steps": 25},
    "4 steps, not distilled": {"num_steps": 4},
    "--fast": {"fast": True},
}
NAME = "fast.webp"


def main(
    shards: Annotated[Path, typer.Option(help="Shards; validation people are drawn.")] = Path("people/shards"),
    docs: Annotated[Path, typer.Option(help="Where the page lies.")] = Path("docs"),
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
) -> None:
    """Draw, write the sheet, and put it into the page."""
    studio = Studio.open(model, device="cpu")
    people = people_of(ShardIndex(shards), protocol_named("quick", people=COLUMNS))
    assert all(person.generated for person in people)
    made = [Tile(squared(person.photos[0], studio.pixels), "the photo that is given") for person in people]
    for way, settings in WAYS.items():
        for person in people:
            words = f"a photo of a {person.gender or 'person'}"
            [portrait] = studio.portrait(studio.identity(person.photos[0]), words, seed=SEED, **settings)
            made.append(Tile(portrait.image, way))
    with replacing(docs / "pictures" / NAME) as unfinished:
        unfinished.write_bytes(encoded(Sheet([], made, f"limner portrait, seed {SEED}", len(people))))
    text = f"![Five people: the photo, and drawn by {', '.join(WAYS)}](pictures/{NAME})"
    write_section(
        docs / "miniature.md", "fast", circumstances("cpu"), text, ["benchmarks/fast_sheet.py", *sys.argv[1:]]
    )


if __name__ == "__main__":
    typer.run(main)
