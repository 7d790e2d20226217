"""``limner data prepare``: a folder of photos becomes training shards."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from limner.data.pools import Pool
    from limner.data.preparing.run import Progress
    from limner.data.preparing.settings import PrepareSettings


def register(group: typer.Typer) -> None:
    """Add the command to the group ``limner data``."""
    group.command()(prepare)


def prepare(
    photos: Annotated[Path, typer.Argument(help="A folder of photos per person, or photos alone: sorted by face.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the shards and their data card.")],
    source: Annotated[str, typer.Option(help="What this set of photos is called in the records.")] = "photos",
    licence: Annotated[
        str, typer.Option(help="Terms of the photos: a record of `limner licences`, or words.")
    ] = "not stated",
    pixels: Annotated[int, typer.Option(min=32, help="Side of the stored pictures.")] = 256,
    framing: Annotated[float, typer.Option(min=1.0, help="Side of the picture over the face's longer edge.")] = 1.5,
    min_quality: Annotated[float, typer.Option(min=0, max=1, help="Refuse faces below this recognisability.")] = 0.2,
    min_pictures: Annotated[int, typer.Option(min=1, help="Leave out people with fewer usable photos.")] = 1,
    stranger: Annotated[
        float, typer.Option(min=-1, max=1, help="Similarity to the person's medoid below which a photo is purged.")
    ] = 0.25,
    validation: Annotated[float, typer.Option(min=0, max=1, help="Share of the people kept from training.")] = 1 / 16,
    captioner: Annotated[str, typer.Option(help="`attributes`, or package.module:Name of your own.")] = "attributes",
    encoder: Annotated[
        list[Path] | None, typer.Option(help="Also embed the faces with this face encoder; may be repeated.")
    ] = None,
    adults: Annotated[
        bool, typer.Option("--adults", help="You vouch that all are adults: no ages are told, no package needed.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 takes one per processor.")] = 0,
    ray: Annotated[bool, typer.Option("--ray", help="Work on the Ray cluster that RAY_ADDRESS names.")] = False,
) -> None:
    """Detect, measure, caption, clean and split; killed at any point, the same command goes on where it was."""
    from limner.data.preparing.run import prepare as run
    from limner.data.preparing.settings import AnalysisSettings, PrepareSettings, SelectionSettings

    settings = PrepareSettings(
        analysis=AnalysisSettings(
            source=source,
            pixels=pixels,
            framing=framing,
            min_quality=min_quality,
            look_at_age=not adults,
            encoders=tuple(str(path) for path in encoder or ()),
        ),
        selection=SelectionSettings(min_pictures=min_pictures, stranger=stranger, validation_share=validation),
        licence=licence,
        captioner=captioner,
    )
    with _progress() as report:
        summary = run(photos, output, settings, _pool(photos, settings, workers, ray), report)
    told = ", ".join(f"{reason}: {count}" for reason, count in summary.dropped.items())
    typer.echo(f"kept: {summary.kept}" + (f", {told}" if told else ""))
    typer.echo(f"{output / 'card.md'} tells who is in it, dropped.jsonl what was left out and why.")


def _pool(photos: Path, settings: "PrepareSettings", workers: int, ray: bool) -> "AbstractContextManager[Pool]":
    """Who does the work; a missing package is told here, before any of it."""
    from limner.data.pools import open_pool
    from limner.data.preparing.captioner import open_captioner
    from limner.data.preparing.ray_pool import open_ray_pool
    from limner.data.preparing.workbench import PhotoWorkbench, make_measurer

    make_measurer(settings.analysis)
    open_captioner(settings.captioner)
    make = partial(PhotoWorkbench, photos.absolute(), settings)
    return open_ray_pool(make) if ray else open_pool(make, workers or os.cpu_count() or 1)


@contextmanager
def _progress() -> "Iterator[Progress]":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bars:
        tasks = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield report
