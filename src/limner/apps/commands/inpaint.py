"""``limner inpaint``: people and a picture in, that picture with these people out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.apps import option_blocks, options
from limner.apps.option_blocks import Options, with_blocks
from limner.apps.settings import DEFAULT_PROMPT, InpaintSettings
from limner.apps.styles import DEFAULT_SUBJECT
from limner.core.errors import ConfigError

if TYPE_CHECKING:
    from limner.apps.portrait_job import Faces

FACE = (
    "Photo, identity card or invented name of a person; repeat for more people. The invented person whom the prompt "
    "names if not given, else the packaged example person."
)
INDEX = "Which face of the photo, 0 the leftmost; once for each photo. The largest by default."
PERSON = "Whose place to take when one person is put in: number of a face in the template, 0 the leftmost."
ASSIGN = "Whose places to take, a number for each person: 1,0. The largest faces from left to right by default."
PROMPT = f"What is to be seen in the places of the faces; {DEFAULT_PROMPT!r} by default."
MASK = "Picture of the template's size, white where it may change, instead of the parsed region."


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(inpaint)


@with_blocks(dials=option_blocks.dials, model=option_blocks.model)
def inpaint(
    *,
    template: Annotated[Path, typer.Option(help="The picture to put people into.", show_default=False)],
    prompt: Annotated[str, typer.Argument(help=PROMPT, show_default=False)] = "",
    face: Annotated[list[Path] | None, typer.Option(help=FACE)] = None,
    face_index: Annotated[list[int] | None, typer.Option(help=INDEX)] = None,
    person: Annotated[int | None, typer.Option(help=PERSON)] = None,
    assign: Annotated[str | None, typer.Option(help=ASSIGN)] = None,
    region: Annotated[str, typer.Option(help="What changes: face, or head with ears, hair and hat.")] = "face",
    mask: Annotated[Path | None, typer.Option(help=MASK)] = None,
    strength: options.Strength = None,
    output: options.Output = Path("out"),
    count: options.Count = 1,
    seed: options.Seed = 0,
    dials: Options,
    negative: options.Negative = None,
    style: options.Style = None,
    model: Options,
) -> None:
    """Put people into a picture; every pixel outside their faces (or heads) stays as it is."""
    own = options.given(negative_prompt=negative, strength=strength, style=style)
    prompt = prompt or (DEFAULT_PROMPT if style is None else DEFAULT_SUBJECT)
    settings = InpaintSettings.of(prompt=prompt, count=count, seed=seed, region=region, **dials, **own)
    from limner.apps.inpaint_job import InpaintJob, run_job
    from limner.apps.tables import print_table

    people = _people(face or [], face_index, prompt)
    if not face:
        typer.echo(f"No --face was given: taking {people[0].stand_in}.", err=True)
    job = InpaintJob(
        settings,
        people,
        template,
        mask,
        _places(person, assign),
        **model,
    )
    results = run_job(job, output)
    rows = [
        (name, one.seed, ", ".join("-" if value is None else f"{value:.2f}" for value in one.similarities))
        for name, one in zip(results.names, results.scenes, strict=True)
    ]
    print_table(str(output), ["picture", "seed", "similarity of each person"], rows)


def _people(files: Sequence[Path], indices: Sequence[int] | None, prompt: str) -> "tuple[Faces, ...]":
    """One person a file; whom the prompt names, or the example person, if there is none."""
    from limner.apps.portrait_job import Faces

    if not files:
        return (Faces.given([], indices, prompt),)
    if indices and len(indices) != len(files):
        raise ConfigError(f"{len(indices)} face numbers were given for {len(files)} people; give one for each")
    chosen = [[index] for index in indices] if indices else [None] * len(files)
    return tuple(Faces.given([file], index) for file, index in zip(files, chosen, strict=True))


def _places(person: int | None, assign: str | None) -> tuple[int, ...] | None:
    if person is None:
        return options.numbers_of(assign)
    if assign is not None:
        raise ConfigError("--person and --assign were both given; give --person for one person, --assign for several")
    return (person,)
