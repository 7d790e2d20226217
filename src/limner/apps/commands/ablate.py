"""``limner ablate``: full FACT beside itself without each of its parts, and beside its rival; one table."""

from pathlib import Path
from typing import Annotated

import typer

MINIATURE = "Folder of the miniature's runs with base and encoder; not needed by a recipe that names its base."
VARIANTS = "Which, separated by commas; all by default. Full FACT is always among them."


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(ablate)


def ablate(
    recipe: Annotated[Path, typer.Argument(help="Recipe of full FACT, .toml.")],
    shards: Annotated[Path, typer.Option(help="Training shards; their validation people are drawn.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for variants and report.")],
    miniature: Annotated[Path | None, typer.Option(help=MINIATURE)] = None,
    variants: Annotated[str | None, typer.Option(help=VARIANTS)] = None,
    training_seeds: Annotated[
        str | None, typer.Option(help="Train every variant with each of these, as 0,1; by default the recipe's own.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Change one setting of all variants.")] = None,
    protocol: Annotated[str, typer.Option(help="As for `limner evaluate`.")] = "miniature",
    real: Annotated[Path | None, typer.Option(help="Packed photo set of real people, measured and not shown.")] = None,
    people: Annotated[int | None, typer.Option(min=2, help="At most so many of each group.")] = None,
    seeds: Annotated[int | None, typer.Option(min=2, help="Pictures of each person and sentence.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps.")] = None,
    judge: Annotated[str, typer.Option(help="Feature space of the recogniser that judges.")] = "dlib-resnet-v1",
    features: Annotated[Path | None, typer.Option(help="As for `limner evaluate`.")] = None,
    classifiers: Annotated[Path | None, typer.Option(help="As for `limner evaluate`.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Processor threads; 0 takes all.")] = 0,
) -> None:
    """Train every variant that is not finished, draw the same people by all, print one table."""
    import torch

    from limner.apps.ablation import chosen_variants, evaluate_variants, ground_of, seeds_named, train_variants
    from limner.apps.assembly_training import read_recipe
    from limner.apps.evaluation_job import PAGE, EvaluationJob
    from limner.apps.evaluation_table import print_report
    from limner.apps.progress import people_bar, training_bars
    from limner.evaluation.protocol import protocol_named

    rules = protocol_named(protocol, people=people, seeds=seeds, steps=steps)
    wanted = chosen_variants(variants)
    if threads:
        torch.set_num_threads(threads)
    ground = ground_of(read_recipe(recipe, set_ or []), miniature)
    with training_bars() as report:
        trained = train_variants(
            recipe,
            set_ or [],
            wanted,
            ground=ground,
            shards=shards,
            output=output,
            report=report,
            seeds=seeds_named(training_seeds),
        )
    job = EvaluationJob(
        ground.model,
        {},
        rules,
        shards,
        real=real,
        judge=judge,
        features=features,
        classifiers=classifiers,
        encoder=ground.encoder,
    )
    with people_bar() as progress:
        found = evaluate_variants(trained, job, output, progress)
    print_report(found)
    typer.echo(f"All of it, with pictures: {output / PAGE}")
