"""The page itself: a heading and the tabs."""

import gradio as gr

from limner.apps.page.events import canceller
from limner.apps.page.fields import said
from limner.apps.page.tabs import batch, check, compare, people, portrait, template
from limner.apps.page.workbench import Workbench

TITLE = "Limner"
HEADING = """<div class="limner-head"><h1>Limner</h1>
<p>Portraits that look like a given person and follow your words. Use photos of yourself, or of people who agreed;
every picture says that a model drew it.</p></div>"""
ROOM = 16
"""Events that may wait at the same time; more are refused in words."""


def build(bench: Workbench) -> gr.Blocks:
    """The page, ready to be mounted."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 24 * 3600)) as page:
        number = gr.State(0)
        said(HEADING)
        with gr.Tabs(overflow_behavior="wrap"):
            with gr.Tab("Portrait", id="portrait"):
                portrait.add(bench, number)
            with gr.Tab("Template", id="template"):
                template.add(bench, number)
            with gr.Tab("People", id="people"):
                people.add(bench, number)
            with gr.Tab("Batch", id="batch"):
                batch.add(bench)
            with gr.Tab("Compare", id="compare"):
                compare.add(bench, number)
            with gr.Tab("Check", id="check"):
                check.add(bench)
        # Cards may have come or gone since the page was built.
        page.load(lambda: 1, None, number, show_progress="hidden")
        page.unload(canceller(bench))
    for function in page.fns.values():
        function.api_visibility = "private"  # nothing but the page itself is to call these
    return page.queue(max_size=ROOM)
