"""How a tab works: a button begins something, a line says how far it is, another button ends it, errors are words."""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import gradio as gr

from limner.apps.page import words
from limner.apps.page.fields import said
from limner.apps.page.runs import Told
from limner.apps.page.workbench import Workbench
from limner.core.errors import LimnerError

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
Work = Generator[Told, None, Result]
"""Something that takes a while; see :meth:`limner.apps.page.runs.Runs.follow`."""


@dataclass(frozen=True)
class Shown:
    """What a tab shows when its work is done: a line, and the values of its results."""

    note: str
    values: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Doing:
    """The two buttons and the line of a tab."""

    go: gr.Button
    stop: gr.Button
    status: gr.Markdown


def doing(label: str, name: str) -> Doing:
    """Buttons and line; ``name`` tells the tabs' elements apart."""
    with gr.Row(elem_classes="limner-buttons"):
        go = gr.Button(label, variant="primary", elem_id=f"{name}-go", min_width=120)
        stop = gr.Button("Cancel", interactive=False, elem_id=f"{name}-stop", min_width=100)
    status = said(elem_id=f"{name}-status", elem_classes="limner-live")
    return Doing(go, stop, status)


def connect(
    bench: Workbench,
    buttons: Doing,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    begin: Callable[..., Work[Shown]],
) -> None:
    """Let the first button call ``begin(session, *values of the inputs)`` and show what comes of it."""
    ends = [buttons.status, buttons.go, buttons.stop, *outputs]

    def handle(request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        yield from answers(bench, begin(str(request.session_hash), *values), len(outputs))

    buttons.go.click(handle, list(inputs), ends, show_progress="hidden", concurrency_limit=None)
    buttons.stop.click(canceller(bench), None, None, show_progress="hidden", concurrency_limit=None)


def canceller(bench: Workbench) -> Callable[[gr.Request], None]:
    """Lets the work of a browser window end."""

    def cancel(request: gr.Request) -> None:
        bench.runs.cancel(str(request.session_hash))

    return cancel


def answers(bench: Workbench, work: Work[Shown], num_outputs: int) -> Iterator[tuple[Any, ...]]:
    """States of (line, first button, second button, results): while it works, and at the end."""
    untouched = tuple(gr.skip() for _ in range(num_outputs))
    idle = gr.update(interactive=True), gr.update(interactive=False)
    busy = gr.update(interactive=False), gr.update(interactive=True)
    try:
        while True:
            try:
                told = next(work)
            except StopIteration as end:
                yield (words.note(end.value.note), *idle, *end.value.values)
                return
            yield (words.progress(told), *busy, *untouched)
    except LimnerError as error:
        yield (words.problem(error, bench.folder), *idle, *untouched)
    except Exception as error:
        _log.exception("something went wrong on the page")
        yield (words.problem(error, bench.folder), *idle, *untouched)
    finally:
        work.close()
