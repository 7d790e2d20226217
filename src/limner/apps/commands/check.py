"""``limner check``: what a picture says about itself, and whether it is true."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from limner.trust.checking import Verdict

EXIT_CODES = {"marked": 0, "unmarked": 1, "broken": 3}
"""2 is for files that are no pictures, as everywhere. Of several pictures the highest counts."""
COLOURS = {"marked": typer.colors.GREEN, "unmarked": typer.colors.YELLOW, "broken": typer.colors.RED}


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(check)


def check(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, whoever made them.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything that was found as JSON.")] = False,
) -> None:
    """Say what pictures are, who signed them, whether they are whole, and what their watermark says.

    Exit code 0: marked. 1: one is unmarked, which does not say that no model drew it. 3: one is broken, its manifest
    does not belong to its pixels. 2: a file is no picture.
    """
    from limner.trust.checking import check_picture

    verdicts = [check_picture(picture) for picture in pictures]
    if as_json:
        import json

        typer.echo(json.dumps([verdict.as_json() for verdict in verdicts], indent=2, ensure_ascii=False))
    else:
        for verdict in verdicts:
            _tell(verdict)
    raise typer.Exit(max(EXIT_CODES[verdict.status] for verdict in verdicts))


def _tell(verdict: "Verdict") -> None:
    from limner.apps.verdict_words import verdict_lines

    typer.secho(f"{verdict.file}: {verdict.status}", fg=COLOURS[verdict.status])
    for problem in verdict.problems:
        typer.echo(f"  problem    {problem}")
    for name, told in verdict_lines(verdict):
        typer.echo(f"  {name:<10} {told}")
