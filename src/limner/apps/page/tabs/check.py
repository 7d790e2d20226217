"""The tab Check: what a picture says about itself, and whether it is true; as `limner check`."""

import html
from pathlib import Path

import gradio as gr

from limner.apps.page import words
from limner.apps.page.fields import photo_field, said
from limner.apps.page.workbench import Workbench
from limner.apps.verdict_words import verdict_lines
from limner.core.errors import InputError, LimnerError
from limner.trust.checking import Status, Verdict, check_picture

HEADLINES: dict[Status, str] = {
    "marked": "Marked: this picture says that a model took part",
    "unmarked": "Unmarked: nothing is said, which does not mean that no model drew it",
    "broken": "Broken: what stands in this file does not belong to its pixels",
}


def add(bench: Workbench) -> None:
    """Add the tab's fields to the page that is being built."""
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            picture = photo_field("Any picture, whoever made it", height=320)
            go = gr.Button("Check", variant="primary", elem_id="check-go")
        with gr.Column(scale=7, min_width=300):
            told = said(elem_id="check-status", elem_classes="limner-live")
    go.click(lambda path: look(bench, path), picture, told, show_progress="hidden")


def look(bench: Workbench, path: str | None) -> str:
    """The verdict on a picture, as HTML."""
    try:
        if not path:
            raise InputError("no picture was given; choose one first")
        return _table(check_picture(Path(path)))
    except LimnerError as error:
        return words.problem(error, bench.folder)


def _table(verdict: Verdict) -> str:
    lines = [("problem", one) for one in verdict.problems] + verdict_lines(verdict)
    rows = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th><td>{html.escape(told)}</td></tr>" for name, told in lines
    )
    headline = html.escape(HEADLINES[verdict.status])
    return f'<div class="limner-verdict limner-{verdict.status}"><h3>{headline}</h3><table>{rows}</table></div>'
