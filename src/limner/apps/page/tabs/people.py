"""The tab People: identity cards with what each person agreed to; as `limner identity` and `limner trust revoke`."""

import html
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import gradio as gr

from limner.apps.identity_job import IdentityJob, learn
from limner.apps.page import words
from limner.apps.page.events import Shown, Work, connect, doing
from limner.apps.page.fields import said
from limner.apps.page.workbench import Workbench
from limner.core.errors import InputError, LimnerError

MOST_PHOTOS = 16


def add(bench: Workbench, people: gr.State) -> None:
    """Add the tab's fields to the page that is being built; ``people`` is counted up when the folder changes."""
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            gr.Markdown("### Somebody new\nA card holds numbers of a face, never the photo.")
            name = gr.Textbox(label="Name", max_length=61, elem_id="people-name")
            photos = gr.File(
                label="Photos of this one person", file_count="multiple", file_types=["image"], elem_id="people-photos"
            )
            who = gr.Textbox(label="Who agreed", info="The person, or whoever may agree for them.", max_length=500)
            purpose = gr.Textbox(label="To what", placeholder="portraits for the family album", max_length=500)
            until = gr.Textbox(label="Until", info="Year-month-day; empty for no end.", max_length=10)
            buttons = doing("Make the card", "people")
        with gr.Column(scale=7, min_width=300):
            gr.Markdown("### Who is here")
            listed = said(table(bench), elem_id="people-list")
            chosen = gr.Dropdown(choices=bench.people.names(), value=None, label="Somebody of the list")
            with gr.Row():
                revoke = gr.Button("Consent taken back", min_width=120)
                delete = gr.Button("Delete the card", variant="stop", min_width=120)
            told = said(elem_classes="limner-live")

    def begin(session: str, *values: Any) -> Work[Shown]:
        return make(bench, session, *values)

    connect(bench, buttons, [name, photos, who, purpose, until, people], [people], begin)
    people.change(
        lambda: (table(bench), gr.update(choices=bench.people.names(), value=None)),
        None,
        [listed, chosen],
        show_progress="hidden",
    )
    for button, what in ((revoke, "revoke"), (delete, "delete")):
        button.click(
            lambda somebody, number, what=what: change(bench, what, somebody, number),
            [chosen, people],
            [told, people],
            show_progress="hidden",
        )


def make(
    bench: Workbench,
    session: str,
    name: str,
    photos: Sequence[str] | None,
    who: str,
    purpose: str,
    until: str,
    number: int,
) -> Work[Shown]:
    """Learn somebody and write the card.

    Raises:
        InputError: a field is missing or wrong.
        LimnerError: as `limner identity`.
    """
    if not photos:
        raise InputError("no photo was given; choose one or several of the same person")
    if len(photos) > MOST_PHOTOS:
        raise InputError(f"{len(photos)} photos were given; choose the best, at most {MOST_PHOTOS}")
    if not who.strip() or not purpose.strip():
        raise InputError("a card needs the person's consent: say who agreed, and to what")
    card = bench.people.new_card(name)
    job = IdentityJob(tuple(map(Path, photos)), purpose=purpose.strip(), who=who.strip(), until=_day(until))

    def work(stages: Any) -> Any:
        with stages.stage("looking at the photos"):
            return learn(job, card, bench.studio)

    person = yield from bench.runs.follow(session, work)
    quality = float(person.quality.mean())
    return Shown(f"{name.strip()} is here now: {len(photos)} photos, quality {quality:.2f} of 1.", (number + 1,))


def change(bench: Workbench, what: str, name: str | None, number: int) -> tuple[str, int]:
    """Delete a card or take its consent back; what is to be said, and the number counted up."""
    try:
        if not name:
            raise InputError("nobody was chosen; choose somebody of the list")
        if what == "delete":
            bench.people.delete(name)
            return words.note(f"The card of {name} is deleted."), number + 1
        bench.people.revoke(name)
        return words.note(f"The consent of {name} is taken back; every copy of the card is refused here."), number + 1
    except LimnerError as error:
        return words.problem(error, bench.folder), number


def table(bench: Workbench) -> str:
    """Everybody with what they agreed to, as HTML."""
    rows = "".join(
        f"<tr><th scope=row>{html.escape(one.name)}</th><td>{one.num_photos or '-'}</td><td>{one.quality:.2f}</td>"
        f"<td>{html.escape(one.problem or one.consent)}</td></tr>"
        for one in bench.people.listed()
    )
    if not rows:
        return '<p class="limner-empty">Nobody yet.</p>'
    heads = "".join(f"<th scope=col>{name}</th>" for name in ("Name", "Photos", "Quality", "Consent"))
    return f'<div class="limner-table"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _day(words_of_it: str) -> date | None:
    if not words_of_it.strip():
        return None
    try:
        return date.fromisoformat(words_of_it.strip())
    except ValueError:
        raise InputError(f"{words_of_it!r} is no day; write it as year-month-day, such as 2027-01-31") from None
