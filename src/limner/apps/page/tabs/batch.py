"""The tab Batch: a table of people, words and seeds in, one picture a row out; as `limner batch`."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from limner.apps.batch_job import GRID, REPORT, BatchJob, Outcome, run_batch
from limner.apps.batch_rows import Line, read_rows
from limner.apps.page import words
from limner.apps.page.events import Shown, Work, connect, doing
from limner.apps.page.fields import gallery_field, results, results_field, said
from limner.apps.page.workbench import Workbench
from limner.apps.portrait_job import CARD_SUFFIX
from limner.core.errors import InputError

MOST_ROWS = 200
EXAMPLE = """person,prompt,seed
anna.jpg,"a photo of a person, smiling",1
anna.jpg,a pencil drawing of a person,1"""
HELP = f"""A row is a picture: `person` is the name of a photo given below, of several joined by semicolons, or of a
card of the tab People, such as `Anna{CARD_SUFFIX}`. There are also `seed`, `style` and `negative_prompt`.

```
{EXAMPLE}
```"""


def add(bench: Workbench) -> None:
    """Add the tab's fields to the page that is being built."""
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            gr.Markdown(HELP)
            table = gr.File(label="Table", file_types=[".csv", ".jsonl"], elem_id="batch-table")
            photos = gr.File(label="Photos", file_count="multiple", file_types=["image"], elem_id="batch-photos")
        with gr.Column(scale=7, min_width=300):
            buttons = doing("Draw all rows", "batch")
            gallery = gallery_field("batch", columns=3)
            failed = said(elem_id="batch-failed")
            files = results_field("batch")

    def begin(session: str, *values: Any) -> Work[Shown]:
        return draw(bench, session, *values)

    connect(bench, buttons, [table, photos], [gallery, failed, files], begin)


def draw(bench: Workbench, session: str, table: str | None, photos: Sequence[str] | None) -> Work[Shown]:
    """Draw every row; a gallery, what failed, and the files.

    Raises:
        InputError: a row names a file that was not given.
        LimnerError: as `limner batch`.
    """
    if not table:
        raise InputError("no table was given; choose a .csv or a .jsonl file")
    folder = bench.new_folder()
    job = BatchJob(_desk(bench, Path(table), [Path(one) for one in photos or ()], folder / "in"), {}, **bench.model())
    output = folder / "out"
    outcomes = yield from bench.runs.follow(session, lambda stages: run_batch(job, output, stages))
    made = [one for one in outcomes if one.state != "failed"]
    pictures = [(str(output / one.line.file), f"Row {one.line.number}, {words.alike(one.similarity)}") for one in made]
    wrong = "".join(words.problem(InputError(_said(one)), bench.folder) for one in outcomes if one.state == "failed")
    names = [*(one.line.file for one in made), *([GRID] if made else []), REPORT]
    files = results([output / one for one in names])
    return Shown(f"Done: {len(made)} of {len(outcomes)} rows.", (pictures, wrong, files))


def _desk(bench: Workbench, table: Path, photos: Sequence[Path], folder: Path) -> Path:
    """The table beside the photos and the cards that it may name, in a folder of its own.

    Raises:
        InputError: it has too many rows, or one names a file that was not given, so that it never reaches out of here.
    """
    lines = read_rows(table)
    if len(lines) > MOST_ROWS:
        raise InputError(f"the table has {len(lines)} rows; give at most {MOST_ROWS} at a time")
    folder.mkdir(parents=True)
    given = {photo.name: photo for photo in photos}
    cards = {f"{name}{CARD_SUFFIX}": bench.people.card(name) for name in bench.people.names()}
    for line in lines:
        for name in _names(line):
            source = given.get(name) or cards.get(name)
            if source is None:
                raise InputError(
                    f"row {line.number} names {name!r}, which is none of the photos given here and nobody of the tab "
                    "People; give the photo too, or correct the row"
                )
            shutil.copy(source, folder / name)
    return Path(shutil.copy(table, folder / f"table{table.suffix}"))


def _names(line: Line) -> list[str]:
    """Of the files of a row; what cannot be read is told when it is drawn."""
    return [] if line.row is None else [part.strip() for part in line.row.person.split(";") if part.strip()]


def _said(outcome: Outcome) -> str:
    return f"row {outcome.line.number}: {outcome.error}"
