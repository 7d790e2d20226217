"""What `limner ablate` found, as a page: its numbers between two marks, and a sheet of pictures.

    python benchmarks/ablation.py --ablation out/ablation --shards people/shards --write docs

Nothing is measured here; the report and the pictures lie in the ablation's folder.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from performance_page import as_table
from PIL import Image

from limner.apps.contact_sheet import Tile, contact_sheet
from limner.core.files import replacing
from limner.core.images import read_image
from limner.data.shard_index import ShardIndex
from limner.evaluation.page import told
from limner.evaluation.people import people_of
from limner.evaluation.protocol import Protocol

KEYS = (
    "to_other",
    "share",
    "copy_paste",
    "relative_change_outside",
    "relative_change_inside",
    "relative_change_perceptual",
    "perceptual_diversity",
    "smile_spread",
    "agreement_geometric",
    "found",
)
PEOPLE = 4
"""Shown on the sheet, with so many methods."""
METHODS = 4


def main(
    ablation: Annotated[Path, typer.Option(help="Folder that `limner ablate` wrote.")],
    shards: Annotated[Path, typer.Option(help="Whose people it drew.")],
    write: Annotated[Path, typer.Option(help="Folder with ablation.md, whose section is replaced.")],
    name: Annotated[str, typer.Option(help="The section, and the sheet's name.")] = "ablation",
) -> None:
    """Replace the section, and draw the sheet."""
    report: dict[str, Any] = json.loads((ablation / "report.json").read_text(encoding="utf-8"))
    group = report["groups"]["validation"]
    page = write / "ablation.md"
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    head, rest = page.read_text(encoding="utf-8").split(begin)
    text = f"{head}{begin}{_tables(report, group)}\n{end}{rest.split(end)[1]}"
    sheet = Image.fromarray(_sheet(report, group, ablation / "pictures", shards))
    with replacing(write / "pictures" / f"{name}.webp") as path:
        sheet.save(path, format="WEBP", quality=85)
    with replacing(page) as path:
        path.write_text(text, encoding="utf-8")


def _tables(report: dict[str, Any], group: dict[str, Any]) -> str:
    """The methods, then what each is more than the reference method, a column per method."""
    methods: dict[str, Any] = group["methods"]
    titles = {key: report["metrics"][key]["title"] for key in KEYS}
    values = [[titles[key], *(told(one["metrics"][key]) for one in methods.values())] for key in KEYS]
    others = {method: one["difference"] for method, one in methods.items() if one["difference"]}
    more = [[titles[key], *(told(one[key], signed=True) for one in others.values())] for key in KEYS]
    return (
        f"{group['people']} people, {group['pictures_each']} pictures each by every method; "
        "95 % intervals over people.\n\n"
        f"{as_table(['', *methods], values)}\n\nMinus `{group['reference']}`, on the same people:\n\n"
        f"{as_table(['', *others], more)}\n"
    )


def _sheet(report: dict[str, Any], group: dict[str, Any], pictures: Path, shards: Path) -> np.ndarray:
    """The first sentence's first seed of the first people, by the methods that drew (those of one training first)."""
    rules = Protocol.model_validate(report["protocol"])
    drawn = {path.name.rpartition("-")[0]: path for path in sorted(pictures.iterdir())}
    methods = [method for method in group["methods"] if method in drawn][:METHODS]
    tiles: list[Tile] = []
    for number, person in enumerate(people_of(ShardIndex(shards), rules)[:PEOPLE]):
        seed = rules.seed_of(number, 0)
        row = [Tile(read_image(drawn[method] / f"{person.name}-{seed}.png"), method) for method in methods]
        size = row[0].image.shape[1::-1]
        photo = Image.fromarray(person.photos[0]).resize(size, Image.Resampling.LANCZOS)
        tiles += [Tile(np.asarray(photo), "the photo"), *row]
    return contact_sheet([], tiles, title="a row a person, one seed; people who do not exist", columns=len(methods) + 1)


if __name__ == "__main__":
    typer.run(main)
