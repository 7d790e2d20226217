"""Who is in a set of shards: every division counted, and pictures of people over skin tones, ages and genders.

    python benchmarks/crowd_sheet.py --shards people/shards --docs docs

Of the generated people with enough pictures those are shown who stand at even ranks from the least to the most of an
attribute, so nothing is picked: a row each, with their pictures as they were kept. Writes docs/pictures/crowd.webp and
puts it and the table into docs/miniature.md.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from howto_pictures import Sheet, encoded, squared
from people_sheet import COLUMNS, spread
from performance_page import circumstances, write_section
from pydantic import TypeAdapter

from limner.apps.contact_sheet import Tile
from limner.core.errors import ConfigError
from limner.core.files import replacing
from limner.data.attributes import Measurements
from limner.data.bins import count_bins
from limner.data.shard_index import ShardIndex
from limner.data.synthetic_people import SOURCE

SIDE = 96
NUMBERS = TypeAdapter(Measurements)
ATTRIBUTES: dict[str, tuple[Callable[[dict[str, Any]], float], str]] = {
    "skin tone": (lambda facts: NUMBERS.validate_python(facts["numbers"]).skin_tone_angle, "typology angle {:.0f}"),
    "age": (lambda facts: facts["age_years"], "about {:.0f} years"),
}
NAME = "crowd.webp"


@dataclass(frozen=True)
class Member:
    """A person of the crowd: what the records say, by attribute on average, and where the pictures are."""

    numbers: Sequence[int]
    means: dict[str, float]


def main(
    shards: Annotated[Path, typer.Option(help="Shards of generated people.")] = Path("people/shards"),
    docs: Annotated[Path, typer.Option(help="Where the page lies.")] = Path("docs"),
    pictures: Annotated[int, typer.Option(min=1, help="Only people of so many pictures are shown.")] = 5,
) -> None:
    """Count, write the sheet, and put both into the page."""
    index = ShardIndex(shards)
    generated = [number for number, entry in enumerate(index.entries) if entry.source == SOURCE]
    facts = {number: index.facts(number) for number in generated}
    people: dict[str, list[int]] = defaultdict(list)
    for number in generated:
        people[index.entries[number].person].append(number)
    members = [member_of(numbers, facts) for numbers in people.values() if len(numbers) == pictures]
    if len(members) < COLUMNS:
        raise ConfigError(f"{shards} has {len(members)} generated people of {pictures} pictures; {COLUMNS} are needed")
    tiles = [
        Tile(squared(index[number].image, SIDE), caption.format(member.means[name]) if first else "")
        for name, (_, caption) in ATTRIBUTES.items()
        for member in spread(members, lambda one, name=name: one.means[name])
        for first, number in ((number == member.numbers[0], number) for number in member.numbers)
    ]
    title = f"{len(members)} people of {pictures} pictures; a row each, at even ranks of skin tone and of age"
    with replacing(docs / "pictures" / NAME) as unfinished:
        unfinished.write_bytes(encoded(Sheet([], tiles, title, pictures)))
    text = f"{table(facts.values(), len(people))}\n\n![Generated people, a row each](pictures/{NAME})"
    command = ["benchmarks/crowd_sheet.py", *sys.argv[1:]]
    write_section(docs / "miniature.md", "crowd", circumstances("cpu"), text, command)


def member_of(numbers: Sequence[int], facts: dict[int, dict[str, Any]]) -> Member:
    """A person from the records ``numbers``."""
    means = {name: float(np.mean([of(facts[n]) for n in numbers])) for name, (of, _) in ATTRIBUTES.items()}
    return Member(numbers, means)


def table(facts: Collection[Mapping[str, Any]], people: int) -> str:
    """Markdown: how many pictures fall into each group of each division."""
    lines = [f"{len(facts):,} pictures of {people:,} people.", "", "| division | share of the pictures |", "|---|---|"]
    for division, groups in count_bins(facts).items():
        largest_first = sorted(groups.items(), key=lambda group: -group[1])
        told = ", ".join(f"{group} {count / len(facts):.1%}" for group, count in largest_first)
        lines.append(f"| {division} | {told} |")
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
