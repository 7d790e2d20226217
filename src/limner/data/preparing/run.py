"""`limner data prepare`: photos in, shards out. Killed at any point, the same call goes on where it was.

A folder of shards holds the shards, ``card.json`` and ``card.md``, ``dropped.jsonl`` (what left and why), and in
``.prepare/`` the journal of all photos looked at, which makes adding photos cheap and may be deleted.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from limner.core.errors import InputError
from limner.core.files import replacing
from limner.data.card import DROPPED_NAME, write_card
from limner.data.folder_lock import WORK, only_one
from limner.data.pools import Pool
from limner.data.preparing.finishing import FinishJob
from limner.data.preparing.journal import Journal
from limner.data.preparing.outcome import Outcome, Reason
from limner.data.preparing.photo_files import PhotoFile, list_photos
from limner.data.preparing.selection import Dropped, Selection, person_of, select
from limner.data.preparing.settings import AnalysisSettings, PrepareSettings
from limner.data.preparing.shard_plan import PlannedShard, ShardNotes, plan_shards
from limner.data.removals import Removals
from limner.data.tar_samples import Sample, write_samples

JOURNAL, ANALYSIS, NOTES = "journal.tar", "analysis.json", "shards"
LOOK, WRITE = "look at photos", "write records"
"""What a progress bar is told."""

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, how much there is."""


@dataclass(frozen=True)
class Summary:
    """How it ended: records kept, photos dropped by reason."""

    kept: int
    dropped: dict[str, int]


def prepare(
    photos: Path,
    shards: Path,
    settings: PrepareSettings,
    pool: AbstractContextManager[Pool],
    progress: Progress = lambda what, done, total: None,
) -> Summary:
    """Prepare a folder of photos.

    Args:
        photos: a folder with a folder of photos per person, or with photos alone, to be sorted by face.
        shards: made if missing; one folder of shards belongs to one folder of photos.
        pool: who does the work; see ``open_pool``.
        progress: told now and then how far it is.

    Raises:
        InputError: the photos cannot be used, or the folder was begun with other settings of the analysis.
        LimnerError: whatever the networks and the pool raise.
    """
    found = list_photos(photos, source=settings.analysis.source)
    with only_one(shards):
        _join_analysis(shards / WORK / ANALYSIS, settings.analysis)
        removals = Removals.read(shards)
        wanted = [one for one in found if not _is_forgotten(photos, one, settings.analysis.source, removals)]
        journal = Journal(shards / WORK / JOURNAL)
        with pool as workers:
            _look(wanted, journal, workers, progress)
            outcomes = [journal.outcomes[one.key] for one in wanted]
            selection = select(outcomes, settings.selection, source=settings.analysis.source)
            selection.dropped += [Dropped("", "", Reason.REMOVED, "")] * (len(found) - len(wanted))
            _write_dropped(shards / DROPPED_NAME, selection.dropped)
            reasons = Counter(one.reason.value for one in selection.dropped)
            if not selection.kept:
                told = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
                raise InputError(f"none of the {len(found)} photos in {photos} can be used ({told}); give others")
            _write_shards(shards, selection, journal, settings, workers, progress)
        write_card(shards, settings=settings.model_dump(mode="json"))
    return Summary(len(selection.kept), dict(reasons))


def _is_forgotten(root: Path, photo: PhotoFile, source: str, removals: Removals) -> bool:
    """Whether somebody asked for this photo not to be looked at, by the folder's name or by what is in the file."""
    if not removals.hashes:
        return False
    if photo.folder and removals.covers(person_of(source, photo.folder)):
        return True
    try:
        return removals.covers(hashlib.sha256((root / photo.name).read_bytes()).hexdigest())
    except OSError:
        return False  # the analysis will say that it cannot be read


def _join_analysis(path: Path, settings: AnalysisSettings) -> None:
    """Remember how photos are looked at, or refuse to mix two ways."""
    now = settings.model_dump(mode="json")
    before = json.loads(path.read_text()) if path.exists() else now
    changed = [
        f"{name} was {before.get(name)} and is {value}" for name, value in now.items() if before.get(name) != value
    ]
    if changed:
        raise InputError(
            f"{path.parent.parent} was begun with other settings ({'; '.join(changed)}); choose another folder, or "
            f"delete {path.parent} to look at all photos anew"
        )
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(now))


def _look(photos: Sequence[PhotoFile], journal: Journal, pool: Pool, progress: Progress) -> None:
    """Analyse what is new or was changed since."""
    known = journal.outcomes
    new = [one for one in photos if one.key not in known or known[one.key].photo != one]
    done = len(photos) - len(new)
    progress(LOOK, done, len(photos))
    outcomes: Iterator[Outcome] = pool.map("analyse", new)
    for outcome in outcomes:
        journal.append(outcome)
        done += 1
        progress(LOOK, done, len(photos))


def _write_shards(
    folder: Path, selection: Selection, journal: Journal, settings: PrepareSettings, pool: Pool, progress: Progress
) -> None:
    plan = plan_shards(selection.kept, settings)
    notes = ShardNotes(folder, folder / WORK / NOTES)
    missing = [shard for shard in plan if not notes.is_done(shard)]
    total = len(selection.kept)
    done = total - sum(len(shard.choices) for shard in missing)
    jobs = (FinishJob(journal.load(choice.key), choice) for shard in missing for choice in shard.choices)
    finished: Iterator[Sample] = pool.map("finish", jobs)

    def records_of(shard: PlannedShard) -> Iterator[Sample]:
        nonlocal done
        for _ in shard.choices:
            yield next(finished)
            done += 1
            progress(WRITE, done, total)

    progress(WRITE, done, total)
    for shard in missing:
        notes.begin(shard)
        write_samples(folder / shard.name, records_of(shard))
        notes.complete(shard)
    notes.delete_others(plan)


def _write_dropped(path: Path, dropped: Sequence[Dropped]) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text("".join(json.dumps(asdict(one)) + "\n" for one in dropped))
