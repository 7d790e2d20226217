"""Fields that several tabs have, and what is made of what stands in them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from limner.apps.page.workbench import Workbench
from limner.apps.portrait_job import Faces
from limner.apps.settings import Dials
from limner.core.errors import InputError

A_PHOTO, INVENTED = "A photo", "An invented person"
"""Who, besides the people with a card."""
SUGGESTIONS = (
    "a photo of a person, smiling",
    "a pencil drawing of a person",
    "a photo of a woman with glasses",
    "a photo of an old man",
    "a photo of a young woman with red hair",
    "a photo of a person in front of a green background",
)
"""In words that the packaged model was taught."""


def said(value: str = "", **options: Any) -> gr.Markdown:
    """A place for what :mod:`limner.apps.page.words` says.

    Not gradio's own field for HTML, which runs strings as programs; the page's policy forbids that.
    """
    return gr.Markdown(value, sanitize_html=False, latex_delimiters=[], container=False, **options)


def photo_field(label: str, **options: Any) -> gr.Image:
    """A picture from a file, the camera or the clipboard; its value is the path of the bytes as they were given."""
    field = gr.Image(
        label=label, type="filepath", sources=["upload", "webcam", "clipboard"], buttons=["fullscreen"], **options
    )
    # Pictures of strangers are decoded in one place, `core.images`, which looks at their size first; and not by gradio
    # before. A subclass would make gradio write a stub beside this file.
    field.preprocess = _as_given
    return field


def _as_given(payload: ImageData | None) -> str | None:
    return None if payload is None else payload.path


def gallery_field(name: str, label: str = "Pictures", *, columns: int = 2) -> gr.Gallery:
    """Pictures with captions; each can be seen large and downloaded."""
    return gr.Gallery(
        label=label,
        columns=columns,
        object_fit="contain",
        elem_classes="limner-gallery",
        buttons=["download", "fullscreen"],
        interactive=False,
        elem_id=f"{name}-gallery",
    )


def results_field(name: str) -> gr.File:
    """Files to be downloaded; not there before there are any."""
    return gr.File(
        label="Files to keep",
        file_count="multiple",
        interactive=False,
        visible=False,
        elem_id=f"{name}-files",
        elem_classes="limner-results",
    )


def results(files: Sequence[Path]) -> Any:
    """The value of :func:`results_field`."""
    return gr.update(value=[str(file) for file in files], visible=True)


@dataclass(frozen=True, eq=False)
class Who:
    """The person to be drawn: a photo, the example, or somebody with a card."""

    choice: gr.Dropdown
    photo: gr.Image

    @property
    def inputs(self) -> list[Any]:
        """For an event; :func:`faces_of` takes them."""
        return [self.choice, self.photo]


def who_fields(bench: Workbench, people: gr.State) -> Who:
    """Fields for one person; ``people`` holds a number that changes when the folder of cards does."""
    choice = gr.Dropdown(
        choices=known_people(bench),
        value=A_PHOTO,
        label="Who",
        info="A photo, somebody of the tab People, or an invented person: whom the sentence names (Alma Verin and 199 "
        "others), and else the example person.",
        filterable=False,
    )
    photo = photo_field("Photo of the person", height=260)
    choice.change(lambda who: gr.update(visible=who == A_PHOTO), choice, photo, show_progress="hidden")
    people.change(lambda: gr.update(choices=known_people(bench)), None, choice, show_progress="hidden")
    return Who(choice, photo)


def known_people(bench: Workbench) -> list[str]:
    """What can be chosen as a person."""
    return [A_PHOTO, INVENTED, *bench.people.names()]


def faces_of(bench: Workbench, who: str, photo: str | None, sentence: str = "") -> Faces:
    """The person that was chosen; ``sentence`` may name the invented one.

    Raises:
        InputError: no photo was given, or there is nobody of this name, or the sentence names several people.
        ImageError: the photo cannot be read.
    """
    if who == INVENTED:
        return Faces.given([], None, sentence)
    if who != A_PHOTO:
        return Faces.given([bench.people.card(who)], None)
    if not photo:
        raise InputError("no photo was given; choose one, take one with the camera, or choose an invented person")
    return Faces.given([Path(photo)], None)


def prompt_field(label: str = "What the picture shows", value: str = SUGGESTIONS[0]) -> gr.Textbox:
    """A sentence, with suggestions below it."""
    prompt = gr.Textbox(value=value, label=label, lines=2, max_lines=4, max_length=2000)
    suggestions = gr.Dataset(
        label="Suggestions", components=[prompt], samples=[[one] for one in SUGGESTIONS], elem_classes="limner-hints"
    )
    suggestions.click(lambda chosen: chosen[0], suggestions, prompt, show_progress="hidden")
    return prompt


@dataclass(frozen=True, eq=False)
class DialFields:
    """The dials of a picture; their names are those of :class:`limner.apps.settings.Dials`."""

    seed: gr.Number
    adapter_scale: gr.Slider
    identity_guidance: gr.Slider
    guidance_scale: gr.Slider
    num_steps: gr.Slider
    negative_prompt: gr.Textbox

    @property
    def inputs(self) -> list[Any]:
        """For an event; :func:`dials_of` takes them."""
        return [getattr(self, one.name) for one in fields(self)]


FIRST_SEED = 7
"""The one of `make portrait`, so that the page begins with pictures that its user has seen."""


def dial_fields(bench: Workbench) -> DialFields:
    """Sliders, each with what it does, at the model's own values; the guide's is hidden where the model has none."""
    base = bench.studio.assembly.base
    return DialFields(
        seed=gr.Number(
            value=FIRST_SEED,
            precision=0,
            minimum=0,
            maximum=2**32 - 1,
            label="Seed",
            info="The same number gives the same picture again; the next pictures have the next numbers.",
        ),
        adapter_scale=gr.Slider(
            0,
            2,
            value=Dials.model_fields["adapter_scale"].default,
            step=0.05,
            label="Likeness",
            info="How strongly the person is kept; 0 is anybody.",
        ),
        identity_guidance=gr.Slider(
            0,
            0.3,
            value=base.identity_guidance,
            step=0.02,
            label="Guide",
            info="How far a recogniser that looks on pulls towards the person; 0 is faster, and it is not asked.",
            visible=base.identity_guidance > 0,
        ),
        guidance_scale=gr.Slider(
            1,
            10,
            value=base.guidance_scale,
            step=0.25,
            label="Obedience",
            info="How closely the words are followed; too much makes skin pale and edges hard.",
        ),
        num_steps=gr.Slider(
            1,
            60,
            value=Dials.model_fields["num_steps"].default,
            step=1,
            label="Steps",
            info="More steps take longer; beyond 25 little changes.",
        ),
        negative_prompt=gr.Textbox(
            value="", label="Not in the picture", info="What should not be seen, in words.", max_length=2000
        ),
    )


def dials_of(bench: Workbench, values: Sequence[Any]) -> dict[str, Any]:
    """Settings by name, of the values of :attr:`DialFields.inputs`; those only that were moved, so that a style may set
    the others.

    Raises:
        InputError: the seed is missing.
    """
    names = [one.name for one in fields(DialFields)]
    found = dict(zip(names, values, strict=True))
    if found["seed"] is None:
        raise InputError("the seed is missing; give a whole number, 0 for instance")
    # A browser sends 25 as 25 and 25.0 alike.
    found |= {"seed": int(found["seed"]), "num_steps": int(found["num_steps"])}
    untouched = {name: one.default for name, one in Dials.model_fields.items()}
    base = bench.studio.assembly.base
    untouched |= {"guidance_scale": base.guidance_scale, "identity_guidance": base.identity_guidance}
    return {name: value for name, value in found.items() if value != untouched[name]}
