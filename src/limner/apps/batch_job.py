"""The job behind `limner batch`: many people, prompts and seeds, side by side in one pass; resumed where it stopped.

Every finished picture is noted in a journal beside it, so that an interrupted batch goes on and a changed row is drawn
anew. A row that fails is named in the report, and the rest goes on.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limner.apps.batch_rows import BatchRow, Line, fingerprint, read_rows
from limner.apps.clock import Clock, Stages
from limner.apps.model_choice import ModelChoice
from limner.apps.portrait_job import Faces, identity_of, licences_of
from limner.apps.settings import PortraitSettings
from limner.core.errors import InputError, LimnerError

if TYPE_CHECKING:
    from limner.apps.portraits import Portrait
    from limner.apps.studio import Studio
    from limner.identity.identity import Identity

JOURNAL, REPORT, GRID = "journal.jsonl", "batch.json", "grid.png"
CHUNK = 16
"""Pictures drawn before any is written; what is lost at most when a batch is interrupted."""


@dataclass(frozen=True)
class BatchJob(ModelChoice):
    """A batch file and what all its rows share."""

    path: Path
    dials: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a row.

    Attributes:
        state: "drawn", "kept" from an earlier run, or "failed".
        error: why it failed.
    """

    line: Line
    state: str
    similarity: float | None = None
    error: str = ""


@dataclass(eq=False)
class _Person:
    """Somebody who occurs in the batch, enrolled when first needed; or why that cannot be."""

    faces: Faces | None = None
    identity: "Identity | None" = None
    error: str = ""


@dataclass(frozen=True, eq=False)
class _Task:
    line: Line
    mark: str
    person: _Person
    settings: PortraitSettings


@dataclass(eq=False)
class _Batch:
    """A batch under way.

    Attributes:
        licences: of the model, and of what enlarges its pictures if they are enlarged.
    """

    studio: "Studio"
    job: BatchJob
    folder: Path
    licences: tuple[str, ...]
    people: dict[tuple[Path, ...], _Person] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)


def run_batch(job: BatchJob, folder: Path, stages: Stages | None = None) -> list[Outcome]:
    """Draw what is missing in ``folder``, then write report and grid; outcomes are in the order of the rows.

    Raises:
        InputError: the batch file cannot be read, or the folder cannot be written.
        ConfigError: an option is out of range or a column unknown.
        LimnerError: the model cannot be opened.
    """
    lines = read_rows(job.path)
    shared = PortraitSettings.of(prompt="a person", **job.dials)  # an option out of range fails the batch, not each row
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; choose a folder you may write to") from error
    with stages or Clock() as clock:
        with clock.stage("opening the model"):
            studio = job.open()
        batch = _Batch(studio, job, folder, studio.assembly.licences_of(shared))
        job.require_terms(batch.licences)
        with clock.stage("looking at the faces"):
            tasks = list(_tasks(batch, lines))
        with clock.stage("drawing"):
            for done, chunk in _chunks(tasks):
                _draw(batch, chunk)
                clock.step(done, len(tasks))
    outcomes = [batch.outcomes[line.number] for line in lines]
    _write_report(batch, outcomes)
    return outcomes


def _tasks(batch: _Batch, lines: Sequence[Line]) -> Iterator[_Task]:
    """The rows that are still to be drawn; the others get their outcome here."""
    known = _read_journal(batch.folder / JOURNAL)
    circumstances = _circumstances(batch)
    for line in lines:
        try:
            if line.row is None:
                raise InputError(line.error)
            files = line.row.files(batch.job.path.parent)
            mark = fingerprint(line.row, files, circumstances)
            before = known.get(line.number)
            if before is not None and before["mark"] == mark and (batch.folder / line.file).is_file():
                batch.outcomes[line.number] = Outcome(line, "kept", before["similarity"])
                continue
            yield _Task(line, mark, _person(batch, files), _settings(batch, line.row))
        except LimnerError as error:
            batch.outcomes[line.number] = Outcome(line, "failed", error=_said(error))


def _circumstances(batch: _Batch) -> list[Any]:
    """All that pictures depend on besides their rows."""
    base, adapter = batch.studio.assembly.base, batch.studio.assembly.adapter
    dials = {name: str(value) for name, value in batch.job.dials.items()}
    return [dials, base.name, base.kind, None if adapter is None else adapter.sha256]


def _person(batch: _Batch, files: tuple[Path, ...]) -> _Person:
    """The person of a row, looked at once a batch.

    Raises:
        LimnerError: the files cannot be used.
    """
    if files not in batch.people:
        person = batch.people[files] = _Person()
        try:
            if not files:
                raise InputError(
                    "the row names no person; give a photo, an identity card or the name of an invented person"
                )
            person.faces = Faces.given(files, None)
            person.identity = identity_of(batch.studio, person.faces)
            batch.job.require_terms(_licences(batch, [person.identity], [person.faces]))
        except LimnerError as error:
            person.error = _said(error)
    if batch.people[files].error:
        raise InputError(batch.people[files].error)
    return batch.people[files]


def _licences(batch: _Batch, people: "Sequence[Identity]", faces: Sequence[Faces]) -> tuple[str, ...]:
    return licences_of(batch.studio, people, faces, own=batch.licences)


def _settings(batch: _Batch, row: BatchRow) -> PortraitSettings:
    own = {"style": row.style, "negative_prompt": row.negative_prompt}
    given = batch.job.dials | {name: value for name, value in own.items() if value is not None}
    return batch.studio.completed(PortraitSettings.of(**given, prompt=row.words, seed=row.seed))


def _chunks(tasks: Sequence[_Task]) -> Iterator[tuple[int, list[_Task]]]:
    """Rows that may be drawn side by side, and how many rows are done with them."""
    from limner.apps.portraits import pass_of

    groups: dict[str, list[_Task]] = {}
    for task in tasks:
        groups.setdefault(pass_of(task.settings), []).append(task)
    done = 0
    for group in groups.values():
        for start in range(0, len(group), CHUNK):
            chunk = group[start : start + CHUNK]
            done += len(chunk)
            yield done, chunk


def _draw(batch: _Batch, tasks: Sequence[_Task]) -> None:
    """Draw rows side by side, and keep what comes of them."""
    from limner.apps.portraits import Order, draw_each

    orders = [Order(task.person.identity, task.settings) for task in tasks]
    for task, drawn in zip(tasks, draw_each(batch.studio, orders), strict=True):
        if isinstance(drawn, LimnerError):
            _fail(batch, task, drawn)
        else:
            _keep(batch, task, drawn[0])


def _fail(batch: _Batch, task: _Task, error: LimnerError) -> None:
    batch.outcomes[task.line.number] = Outcome(task.line, "failed", error=_said(error))


def _keep(batch: _Batch, task: _Task, portrait: "Portrait") -> None:
    """Write a picture, then its line in the journal: the other way round a break could lose a picture for good."""
    from limner.apps.portrait_files import rounded

    similarity = rounded(portrait.similarity)
    portrait.save(batch.folder / task.line.file)
    entry = {"row": task.line.number, "mark": task.mark, "similarity": similarity}
    with (batch.folder / JOURNAL).open("a", encoding="utf-8") as journal:
        # A line of its own whatever came before: a break may have cut the last one short.
        journal.write(f"\n{json.dumps(entry)}\n")
    batch.outcomes[task.line.number] = Outcome(task.line, "drawn", similarity)


def _read_journal(path: Path) -> dict[int, dict[str, Any]]:
    """The last entry of each row; a line cut short by a break counts as not there."""
    entries: dict[int, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
            entries[int(entry["row"])] = {"mark": str(entry["mark"]), "similarity": entry["similarity"]}
        except (ValueError, KeyError, TypeError):
            continue
    return entries


def _write_report(batch: _Batch, outcomes: Sequence[Outcome]) -> None:
    from limner.apps.contact_sheet import Tile
    from limner.apps.portrait_files import circumstances, write_record, write_sheet
    from limner.apps.portrait_making import portrait_making
    from limner.core.images import read_image

    made = [one for one in outcomes if one.state != "failed"]
    tiles = [Tile(read_image(batch.folder / one.line.file), f"row {one.line.number}") for one in made]
    if tiles:
        shared = PortraitSettings.of(prompt="a person", **batch.job.dials)
        write_sheet(
            batch.folder / GRID, tiles, portrait_making(batch.studio.assembly, shared, 0), title=batch.job.path.name
        )
    people = [person.identity for person in batch.people.values() if person.identity is not None]
    faces = [person.faces for person in batch.people.values() if person.faces is not None]
    record = {
        "file": batch.job.path.name,
        "options": {name: str(value) for name, value in batch.job.dials.items()},
        "rows": [_told(one) for one in outcomes],
        **circumstances(batch.studio, _licences(batch, people, faces)),
    }
    write_record(batch.folder, record, name=REPORT)


def _told(outcome: Outcome) -> dict[str, Any]:
    line = outcome.line
    own = {} if line.row is None else line.row.model_dump(exclude_none=True)
    told: dict[str, Any] = {"row": line.number, **own, "state": outcome.state}
    if outcome.state == "failed":
        return told | {"error": outcome.error}
    return told | {"picture": line.file, "identity_similarity": outcome.similarity}


def _said(error: LimnerError) -> str:
    return " ".join(str(error).split())
