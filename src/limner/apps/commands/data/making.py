"""``limner data synthesize`` and ``import``: shards of people who do not exist, and of packed photo sets."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from limner.data.face_generator import FaceGenerator
    from limner.data.synthesis import Directions
    from limner.data.synthetic_people import ArtistMaker, Crowd, CrowdWorkbench

Precision = Literal["float32", "bfloat16"]

SHOWN_DIVISIONS = ("gender", "age", "skin tone")
PRECISION = "bfloat16 draws twice as fast on processors that compute in it (AVX512-BF16), and nearly the same pictures."


def register(group: typer.Typer) -> None:
    """Add the commands to the group ``limner data``."""
    group.command()(synthesize)
    group.command("import")(import_sets)


def synthesize(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for pictures/ and shards/.")],
    generator: Annotated[
        Path,
        typer.Option(help="Folder with the face generator's IR files (random_face/data of the wheel random-face)."),
    ],
    directions: Annotated[
        Path, typer.Option(help="Edit directions: an .npz with mu, d_NAME and s_NAME, as recipes/directions.npz.")
    ],
    people: Annotated[int, typer.Option(min=1, help="How many people to invent.")] = 2000,
    pictures: Annotated[int, typer.Option(min=1, help="Pictures of each.")] = 3,
    seed: Annotated[int, typer.Option(help="Same seed, same people.")] = 1,
    precision: Annotated[Precision, typer.Option(help=PRECISION)] = "float32",
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 takes one per processor.")] = 0,
) -> None:
    """Invent people, write shards of them and say who is in them. Killed at any point, the same command goes on where
    it was."""
    from dataclasses import asdict

    from rich.progress import Progress

    from limner.data.card import write_card
    from limner.data.measuring import PictureMeasurer
    from limner.data.pools import open_pool
    from limner.data.synthetic_people import Crowd, draw_pictures, write_shards

    PictureMeasurer().require_packages()
    crowd, artist = Crowd(people, pictures, seed), partial(_artist, generator, directions, precision)
    artist()  # what is missing is told here, before any work
    make = partial(_workbench, output, crowd, artist)
    with Progress() as progress, open_pool(make, workers or os.cpu_count() or 1) as pool:
        drawing, measuring = progress.add_task("draw", total=people), progress.add_task("measure", total=people)
        draw_pictures(output, crowd, pool, lambda n, _: progress.update(drawing, completed=n))
        counts = write_shards(output, crowd, pool, lambda n, _: progress.update(measuring, completed=n))
    typer.echo("looked at now: " + ", ".join(f"{reason}: {count}" for reason, count in counts.items()))
    _print_bins(output / "shards", write_card(output / "shards", settings=asdict(crowd)))


def _workbench(output: Path, crowd: "Crowd", artist: "ArtistMaker") -> "CrowdWorkbench":
    """Made in each process."""
    from limner.core.allocation import keep_freed_memory
    from limner.data.measuring import PictureMeasurer
    from limner.data.synthetic_people import CrowdWorkbench

    keep_freed_memory()
    return CrowdWorkbench(output, crowd, artist, PictureMeasurer)


def _artist(generator: Path, directions: Path, precision: Precision) -> "tuple[FaceGenerator, Directions]":
    import torch

    from limner.data.face_generator import FaceGenerator
    from limner.data.synthesis import Directions

    edits = Directions.read(directions)
    network = FaceGenerator(generator).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    network.draw_in(getattr(torch, precision))
    return network, edits


def import_sets(
    sets: Annotated[list[Path], typer.Argument(help="Folders of packed photo sets.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the shards.")],
    split: Annotated[Literal["train", "validation"], typer.Option(help="What the records are for.")] = "train",
) -> None:
    """Measure packed photo sets and write one shard each; shards that exist are kept."""
    from limner.apps.tables import print_table
    from limner.data.card import write_card
    from limner.data.measuring import PictureMeasurer
    from limner.data.photo_sets import records_of_set
    from limner.data.record import write_shard

    output.mkdir(parents=True, exist_ok=True)
    measurer, rows = PictureMeasurer(), []
    measurer.require_packages()
    for folder in sets:
        shard = output / f"{folder.name}.tar"
        count = "kept" if shard.exists() else write_shard(shard, records_of_set(folder, measurer, split=split))
        rows.append((folder.name, str(count)))
    print_table(str(output), ["set", "records"], rows)
    _print_bins(output, write_card(output))


def _print_bins(shards: Path, card: Mapping[str, Any]) -> None:
    """Who is in a folder of shards, by what a portrait model must be fair to."""
    from limner.apps.tables import print_table

    rows = [
        (division, group, count, f"{count / card['pictures']:.0%}")
        for division in SHOWN_DIVISIONS
        for group, count in card["bins"].get(division, {}).items()
    ]
    title = f"{shards}: {card['pictures']} pictures of {card['people']} people; all divisions in card.md"
    print_table(title, ["division", "group", "pictures", "share"], rows)
