"""The tab Portrait: a person and a sentence in, pictures out; as `limner portrait`."""

from typing import Any

import gradio as gr

from limner.apps.page import fields, words
from limner.apps.page.events import Shown, Work, connect, doing
from limner.apps.page.style_gallery import NO_STYLE, add_style_fields
from limner.apps.page.workbench import Workbench
from limner.apps.portrait_files import RECORD, SHEET
from limner.apps.portrait_job import PortraitJob, run_job
from limner.apps.settings import PortraitSettings

MOST_PICTURES, MOST_CHOICE = 8, 4


def add(bench: Workbench, people: gr.State) -> None:
    """Add the tab's fields to the page that is being built."""
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            who = fields.who_fields(bench, people)
            prompt = fields.prompt_field()
            style = add_style_fields(bench, who)
            count = gr.Slider(1, MOST_PICTURES, value=4, step=1, label="Pictures", elem_id="portrait-count")
            with gr.Accordion("Dials", open=False):
                dials = fields.dial_fields(bench)
                best_of = gr.Slider(
                    1,
                    MOST_CHOICE,
                    value=1,
                    step=1,
                    label="Choose from",
                    info="So many are drawn for each one kept: those most like the person. It takes that much longer.",
                )
        with gr.Column(scale=7, min_width=300):
            buttons = doing("Draw", "portrait")
            gallery = fields.gallery_field("portrait")
            files = fields.results_field("portrait")

    def begin(session: str, *values: Any) -> Work[Shown]:
        return draw(bench, session, *values)

    connect(bench, buttons, [*who.inputs, prompt, style, count, best_of, *dials.inputs], [gallery, files], begin)


def draw(
    bench: Workbench,
    session: str,
    who: str,
    photo: str | None,
    prompt: str,
    style: str,
    count: float,
    best_of: float,
    *dials: Any,
) -> Work[Shown]:
    """Draw what the fields say; a gallery with captions, and the files.

    Raises:
        LimnerError: as `limner portrait`.
    """
    settings = PortraitSettings.of(
        prompt=prompt,
        count=int(count),
        best_of=int(best_of),
        style=None if style == NO_STYLE else style,
        styles=bench.settings.styles,
        **fields.dials_of(bench, dials),
    )
    job = PortraitJob(settings, fields.faces_of(bench, who, photo, prompt), **bench.model())
    folder = bench.new_folder()
    results = yield from bench.runs.follow(session, lambda stages: run_job(job, folder, stages))
    pictures = [
        (str(folder / name), f"Seed {one.seed}, {words.alike(one.similarity)}")
        for name, one in zip(results.names, results.portraits, strict=True)
    ]
    files = fields.results([folder / name for name in (*results.names, SHEET, RECORD)])
    told = "1 picture" if len(pictures) == 1 else f"{len(pictures)} pictures"
    note = f"Done: {told}. They are gone when the page ends; download what you want to keep."
    return Shown(note, (pictures, files))
