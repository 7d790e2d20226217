"""``limner check``: what a picture says about itself, and whether it is true."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from limner.trust.checking import Verdict

EXIT_CODES = {"marked": 0, "unmarked": 1, "broken": 3}
"""2 is for files that are no pictures, as everywhere. Of several pictures the highest counts."""
COLOURS = {"marked": typer.colors.GREEN, "unmarked": typer.colors.YELLOW, "broken": typer.colors.RED}
SOURCE_TYPES = {
    "trainedAlgorithmicMedia": "drawn by a model",
    "compositeWithTrainedAlgorithmicMedia": "pictures joined or changed by a model",
    "digitalCapture": "taken with a camera",
}


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
    typer.secho(f"{verdict.file}: {verdict.status}", fg=COLOURS[verdict.status])
    for problem in verdict.problems:
        typer.echo(f"  problem    {problem}")
    for name, told in lines_of(verdict):
        typer.echo(f"  {name:<10} {told}")


def lines_of(verdict: "Verdict") -> list[tuple[str, str]]:
    """What was found, as names and words."""
    lines: list[tuple[str, str]] = []
    if (manifest := verdict.manifest) is not None:
        kind = SOURCE_TYPES.get(manifest.source_type, manifest.source_type or "not stated")
        lines.append(("what", f"{kind}; written by {manifest.generator or 'an unnamed program'}"))
        signer = f"{manifest.signer or 'nobody'} ({manifest.issuer or 'no issuer'})"
        vouched = "whom this computer trusts" if manifest.trusted else "whom nobody here vouches for"
        lines.append(("signed by", f"{signer}, {vouched}"))
        lines.append(("intact", "no" if manifest.problems else "yes, since it was signed"))
        if manifest.ancestors:
            lines.append(("made from", ", ".join(manifest.ancestors)))
        if (making := manifest.making) is not None:
            lines.append(("model", making.model if making.adapter is None else f"{making.model} with {making.adapter}"))
            lines.append(("settings", ", ".join(f"{name} {value}" for name, value in making.parameters.items()) or "-"))
            lines.append(("terms", ", ".join(making.licences) or "-"))
    else:
        lines.append(("manifest", "none"))
    if verdict.watermark is None:
        lines.append(("watermark", "none found"))
    else:
        mark = verdict.watermark
        lines.append(
            ("watermark", f"{mark.number} ({mark.name}); by chance in one of {1 / mark.false_alarm:,.0f} pictures")
        )
    return lines
