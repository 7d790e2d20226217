"""The tab Compare: the same seed with and without the person, and with other adapters that the user has."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from limner.apps.clock import Stages
from limner.apps.page import fields, words
from limner.apps.page.events import Shown, Work, connect, doing
from limner.apps.page.workbench import Workbench
from limner.apps.portrait_job import PortraitJob, run_job
from limner.apps.settings import PortraitSettings

OFF, ON = "Without the person", "With the person"
MOST_SEEDS = 4


def add(bench: Workbench, people: gr.State) -> None:
    """Add the tab's fields to the page that is being built."""
    others = list(bench.adapters())
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            who = fields.who_fields(bench, people)
            prompt = fields.prompt_field()
            seeds = gr.Slider(1, MOST_SEEDS, value=2, step=1, label="Seeds", info="Columns of the comparison.")
            adapters = gr.CheckboxGroup(
                others,
                value=others,
                label="Adapters beside the model's own",
                info="Of the folder that `limner ui --adapters` names; one trained without FAIR, for instance.",
                visible=bool(others),
            )
            with gr.Accordion("Dials", open=False):
                dials = fields.dial_fields(bench)
        with gr.Column(scale=7, min_width=300):
            buttons = doing("Compare", "compare")
            gallery = fields.gallery_field("compare", "Each row has the same seeds")

    def begin(session: str, *values: Any) -> Work[Shown]:
        return draw(bench, session, *values)

    inputs = [*who.inputs, prompt, seeds, adapters, *dials.inputs]
    connect(bench, buttons, inputs, [gallery], begin)


def draw(
    bench: Workbench,
    session: str,
    who: str,
    photo: str | None,
    prompt: str,
    seeds: float,
    adapters: Sequence[str],
    *dials: Any,
) -> Work[Shown]:
    """Draw the same seeds without and with the person; a gallery with captions.

    Raises:
        LimnerError: as `limner portrait`.
    """
    settings = PortraitSettings.of(prompt=prompt, count=int(seeds), **fields.dials_of(bench, dials))
    faces = fields.faces_of(bench, who, photo, prompt)
    job = PortraitJob(settings, faces, **bench.model())
    jobs = {OFF: replace(job, settings=settings.model_copy(update={"adapter_scale": 0.0})), ON: job}
    jobs |= {name: PortraitJob(settings, faces, **bench.model(name)) for name in adapters}
    folder = bench.new_folder()
    pictures = yield from bench.runs.follow(session, lambda stages: _run(jobs, folder, stages))
    update = gr.update(value=pictures, columns=int(seeds))
    return Shown("Done: each row has the same seeds, so that only the person makes the difference.", (update,))


def _run(jobs: dict[str, PortraitJob], folder: Path, stages: Stages) -> list[tuple[str, str]]:
    pictures = []
    for number, (label, job) in enumerate(jobs.items()):
        results = run_job(job, folder / str(number), stages)
        pictures += [
            (str(folder / str(number) / name), f"{label}: seed {one.seed}, {words.alike(one.similarity)}")
            for name, one in zip(results.names, results.portraits, strict=True)
        ]
    return pictures
