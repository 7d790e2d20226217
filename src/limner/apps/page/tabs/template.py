"""The tab Template: a person in the place of a face of a picture; as `limner inpaint`."""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from limner.apps.inpaint_job import RECORD, InpaintJob, run_job
from limner.apps.page import fields, words
from limner.apps.page.events import Shown, Work, connect, doing
from limner.apps.page.workbench import Workbench
from limner.apps.settings import DEFAULT_PROMPT, InpaintSettings
from limner.core.errors import InputError, LimnerError
from limner.core.images import read_image, write_png
from limner.faces.drawing import mark_faces
from limner.faces.face import Face

REGIONS = [("The face", "face"), ("The head, with ears, hair and hat", "head")]


def add(bench: Workbench, people: gr.State) -> None:
    """Add the tab's fields to the page that is being built."""
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            template = fields.photo_field("The picture to put somebody into", height=260)
            seen = gr.Image(
                label="Whose place? Choose a face here or below", interactive=False, buttons=[], visible=False
            )
            place = gr.Radio([], label="Face, from the left", visible=False, elem_id="template-place")
            who = fields.who_fields(bench, people)
            region = gr.Radio(REGIONS, value="face", label="What changes", info="Every other pixel stays as it is.")
            with gr.Accordion("Words and dials", open=False):
                prompt = fields.prompt_field("What is to be seen in this place", DEFAULT_PROMPT)
                strength = gr.Slider(
                    0.1,
                    1,
                    value=InpaintSettings.model_fields["strength"].default,
                    step=0.05,
                    label="Change",
                    info="How much of what was there goes; 1 forgets it.",
                )
                dials = fields.dial_fields(bench)
        with gr.Column(scale=7, min_width=300):
            buttons = doing("Put into the picture", "template")
            result = gr.Image(label="Picture", interactive=False, format="png", buttons=["download", "fullscreen"])
            files = fields.results_field("template")
    faces = gr.State([])

    def begin(session: str, *values: Any) -> Work[Shown]:
        return draw(bench, session, *values)

    def choose(found: list[Face], event: gr.SelectData) -> Any:
        return nearest(found, *event.index)

    looked = [faces, seen, place, buttons.status]
    template.change(lambda path: look(bench, path), template, looked, show_progress="hidden")
    seen.select(choose, faces, place, show_progress="hidden")
    inputs = [template, place, *who.inputs, region, prompt, strength, *dials.inputs]
    connect(bench, buttons, inputs, [result, files], begin)


def look(bench: Workbench, path: str | None) -> tuple[Any, ...]:
    """The faces of a template, the picture with them marked, their numbers, and what is to be said."""
    hidden = gr.update(visible=False)
    if not path:
        return [], hidden, gr.update(choices=[], value=None, visible=False), ""
    try:
        picture = read_image(path)
        found = bench.studio.analyzer.search(picture).require()
    except LimnerError as error:
        return [], hidden, gr.update(choices=[], value=None, visible=False), words.problem(error, bench.folder)
    shown = bench.new_folder() / "faces.png"
    write_png(shown, mark_faces(picture, found))
    largest = max(range(len(found)), key=lambda number: found[number].area)
    choices = [(f"{one} (the largest)" if one == largest else str(one), one) for one in range(len(found))]
    several = len(found) > 1
    told = f"{len(found)} faces were found; choose whose place to take." if several else "1 face was found."
    return (
        found,
        gr.update(value=str(shown), visible=True),
        gr.update(choices=choices, value=largest, visible=several),
        words.note(told),
    )


def nearest(faces: list[Face], x: float, y: float) -> int:
    """The number of the face whose middle is nearest to a point, in pixels."""
    middles = np.array([face.center for face in faces])
    return int(np.argmin(((middles - (x, y)) ** 2).sum(axis=1)))


def draw(
    bench: Workbench,
    session: str,
    template: str | None,
    place: int | None,
    who: str,
    photo: str | None,
    region: str,
    prompt: str,
    strength: float,
    *dials: Any,
) -> Work[Shown]:
    """Draw what the fields say; the picture, and the files.

    Raises:
        LimnerError: as `limner inpaint`.
    """
    if not template:
        raise InputError("no picture was given to put somebody into; choose one")
    settings = InpaintSettings.of(
        prompt=prompt or DEFAULT_PROMPT, region=region, strength=strength, **fields.dials_of(bench, dials)
    )
    job = InpaintJob(
        settings,
        (fields.faces_of(bench, who, photo, prompt),),
        Path(template),
        assign=None if place is None else (place,),
        **bench.model(),
    )
    folder = bench.new_folder()
    results = yield from bench.runs.follow(session, lambda stages: run_job(job, folder, stages))
    [name], [scene] = results.names, results.scenes
    told = f"Done: {words.alike(scene.similarities[0])}. Nothing but the marked {region} was changed."
    return Shown(told, (str(folder / name), fields.results([folder / name, folder / RECORD])))
