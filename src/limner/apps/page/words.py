"""What the page says in words: how far it is, what went wrong, how alike a picture is."""

import html
import re
from pathlib import Path

from limner.apps.page.runs import Told
from limner.core.errors import LimnerError

UNEXPECTED = (
    "Something went wrong that should not have; what it was stands in the window where `limner ui` was started. "
    "Trying again may help."
)


def progress(told: Told) -> str:
    """How far it is, as HTML."""
    stage = html.escape(told.stage[:1].upper() + told.stage[1:])
    if told.total is None:
        return f'<div class="limner-status"><span>{stage} …</span><progress aria-label="{stage}"></progress></div>'
    value = f'value="{told.done}" max="{told.total}"'
    return (
        f'<div class="limner-status"><span>{stage}: {told.done} of {told.total}</span>'
        f'<progress aria-label="{stage}" {value}></progress></div>'
    )


def note(text: str) -> str:
    """Something good or indifferent, as HTML."""
    return f'<div class="limner-status limner-note" role="status">{html.escape(text)}</div>'


def problem(error: Exception, private: Path) -> str:
    """What went wrong, as HTML; read out at once by a screen reader, without the folders of this computer.

    Args:
        private: the folder of what was handed in; names of files in it stay, where they lie does not.
    """
    text = plain(error, private) if isinstance(error, LimnerError) else UNEXPECTED
    return f'<div class="limner-status limner-problem" role="alert">{html.escape(text)}</div>'


def plain(error: LimnerError, private: Path) -> str:
    """The message in one line, as a sentence."""
    text = " ".join(str(error).split())
    text = re.sub(re.escape(str(private)) + r"/(?:[^/\s]+/)*", "", text)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def alike(similarity: float | None) -> str:
    """A similarity as a caption says it."""
    return "no face found" if similarity is None else f"similarity {similarity:.2f}"
