"""Does the miniature draw everybody? Generated people over skin tones, ages and directions of the head, on one sheet.

    python benchmarks/people_sheet.py --shards people/shards --docs docs

Of all validation people those are shown who stand at five even ranks from the least to the most of each attribute, so
nothing is picked. Writes docs/pictures/people.webp and puts it into docs/miniature.md. 30 pictures, under a minute.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from howto_pictures import SEED, Sheet, encoded, squared
from performance_page import circumstances, write_section

from limner.apps.contact_sheet import Tile
from limner.apps.studio import Studio
from limner.core.errors import ConfigError
from limner.core.files import replacing
from limner.data.shard_index import ShardIndex
from limner.evaluation.people import people_of
from limner.evaluation.protocol import Person, protocol_named

One = TypeVar("One")
COLUMNS = 5
ATTRIBUTES: dict[str, tuple[Callable[[Person], float], str]] = {
    "skin tone": (lambda person: person.skin_tone, "typology angle {:.0f}"),
    "age": (lambda person: person.age, "about {:.0f} years"),
    "direction": (lambda person: person.yaw, "yaw {:.0f} degrees"),
}
WISHES = ("smiling", "looking to the left, blue background")
NAME = "people.webp"


def main(
    shards: Annotated[Path, typer.Option(help="Shards; validation people are drawn.")] = Path("people/shards"),
    docs: Annotated[Path, typer.Option(help="Where the page lies.")] = Path("docs"),
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
    steps: Annotated[int, typer.Option(min=1)] = 25,
) -> None:
    """Draw, write the sheet, and put it into the page."""
    everybody = people_of(ShardIndex(shards), protocol_named("quick", people=10_000))
    people = [person for person in everybody if person.generated]
    if len(people) < COLUMNS:
        raise ConfigError(f"{shards} has {len(people)} generated validation people; {COLUMNS} are needed")
    studio, made = Studio.open(model, device="cpu"), []
    for measure, caption in ATTRIBUTES.values():
        made += _band(studio, spread(people, measure), lambda one, m=measure, c=caption: c.format(m(one)), steps)
    sheet = Sheet([], made, f"{len(people)} people; at five even ranks of each attribute; seed {SEED}", COLUMNS)
    with replacing(docs / "pictures" / NAME) as unfinished:
        unfinished.write_bytes(encoded(sheet))
    text = f"![People over {', '.join(ATTRIBUTES)}: the photo and two portraits](pictures/{NAME})"
    command = ["benchmarks/people_sheet.py", *sys.argv[1:]]
    write_section(docs / "miniature.md", "everybody", circumstances("cpu"), text, command)


def spread(people: Sequence[One], measure: Callable[[One], float]) -> list[One]:
    """Those at even ranks from the least to the most; whose attribute is unknown is left out."""
    ranked = sorted((person for person in people if measure(person) == measure(person)), key=measure)
    return [ranked[rank * (len(ranked) - 1) // (COLUMNS - 1)] for rank in range(COLUMNS)]


def _band(studio: Studio, people: Sequence[Person], said: Callable[[Person], str], steps: int) -> list[Tile]:
    side = studio.pixels
    rows = [[Tile(squared(person.photos[0], side), said(person)) for person in people]]
    for wish in WISHES:
        row = []
        for person in people:
            words = f"a photo of a {person.gender or 'person'}, {wish}"
            [portrait] = studio.portrait(studio.identity(person.photos[0]), words, seed=SEED, num_steps=steps)
            row.append(Tile(portrait.image, wish))
        rows.append(row)
    return [tile for row in rows for tile in row]


if __name__ == "__main__":
    typer.run(main)
