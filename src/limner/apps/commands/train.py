"""``limner train``: one recipe, one run; several run in turn. Killed at any point, the same command goes on from there.

In several processes: ``accelerate launch -m limner.training`` with the same arguments.
"""

import os
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(train)


def train(
    recipe: Annotated[list[Path], typer.Argument(help="Recipe, .toml, see recipes/; several run in turn.")],
    shards: Annotated[Path, typer.Option(help="Folder of training shards, see `limner data`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder shared by runs that build on each other.")],
    autoencoder: Annotated[
        Path | None, typer.Option(help="Folder of taef2_encoder.pth and taef2_decoder.pth; the base needs it once.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting of every recipe: training.steps=10.")
    ] = None,
    length: Annotated[
        float, typer.Option(min=0.001, help="Share of every recipe's steps: 0.25 trains in a quarter of the time.")
    ] = 1.0,
    threads: Annotated[int, typer.Option(min=0, help="Processor threads; 0 takes all.")] = 0,
) -> None:
    """Train what recipes say and write the weights to OUTPUT/model."""
    import torch

    from limner.apps.progress import training_bars
    from limner.apps.quiet import quiet_libraries
    from limner.core.allocation import keep_freed_memory

    with quiet_libraries():
        from limner.apps.assembly_training import read_recipe
        from limner.apps.assembly_training import train as run_recipe

    keep_freed_memory()
    settings = [
        read_recipe(path, set_ or [], length) for path in recipe
    ]  # a mistake in the last one shows before the first runs
    if threads:
        torch.set_num_threads(threads)
    first = os.environ.get("RANK", "0") == "0"  # of the processes that accelerate starts
    for one in settings:
        with quiet_libraries(keep_bars=True), training_bars(hidden=not first) as bars:
            written = run_recipe(one, shards, output, autoencoder, bars(""))
        if first:
            typer.echo(f"written: {written}")
