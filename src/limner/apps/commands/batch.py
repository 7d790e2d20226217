"""``limner batch``: a table of people, prompts and seeds in, one picture a row out."""

from pathlib import Path
from typing import Annotated

import typer

from limner.apps import option_blocks, options
from limner.apps.option_blocks import Options, with_blocks

JOBS = "A .csv with the columns person, prompt, seed, style, negative_prompt, or a .jsonl with these keys."
SOME_FAILED = 1
"""Exit code where rows failed and the rest was drawn."""


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(batch)


@with_blocks(dials=option_blocks.dials, model=option_blocks.model)
def batch(
    *,
    jobs: Annotated[Path, typer.Argument(help=JOBS, show_default=False)],
    output: options.Output = Path("out"),
    dials: Options,
    height: options.Height = None,
    width: options.Width = None,
    enlarge: options.Enlarge = None,
    model: Options,
) -> None:
    """Draw one picture for each row of a table; run again, it goes on where it was stopped."""
    from limner.apps.batch_job import GRID, REPORT, BatchJob, run_batch
    from limner.apps.tables import print_table

    own = options.given(height=height, width=width, enlarge=enlarge)
    job = BatchJob(jobs, dials | own, **model)
    outcomes = run_batch(job, output)
    failed = [one for one in outcomes if one.state == "failed"]
    if failed:
        print_table("Rows that failed", ["row", "why"], [(one.line.number, one.error) for one in failed])
    counts = {state: sum(one.state == state for one in outcomes) for state in ("drawn", "kept", "failed")}
    typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()))
    if len(failed) < len(outcomes):
        typer.echo(f"All together: {output / GRID}; each row: {output / REPORT}")
    if failed:
        raise typer.Exit(SOME_FAILED)
