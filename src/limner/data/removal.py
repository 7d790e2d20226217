"""Honouring a person's wish to be taken out: every file beside the shards that knows the person is rewritten.

What remains is the day, the number of pictures and hashes that keep a later preparation from bringing the person back
(see ``removals.py``). Weights that were trained on the shards are out of reach; whoever removes must train anew.
"""

import difflib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from limner.core.errors import InputError
from limner.core.files import replacing
from limner.data.card import CARD_NAME, DROPPED_NAME, TEXT_NAME, write_card
from limner.data.contact_page import PAGE_NAME
from limner.data.folder_lock import WORK, only_one
from limner.data.preparing.journal import Journal
from limner.data.preparing.run import ANALYSIS, JOURNAL
from limner.data.preparing.selection import person_of
from limner.data.removals import Removals
from limner.data.shard_index import Entry, ShardIndex, sidecar_of
from limner.data.tar_samples import read_samples, write_samples


@dataclass(frozen=True)
class _Traces:
    """Where a person is: entries in shards, rows of what was dropped, photos in the journal."""

    entries: list[Entry]
    rows: list[dict[str, Any]]
    keys: set[str]
    hashes: set[str]


def remove_person(folder: Path, person: str, *, today: date) -> int:
    """Take a person out of a folder of shards; returns how many pictures left.

    The wish is written down first, so that a call that is killed can be repeated, and a repeated one changes nothing.
    Copies of the pictures in other places (the photos themselves, backups, contact sheets elsewhere) are not touched.

    Args:
        person: as in the records, e.g. ``photos-alice``.
        today: the day of the removal, for the card.

    Raises:
        InputError: nobody of this name is or was there, or the folder holds no shards or is in use.
    """
    with only_one(folder):
        removals = Removals.read(folder)
        journal = Journal(folder / WORK / JOURNAL) if (folder / WORK / JOURNAL).exists() else None
        traces = _traces(folder, person, journal)
        known = removals.covers(person)
        if not (known or traces.entries or traces.rows or traces.keys):
            close = difflib.get_close_matches(person, ShardIndex(folder).people, n=1)
            hint = f"; did you mean {close[0]}?" if close else "; `limner data inspect` shows who is"
            raise InputError(f"{folder} has nobody called {person!r}{hint}")
        if not known:
            removals = removals.adding({person, *traces.hashes}, pictures=len(traces.entries), today=today)
            removals.write(folder)
        for shard in sorted({entry.shard for entry in traces.entries}):
            _rewrite(folder / shard, {entry.place.key for entry in traces.entries if entry.shard == shard})
        if journal is not None and traces.keys:
            journal.keep_only(lambda outcome: outcome.photo.key not in traces.keys)
        _rewrite_rows(folder / DROPPED_NAME, traces.rows)
        (folder / PAGE_NAME).unlink(missing_ok=True)
        _rewrite_card(folder)
        return len(traces.entries)


def _traces(folder: Path, person: str, journal: Journal | None) -> _Traces:
    entries = [entry for entry in ShardIndex(folder).entries if entry.person == person] if _has_shards(folder) else []
    rows = [row for row in _rows(folder / DROPPED_NAME) if row["person"] == person]
    if journal is None:
        return _Traces(entries, rows, set(), set())
    source = json.loads((folder / WORK / ANALYSIS).read_text())["source"]
    names, keys = {row["photo"] for row in rows}, {entry.place.key for entry in entries}
    found = [
        outcome
        for key, outcome in journal.outcomes.items()
        if key in keys
        or outcome.photo.name in names
        or (outcome.photo.folder and person_of(source, outcome.photo.folder) == person)
    ]
    return _Traces(entries, rows, {one.photo.key for one in found}, {one.sha256 for one in found if one.sha256})


def _has_shards(folder: Path) -> bool:
    return any(folder.glob("*.tar"))


def _rewrite(shard: Path, unwanted: set[str]) -> None:
    """The shard without some records, or no shard if none is left."""
    sidecar_of(shard).unlink(missing_ok=True)
    staying = (sample for sample in read_samples(shard) if sample.key not in unwanted)
    if not write_samples(shard, staying):
        shard.unlink()


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _rewrite_rows(path: Path, unwanted: list[dict[str, Any]]) -> None:
    if unwanted:
        staying = [row for row in _rows(path) if row not in unwanted]
        with replacing(path) as unfinished:
            unfinished.write_text("".join(json.dumps(row) + "\n" for row in staying))


def _rewrite_card(folder: Path) -> None:
    if _has_shards(folder):
        write_card(folder)
    else:
        for name in (CARD_NAME, TEXT_NAME):
            (folder / name).unlink(missing_ok=True)
