"""``limner identity``: photos of a person in, an identity card out."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

PHOTOS = "Photos of one person, better ones count more; or the name of an invented person."


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(identity)


def identity(
    photos: Annotated[list[Path], typer.Argument(help=PHOTOS)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The identity card to write, .safetensors.")],
    face: Annotated[
        list[int] | None,
        typer.Option(help="Which face, 0 the leftmost; once for all photos or once for each. The largest by default."),
    ] = None,
    consent: Annotated[str, typer.Option(help="What the person agreed to, in words.")] = "",
    consent_by: Annotated[str, typer.Option(help="Who agreed, in words.")] = "",
    consent_until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day it holds; no end by default.")
    ] = None,
    origin: Annotated[str, typer.Option(help="Where the photos come from.")] = "",
    licence: Annotated[str, typer.Option(help="Terms of the photos.")] = "",
) -> None:
    """Learn a person from photos and write an identity card; the card holds no photo."""
    from limner.apps.identity_job import IdentityJob, learn
    from limner.apps.tables import print_table
    from limner.data.invented_people import person_file

    person = learn(
        IdentityJob(
            tuple(person_file(photo) for photo in photos),
            None if face is None else tuple(face),
            purpose=consent,
            who=consent_by,
            until=None if consent_until is None else consent_until.date(),
            origin=origin,
            licence=licence,
        ),
        output,
    )
    rows = [
        (photo, f"{quality:.2f}", *(f"{angle:.0f}" for angle in pose))
        for photo, quality, pose in zip(photos, person.quality.tolist(), person.pose.tolist(), strict=True)
    ]
    print_table(f"{output}", ["photo", "quality", "yaw", "pitch", "roll"], rows)
    typer.echo(f"Features: {', '.join(person.features)}")
