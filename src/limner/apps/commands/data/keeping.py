"""``limner data inspect``, ``cache`` and ``remove``: what is done with shards that are there."""

from pathlib import Path
from typing import Annotated

import typer

Shards = Annotated[Path, typer.Argument(help="Folder of shards.")]


def register(group: typer.Typer) -> None:
    """Add the commands to the group ``limner data``."""
    for command in (inspect, cache, remove):
        group.command()(command)


def inspect(
    shards: Shards,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="HTML file; contact-sheet.html in SHARDS by default.")
    ] = None,
    source: Annotated[str, typer.Option(help="Only records of this source.")] = "",
    split: Annotated[str, typer.Option(help="Only this split.")] = "",
    where: Annotated[
        list[str] | None, typer.Option(help="Only one group, e.g. glasses=yes or age=30-39; may be repeated.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="A random choice of so many pictures.")] = 500,
) -> None:
    """Write one HTML file with thumbnails, measured numbers and filters; keep it as safe as the shards."""
    from limner.core.errors import ConfigError
    from limner.data.contact_page import PAGE_NAME, Filter, write_contact_page

    pairs = [condition.partition("=") for condition in where or ()]
    wrong = [division for division, equals, _ in pairs if not equals]
    if wrong:
        raise ConfigError(f"--where {wrong[0]} has the wrong form; write --where division=group, e.g. glasses=yes")
    path = output or shards / PAGE_NAME
    groups = {division.strip(): group.strip() for division, _, group in pairs}
    shown = write_contact_page(shards, path, Filter(source, split, groups, most))
    typer.echo(f"{shown} pictures: {path}")


def cache(
    shards: Shards,
    model: Annotated[str, typer.Option(help="'miniature', or a folder in diffusers format.")] = "miniature",
    latents: Annotated[bool, typer.Option(help="What the autoencoder makes of the pictures.")] = True,
    text: Annotated[bool, typer.Option(help="What the text encoder makes of the captions.")] = True,
    pixels: Annotated[int, typer.Option(min=0, help="Side of the encoded pictures; 0 takes the model's.")] = 0,
    replace: Annotated[bool, typer.Option("--replace", help="Drop what other models made.")] = False,
) -> None:
    """Store latents and text states in the shards, named after the models' hashes; what is there is not made again."""
    from rich.progress import Progress

    from limner.apps.bases import open_base
    from limner.apps.record_tensors import latent_maker, text_makers
    from limner.data.caching import cache_tensors

    base = open_base(model)
    makers = [*([latent_maker(base, pixels)] if latents else []), *(text_makers(base) if text else [])]
    for name, compute in makers:
        with Progress() as bars:
            task = bars.add_task(name)
            made = cache_tensors(
                shards,
                name,
                compute,
                drop_others=replace,
                progress=lambda done, total, bars=bars, task=task: bars.update(task, completed=done, total=total),
            )
        typer.echo(f"{name}: {made} made")


def remove(
    shards: Shards,
    person: Annotated[str, typer.Option(help="As the records call the person, e.g. photos-alice.")],
) -> None:
    """Take a person out of shards, indexes, caches, journal and card, for good."""
    from datetime import UTC, datetime

    from limner.data.removal import remove_person

    count = remove_person(shards, person, today=datetime.now(UTC).date())
    typer.echo(
        f"{count} pictures removed, and the person will not come back when the same photos are prepared again. "
        "Delete the photos themselves, backups and contact sheets kept elsewhere yourself; weights trained on these "
        "shards still know the person until they are trained anew."
    )
