"""``limner batch``: a table of people, prompts and seeds in, one picture a row out."""

from pathlib import Path
from typing import Annotated

import typer

from limner.apps import options

JOBS = "A .csv with the columns person, prompt, seed, style, negative_prompt, or a .jsonl with these keys."
SOME_FAILED = 1
"""Exit code where rows failed and the rest was drawn."""


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(batch)


def batch(
    jobs: Annotated[Path, typer.Argument(help=JOBS, show_default=False)],
    output: options.Output = Path("out"),
    scale: options.Scale = None,
    likeness: options.Likeness = None,
    variety: options.Variety = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    height: Annotated[int | None, typer.Option(help="In pixels, a multiple of 8.")] = None,
    width: Annotated[int | None, typer.Option(help="In pixels, a multiple of 8.")] = None,
    enlarge: options.Enlarge = None,
    styles: options.Styles = None,
    lora: options.Lora = None,
    lora_weight: options.LoraWeight = None,
    scheduler: options.Scheduler = None,
    face_guidance: options.FaceGuidance = None,
    block_scale: options.BlockScale = None,
    window: options.Window = None,
    sparse: options.Sparse = None,
    model: options.Model = "miniature",
    adapter: options.Adapter = None,
    encoder: options.Encoder = None,
    device: options.Device = None,
    commercial: options.Commercial = False,
) -> None:
    """Draw one picture for each row of a table; run again, it goes on where it was stopped."""
    from limner.apps.batch_job import GRID, REPORT, BatchJob, run_batch
    from limner.apps.tables import print_table

    dials = options.given(
        adapter_scale=scale,
        likeness=likeness,
        variety=variety,
        num_steps=steps,
        guidance_scale=guidance,
        height=height,
        width=width,
        enlarge=enlarge,
        styles=styles,
        lora=lora,
        lora_weight=lora_weight,
        scheduler=scheduler,
        face_guidance=face_guidance,
        block_scales=options.scales_of(block_scale),
        window=window,
        sparse=sparse,
    )
    job = BatchJob(jobs, dials, model=model, adapter=adapter, encoder=encoder, device=device, commercial=commercial)
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
