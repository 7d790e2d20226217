"""Choosing a look: by name, or from pictures of the very person in every look."""

from typing import Any

import gradio as gr

from limner.apps.page.events import Shown, Work, connect, doing
from limner.apps.page.fields import Who, faces_of
from limner.apps.page.workbench import Workbench
from limner.apps.style_pictures import StylePicturesJob, draw_styles
from limner.apps.styles import DEFAULT_SUBJECT
from limner.core.errors import ConfigError

NO_STYLE = "none"


def add_style_fields(bench: Workbench, who: Who) -> gr.Dropdown:
    """Add the fields to the tab that is being built; gives the one that holds the name of the style."""
    style = gr.Dropdown(
        choices=[("No style", NO_STYLE), *((f"{one.style.title} ({one.theme})", one.name) for one in bench.styles)],
        value=NO_STYLE,
        label="Style",
        info="A look for the picture; the words above stay yours.",
    )
    with gr.Accordion("Style gallery: see this person in every look", open=False):
        themes = gr.Dropdown(choices=_themes(bench), label="Theme", filterable=False)
        buttons = doing("Show the looks", "styles")
        gallery = gr.Gallery(
            label="Choose a picture to take its style",
            columns=3,
            elem_classes="limner-gallery",
            allow_preview=False,
            interactive=False,
            buttons=[],
        )
        shown = gr.State([])

    def begin(session: str, *values: Any) -> Work[Shown]:
        return draw(bench, session, *values)

    def choose(names: list[str], event: gr.SelectData) -> str:
        return names[event.index]

    connect(bench, buttons, [*who.inputs, themes], [gallery, shown], begin)
    gallery.select(choose, shown, style, show_progress="hidden")
    return style


def _themes(bench: Workbench) -> list[str]:
    return list(dict.fromkeys(one.theme for one in bench.styles))


def draw(bench: Workbench, session: str, who: str, photo: str | None, theme: str) -> Work[Shown]:
    """The person in every look of a theme; a gallery with titles, and the names of the styles.

    Raises:
        LimnerError: as `limner styles --pictures`.
    """
    wanted = [one for one in bench.styles if one.theme == theme]
    if not wanted:
        raise ConfigError("no theme was chosen; choose one of the list")
    job = StylePicturesJob(
        wanted, faces_of(bench, who, photo), DEFAULT_SUBJECT, 0, {}, bench.settings.styles, **bench.model()
    )
    folder = bench.new_folder()
    names = yield from bench.runs.follow(session, lambda stages: draw_styles(job, folder, stages))
    titles = {one.name: one.style.title for one in wanted}
    pictures = [(str(folder / f"{name}.png"), titles[name]) for name in names]
    return Shown("Choose a picture to take its style.", (pictures, names))
