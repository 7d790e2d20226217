"""Which record goes into which shard, and which shards are already there.

Before a shard is written, a note is made of it, and when it is complete the note gets the shard's fingerprint: hash of
everything its content follows from. So a shard that is there and as it should be is not written again, and one that
no plan names any more is known as ours and may be deleted.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from limner.core.files import replacing
from limner.data.preparing.photo_files import slug
from limner.data.preparing.selection import Choice
from limner.data.preparing.settings import PrepareSettings
from limner.data.shard_index import sidecar_of


@dataclass(frozen=True)
class PlannedShard:
    """A shard to be: file name, records in order, fingerprint."""

    name: str
    choices: tuple[Choice, ...]
    fingerprint: str


def plan_shards(choices: Sequence[Choice], settings: PrepareSettings) -> list[PlannedShard]:
    """Shards of equal size, people together."""
    size = settings.records_per_shard
    groups = [tuple(choices[start : start + size]) for start in range(0, len(choices), size)]
    common = [settings.analysis.fingerprint(), settings.licence, settings.captioner]
    return [
        PlannedShard(f"{slug(settings.analysis.source)}-{number:05d}.tar", group, _fingerprint(common, group))
        for number, group in enumerate(groups)
    ]


def _fingerprint(common: list[str], choices: Sequence[Choice]) -> str:
    content = json.dumps([common, [asdict(choice) for choice in choices]])
    return hashlib.sha256(content.encode()).hexdigest()


class ShardNotes:
    """What is known of the shards that we wrote into ``folder``; the notes lie in ``notes``."""

    def __init__(self, folder: Path, notes: Path) -> None:
        self._folder, self._notes = folder, notes

    def is_done(self, shard: PlannedShard) -> bool:
        note = self._note(shard.name)
        return note.exists() and note.read_text() == shard.fingerprint and (self._folder / shard.name).exists()

    def begin(self, shard: PlannedShard) -> None:
        self._write(shard.name, "unfinished")

    def complete(self, shard: PlannedShard) -> None:
        self._write(shard.name, shard.fingerprint)

    def delete_others(self, plan: Sequence[PlannedShard]) -> None:
        """Delete our shards that are not in the plan, with their indexes."""
        wanted = {shard.name for shard in plan}
        for note in sorted(self._notes.glob("*.tar")):
            if note.name not in wanted:
                shard = self._folder / note.name
                for path in (sidecar_of(shard), shard, note):
                    path.unlink(missing_ok=True)

    def _note(self, name: str) -> Path:
        return self._notes / name

    def _write(self, name: str, text: str) -> None:
        with replacing(self._note(name)) as unfinished:
            unfinished.write_text(text)
