"""What was found out so far, photo by photo: a growing tar that survives being killed at any byte.

Outcomes are only ever appended, each in one piece whose last member says that it is whole. On opening, whatever lies
behind the last whole piece is cut off and its photo is looked at again. The latest outcome of a photo counts.
"""

import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from limner.core.errors import InputError
from limner.core.files import replacing
from limner.data.preparing.outcome import OUTCOME, Outcome
from limner.data.tar_samples import Place, path_errors, read_place, sample_bytes, scan_places


class Journal:
    """Outcomes by key of the photo, pixels on disk.

    Raises:
        InputError: the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[str, Outcome] = {}
        self._places: dict[str, Place] = {}
        self._end = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            for place, outcome in _whole_pieces(path):
                self._remember(outcome, place)
            os.truncate(path, self._end)
        except OSError as error:
            raise InputError(f"{path} cannot be used ({error.strerror}); choose a folder you may write to") from error

    def append(self, outcome: Outcome) -> None:
        """Add an outcome; when this returns, killing the process cannot lose it."""
        piece = sample_bytes(outcome.to_sample())
        with self.path.open("ab", buffering=0) as file:
            file.write(piece)
        self._remember(outcome, Place(outcome.photo.key, self._end, self._end + len(piece)))

    def load(self, key: str) -> Outcome:
        """One outcome with its pixels."""
        with path_errors(self.path):
            parts = read_place(self.path, self._places[key]).parts
            return Outcome.from_facts(parts.pop(OUTCOME), parts)

    def keep_only(self, wanted: Callable[[Outcome], bool]) -> "Journal":
        """Forget all other outcomes, on disk too; use the journal that is returned from then on."""
        keys = [key for key, outcome in self.outcomes.items() if wanted(outcome)]
        with replacing(self.path) as unfinished, unfinished.open("wb") as file:
            for key in keys:
                file.write(sample_bytes(self.load(key).to_sample()))
        return Journal(self.path)

    def _remember(self, outcome: Outcome, place: Place) -> None:
        self.outcomes[place.key], self._places[place.key] = outcome.for_decisions(), place
        self._end = place.end


def _whole_pieces(path: Path) -> Iterator[tuple[Place, Outcome]]:
    size = path.stat().st_size
    if not size:
        return
    with path.open("rb") as file:
        try:
            for place, content in scan_places(file, OUTCOME):
                if not content or place.end > size:
                    return
                yield place, Outcome.from_facts(content)
        except (tarfile.TarError, ValueError, KeyError, TypeError):
            return  # here the last piece ends in the middle
