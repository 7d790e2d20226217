"""``limner group``: several people and a sentence in, pictures with all of them out."""

from pathlib import Path
from typing import Annotated

import typer

from limner.apps import option_blocks, options
from limner.apps.option_blocks import Options, with_blocks
from limner.apps.settings import GroupSettings
from limner.core.errors import ConfigError

FACE = (
    "Photo, identity card or invented name of a person; repeat for more people, at most six. The invented people whom "
    "the prompt names if not given."
)
BOX = "Where a person is shown: left,top,right,bottom as shares, 0,0,0.5,1; once for each. Equal columns by default."
MASK = "Instead of boxes, a picture of the portrait's size for each person, white where they are shown."
RETRIES = "How often the region of somebody who is not found there is drawn again, at most."
BEST_OF = "Pictures drawn for each one kept; those are kept in which people are where they belong."


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(group)


@with_blocks(dials=option_blocks.dials, model=option_blocks.model)
def group(
    *,
    face: Annotated[list[Path] | None, typer.Option(help=FACE)] = None,
    prompt: Annotated[str, typer.Argument(help="What the pictures show, the number of people included.")] = "",
    box: Annotated[list[str] | None, typer.Option(help=BOX)] = None,
    mask: Annotated[list[Path] | None, typer.Option(help=MASK)] = None,
    output: options.Output = Path("out"),
    count: options.Count = 1,
    seed: options.Seed = 0,
    dials: Options,
    negative: options.Negative = None,
    height: options.Height = None,
    width: options.Width = None,
    retries: Annotated[int, typer.Option(help=RETRIES)] = 1,
    best_of: Annotated[int, typer.Option(help=BEST_OF)] = 1,
    enlarge: options.Enlarge = None,
    style: options.Style = None,
    model: Options,
) -> None:
    """Draw several people in one picture, each in a region of their own."""
    own = options.given(negative_prompt=negative, height=height, width=width, enlarge=enlarge, style=style)
    settings = GroupSettings.of(prompt=prompt, count=count, seed=seed, best_of=best_of, retries=retries, **dials, **own)
    from limner.apps.group_job import GroupJob, run_job
    from limner.apps.portrait_job import Faces
    from limner.apps.tables import print_table
    from limner.data.invented_people import names_in

    files = face or [Path(name) for name in names_in(prompt)]
    if not files:
        raise ConfigError(
            "nobody was named; give --face for each person, or the names of `limner people` in the prompt"
        )
    people = tuple(Faces.given([file], None) for file in files)
    boxes = None if box is None else [_box(words) for words in box]
    job = GroupJob(
        settings,
        people,
        boxes,
        mask,
        **model,
    )
    results = run_job(job, output)
    rows = [
        (name, one.seed, ", ".join(map(_said, one.similarities, one.in_place)))
        for name, one in zip(results.names, results.portraits, strict=True)
    ]
    print_table(str(output), ["picture", "seed", "similarity of each person"], rows)


def _box(words: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(word) for word in words.split(","))
    except ValueError:
        raise ConfigError(f"the box {words!r} has the wrong form; write left,top,right,bottom: 0,0,0.5,1") from None
    return left, top, right, bottom


def _said(similarity: float | None, in_place: bool) -> str:
    told = "-" if similarity is None else f"{similarity:.2f}"
    return told if in_place or similarity is None else f"{told} (elsewhere)"
