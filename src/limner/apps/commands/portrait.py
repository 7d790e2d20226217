"""``limner portrait``: a face and a sentence in, pictures of that person out."""

from pathlib import Path
from typing import Annotated

import typer

from limner.apps.settings import PortraitSettings

FACE = "Photos of the person, or one identity card; repeat for more photos. The packaged example person by default."
INDEX = "Which face, 0 the leftmost; once for all photos or once for each. The largest by default."
MODEL = '"miniature", a folder in diffusers format (Stable Diffusion 1.5 or XL), or a hub name owner/model.'
GUIDANCE = "How closely the words are followed, 1 is unguided; the model's own default if not given."


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(portrait)


def portrait(
    prompt: Annotated[str, typer.Argument(help="What the pictures show.", show_default=False)] = "",
    face: Annotated[list[Path] | None, typer.Option(help=FACE)] = None,
    face_index: Annotated[list[int] | None, typer.Option(help=INDEX)] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.")] = Path("out"),
    count: Annotated[int, typer.Option(help="Number of pictures.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the first picture; the others have the next numbers.")] = 0,
    scale: Annotated[float, typer.Option(help="How strongly the person is kept; 0 is the model without a face.")] = 0.8,
    steps: Annotated[int, typer.Option(help="Sampling steps.")] = 25,
    guidance: Annotated[float | None, typer.Option(help=GUIDANCE)] = None,
    negative: Annotated[str, typer.Option(help="What the pictures should not show.")] = "",
    height: Annotated[int | None, typer.Option(help="In pixels, a multiple of 8.")] = None,
    width: Annotated[int | None, typer.Option(help="In pixels, a multiple of 8.")] = None,
    model: Annotated[str, typer.Option(help=MODEL)] = "miniature",
    adapter: Annotated[Path | None, typer.Option(help="Face adapter of another model than the miniature.")] = None,
    encoder: Annotated[Path | None, typer.Option(help="Face encoder that the adapter reads.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...; the best there is by default.")] = None,
    commercial: Annotated[bool, typer.Option("--commercial", help="Refuse what forbids commercial use.")] = False,
) -> None:
    """Draw a person: PNG files, a contact sheet and a record of how they were made."""
    settings = PortraitSettings.of(
        prompt=prompt,
        negative_prompt=negative,
        count=count,
        seed=seed,
        num_steps=steps,
        guidance_scale=guidance,
        adapter_scale=scale,
        height=height,
        width=width,
    )
    from limner.apps.portrait_job import Faces, PortraitJob, run_job
    from limner.apps.tables import print_table

    faces = Faces.given(face or [], face_index)
    if faces.example:
        typer.echo("No --face was given: drawing the packaged example person, who does not exist.", err=True)
    job = PortraitJob(settings, faces, model, adapter=adapter, encoder=encoder, device=device, commercial=commercial)
    results = run_job(job, output)
    rows = [
        (name, one.seed, "-" if one.similarity is None else f"{one.similarity:.2f}")
        for name, one in zip(results.names, results.portraits, strict=True)
    ]
    print_table(str(output), ["picture", "seed", "similarity"], rows)
    typer.echo(f"All together: {output / 'contact-sheet.png'}")
