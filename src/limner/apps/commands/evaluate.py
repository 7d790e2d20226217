"""``limner evaluate``: does it look like the person, follow the words, and leave the rest of the picture alone?"""

from pathlib import Path
from typing import Annotated

import typer

METHODS = (
    "What to measure, separated by commas: NAME=FILE for an adapter's file, or the name of the system alone for the "
    "model's own adapter."
)
JUDGE = "Feature space of the recogniser that judges; one that took part in training is refused."
FEATURES = "File of EfficientNet-Lite0, for perceptual and Frechet distances; the installed package by default."
GUIDED = "How far the guide pulls what is drawn towards the person; as a portrait is drawn if left out."
GLASSES = "Where no sentence speaks of glasses: photo, as on the reference; words, as the seed will."
CLASSIFIERS = "Folder of fr_pose.onnx and fr_gender.onnx, attribute classifiers that no training has seen."
WINDOW = "Start and end of the part of the run in which the person is shown; as a portrait is drawn if left out."
UNSEEN = "Shards of other people, unseen in training; the Frechet distance to all their pictures is told, too."


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(evaluate)


def evaluate(
    methods: Annotated[str, typer.Option(help=METHODS)] = "fact",
    protocol: Annotated[str, typer.Option(help="Who is drawn, with which words and seeds.")] = "miniature",
    model: Annotated[str, typer.Option(help="The base of all methods, as for `limner portrait`.")] = "miniature",
    shards: Annotated[Path, typer.Option(help="Shards whose validation people are drawn.")] = Path("people/shards"),
    real: Annotated[Path | None, typer.Option(help="Packed photo set of real people, measured and not shown.")] = None,
    unseen: Annotated[Path | None, typer.Option(help=UNSEEN)] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the report.")] = Path("out/evaluation"),
    reference: Annotated[str | None, typer.Option(help="Method to tell the others apart from; the first.")] = None,
    people: Annotated[int | None, typer.Option(min=2, help="At most so many of each group.")] = None,
    seeds: Annotated[int | None, typer.Option(min=2, help="Pictures of each person and sentence.")] = None,
    first_seed: Annotated[int | None, typer.Option(min=0, help="Another number gives other pictures.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Draw all as `limner portrait --fast` does.")] = False,
    scale: Annotated[float | None, typer.Option(help="How strongly the person is kept.")] = None,
    window: Annotated[tuple[float, float] | None, typer.Option(help=WINDOW)] = None,
    identity_guidance: Annotated[float | None, typer.Option(help=GUIDED)] = None,
    glasses: Annotated[str | None, typer.Option(help=GLASSES)] = None,
    judge: Annotated[str, typer.Option(help=JUDGE)] = "dlib-resnet-v1",
    features: Annotated[Path | None, typer.Option(help=FEATURES)] = None,
    classifiers: Annotated[Path | None, typer.Option(help=CLASSIFIERS)] = None,
    encoder: Annotated[Path | None, typer.Option(help="Face encoder that the adapters read.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...; the best there is by default.")] = None,
) -> None:
    """Draw the validation people by each method and measure the pictures: report.json and report.html."""
    from limner.apps.evaluation_job import PAGE, EvaluationJob, run_evaluation
    from limner.apps.evaluation_methods import methods_named
    from limner.apps.evaluation_table import print_report
    from limner.apps.progress import people_bar
    from limner.core.errors import ConfigError
    from limner.evaluation.protocol import protocol_named

    if fast and steps is not None:
        raise ConfigError(f"fast settles the steps, and steps is {steps}; leave out --fast or --steps")

    rules = protocol_named(
        protocol,
        people=people,
        seeds=seeds,
        first_seed=first_seed,
        steps=steps,
        fast=fast,
        scale=scale,
        window=window,
        identity_guidance=identity_guidance,
        glasses=glasses,
    )
    job = EvaluationJob(
        model,
        methods_named(methods),
        rules,
        shards,
        real=real,
        unseen=unseen,
        reference=reference,
        judge=judge,
        features=features,
        classifiers=classifiers,
        encoder=encoder,
        device=device,
    )
    with people_bar() as progress:
        report = run_evaluation(job, output, progress)
    print_report(report)
    typer.echo(f"All of it, with pictures: {output / PAGE}")
