"""Who bears the invented names: photos and table of the package, and the page that shows them.

    python benchmarks/invented_people.py --shards people/shards --docs docs

The shards are those of `limner data synthesize` with its own seed, 500 people of them or more. Women and men get the
names in the order of their numbers, but for whose gender is not clear to the estimator, who looks younger than 30 to it
in one of their pictures, or whom we left out (:data:`LEFT_OUT`). Writes src/limner/weights/people, the picture
docs/pictures/people-by-name.webp and the section of docs/miniature.md that shows it; then `make sums`.
"""

import csv
import io
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import cv2
import typer
from performance_page import circumstances, write_section
from PIL import Image, ImageDraw, ImageFont

from limner.apps.contact_sheet import INK, PAPER
from limner.core.assets import WEIGHTS
from limner.core.errors import ConfigError
from limner.core.files import replacing
from limner.data.bins import bins_of
from limner.data.invented_people import FOLDER, NAMES, TABLE, InventedPerson, file_name
from limner.data.record import FaceRecord
from limner.data.shard_index import ShardIndex

SIDE, QUALITY = 160, 72
"""Of a photo: with them the two hundred take half a megabyte."""
LEAST_AGE = 30
WOMEN, GENDERS = ("Alma", "Clio", "Edda", "Greta", "Ines"), ("woman", "man")
LEFT_OUT = frozenset(
    (6, 22, 46, 50, 62, 94, 105, 139, 153, 173, 180, 189, 193, 204, 233, 239, 242, 256, 272, 281, 292, 311, 333, 341)
)
"""Numbers of people whom we looked at: who may be taken for a teenager or for another gender than the estimator says,
or of whom sunglasses, a hat, a hand or shade covers the face."""
SHEET, COLUMNS, CELL, LINE, SHEET_QUALITY = "people-by-name.webp", 20, 88, 16, 60


def main(
    shards: Annotated[Path, typer.Option(help="Shards of people of seed 1.")] = Path("people/shards"),
    docs: Annotated[Path, typer.Option(help="Where the page lies.")] = Path("docs"),
    weights: Annotated[Path, typer.Option(help="Where the folder of people goes.")] = WEIGHTS,
) -> None:
    """Choose, write photos and table, and put the sheet into the page."""
    index = ShardIndex(shards)
    chosen = bearers(index)
    folder = weights / FOLDER
    folder.mkdir(exist_ok=True)
    for name, number in chosen.items():
        with replacing(folder / file_name(name)) as unfinished:
            unfinished.write_bytes(photo(index[number]))
    with replacing(folder / TABLE) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(InventedPerson.__dataclass_fields__)
        table.writerows(line(name, index, number) for name, number in chosen.items())
    with replacing(docs / "pictures" / SHEET) as unfinished:
        wall(folder).save(unfinished, "WEBP", quality=SHEET_QUALITY, method=6)
    text = f"![Everybody's photo and name](pictures/{SHEET})"
    command = ["benchmarks/invented_people.py", *sys.argv[1:]]
    write_section(docs / "miniature.md", "invented people", circumstances("cpu"), text, command)


def bearers(index: ShardIndex) -> dict[str, int]:
    """Number of the record that shows who bears each name.

    Raises:
        ConfigError: there are too few people.
    """
    free = {gender: deque(n for n in NAMES if (n.split()[0] in WOMEN) == (gender == "woman")) for gender in GENDERS}
    found: dict[str, int] = {}
    for record in fit_people(index):
        names = free.get(bins_of(index.facts(record))["gender"])
        if names:
            found[names.popleft()] = record
    if len(found) < len(NAMES):
        raise ConfigError(f"{index.folder} has people for {len(found)} of {len(NAMES)} names; make more of them")
    return {name: found[name] for name in NAMES}


def fit_people(index: ShardIndex) -> Iterator[int]:
    """The first record of everybody who may bear a name, in the order of their numbers."""
    for person, records in sorted(index.people.items()):
        kind, _, digits = person.partition("-")
        if kind != "generated" or int(digits) in LEFT_OUT:
            continue
        facts = [index.facts(record) for record in records]
        if min(one["age_years"] for one in facts) >= LEAST_AGE:
            yield records[0]


def line(name: str, index: ShardIndex, number: int) -> list[str]:
    """A row of the table."""
    groups = bins_of(index.facts(number))
    return [
        name,
        index.entries[number].person,
        *(groups[one] for one in ("gender", "age", "skin tone", "hair", "glasses")),
    ]


def photo(record: FaceRecord) -> bytes:
    """A record's picture as it is packaged."""
    small, buffer = cv2.resize(record.image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), io.BytesIO()
    Image.fromarray(small).save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def wall(folder: Path) -> Image.Image:
    """Everybody, smaller than packaged, with their names below."""
    rows = -(-len(NAMES) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (CELL + 4), rows * (CELL + LINE)), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, name in enumerate(NAMES):
        x, y = number % COLUMNS * (CELL + 4), number // COLUMNS * (CELL + LINE)
        with Image.open(folder / file_name(name)) as picture:
            sheet.paste(picture.resize((CELL, CELL), Image.Resampling.LANCZOS), (x, y))
        pen.text((x + 2, y + CELL), name, fill=INK, font=font)
    return sheet


if __name__ == "__main__":
    typer.run(main)
