"""``limner portrait``: a face and a sentence in, pictures of that person out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.apps import option_blocks, options
from limner.apps.option_blocks import Options, with_blocks
from limner.apps.settings import PortraitSettings
from limner.apps.styles import DEFAULT_SUBJECT
from limner.core.errors import ConfigError

if TYPE_CHECKING:
    from limner.apps.portrait_job import ControlChoice

FACE = (
    "Photos of the person, one identity card, or the name of an invented person; repeat for more photos. The invented "
    "person whom the prompt names if not given, else the packaged example person."
)
INDEX = "Which face, 0 the leftmost; once for all photos or once for each. The largest by default."
CONTROL = "A ControlNet of this base, a folder in diffusers format."
POSE = "A photo whose pose is followed, by the model's own network for that; not together with --control."
CONTROL_KIND = "What it is shown of the photo: landmarks, parsing, or picture (the photo as it is)."
BEST_OF = "Pictures drawn for each one kept; those most like the person are kept, by a recogniser."


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(portrait)


@with_blocks(dials=option_blocks.dials, model=option_blocks.model)
def portrait(
    *,
    prompt: Annotated[str, typer.Argument(help="What the pictures show.", show_default=False)] = "",
    face: Annotated[list[Path] | None, typer.Option(help=FACE)] = None,
    face_index: Annotated[list[int] | None, typer.Option(help=INDEX)] = None,
    output: options.Output = Path("out"),
    count: options.Count = 4,
    seed: options.Seed = 0,
    dials: Options,
    negative: options.Negative = None,
    height: options.Height = None,
    width: options.Width = None,
    start: Annotated[Path | None, typer.Option(help="A picture to begin from, instead of noise.")] = None,
    strength: options.Strength = None,
    pose: Annotated[Path | None, typer.Option(help=POSE)] = None,
    control: Annotated[Path | None, typer.Option(help=CONTROL)] = None,
    control_photo: Annotated[Path | None, typer.Option(help="The photo that the ControlNet follows.")] = None,
    control_kind: Annotated[str, typer.Option(help=CONTROL_KIND)] = "landmarks",
    control_scale: Annotated[float, typer.Option(help="How strongly it is followed.")] = 1.0,
    best_of: Annotated[int, typer.Option(help=BEST_OF)] = 1,
    enlarge: options.Enlarge = None,
    style: options.Style = None,
    model: Options,
) -> None:
    """Draw a person: PNG files, a contact sheet and a record of how they were made."""
    own = options.given(
        negative_prompt=negative, height=height, width=width, enlarge=enlarge, strength=strength, style=style
    )
    if style is not None and not prompt:
        prompt = DEFAULT_SUBJECT
    settings = PortraitSettings.of(prompt=prompt, count=count, seed=seed, best_of=best_of, **dials, **own)
    from limner.apps.portrait_job import Faces, PortraitJob, run_job
    from limner.apps.tables import print_table

    faces = Faces.given(face or [], face_index, prompt)
    if not face:
        typer.echo(f"No --face was given: drawing {faces.stand_in}.", err=True)
    follow = _control(pose, control, control_photo, control_kind, control_scale)
    job = PortraitJob(
        settings,
        faces,
        start,
        follow,
        **model,
    )
    results = run_job(job, output)
    rows = [
        (name, one.seed, "-" if one.similarity is None else f"{one.similarity:.2f}")
        for name, one in zip(results.names, results.portraits, strict=True)
    ]
    print_table(str(output), ["picture", "seed", "similarity"], rows)
    prompt, negative = results.portraits[0].read
    typer.echo(f"The base read: {prompt}" + (f"; and against: {negative}" if negative else ""))
    typer.echo(f"All together: {output / 'contact-sheet.png'}")


def _control(
    pose: Path | None, network: Path | None, photo: Path | None, kind: str, scale: float
) -> "ControlChoice | None":
    from limner.apps.portrait_job import ControlChoice

    if pose is not None and (network is not None or photo is not None):
        raise ConfigError("--pose and --control were both given; --pose is followed by the model's own network")
    if pose is not None:
        return ControlChoice(None, pose, scale=scale)
    if (network is None) != (photo is None):
        raise ConfigError("--control and --control-photo go together; give the ControlNet and the photo it follows")
    if network is None or photo is None:
        return None
    for known in ("landmarks", "parsing", "picture"):
        if kind == known:
            return ControlChoice(network, photo, known, scale)
    raise ConfigError(f"the kind of control {kind!r} is unknown; choose landmarks, parsing or picture")
