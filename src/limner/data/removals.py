"""Requests to be forgotten, remembered without saying whose they were.

A later preparation from the same photos must not bring a person back, so the person's name and the hashes of the
photos are kept as keyed hashes (HMAC-SHA256, the key beside them). Who has this file can check a name he already
knows, and cannot read one from it. The date and the number of pictures of each removal are kept in the open.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from limner.core.errors import InputError
from limner.core.files import replacing

FILE_NAME = "removals.json"


@dataclass(frozen=True)
class Removal:
    """One request that was honoured: ``day`` as YYYY-MM-DD, how many pictures left the shards."""

    day: str
    pictures: int


@dataclass(frozen=True)
class Removals:
    """All requests of one folder of shards: key, keyed hashes in order of size, and the log."""

    key: str
    hashes: tuple[str, ...] = ()
    log: tuple[Removal, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> "Removals":
        """The requests of a folder; none if it has no such file.

        Raises:
            InputError: the file is broken. It is not passed over: that would bring people back.
        """
        path = folder / FILE_NAME
        if not path.exists():
            return cls(secrets.token_hex(16))
        try:
            content = json.loads(path.read_text())
            return cls(content["key"], tuple(content["hashes"]), tuple(Removal(**row) for row in content["log"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} cannot be read ({error}); bring it back from a copy of the folder") from error

    def write(self, folder: Path) -> None:
        """Keep the requests beside the shards."""
        with replacing(folder / FILE_NAME) as unfinished:
            unfinished.write_text(json.dumps(asdict(self), indent=1) + "\n")

    def covers(self, name: str) -> bool:
        """Whether a person or the hash of a photo was asked to be forgotten."""
        return bool(self.hashes) and self._keyed(name) in self.hashes

    def adding(self, names: Iterable[str], *, pictures: int, today: date) -> "Removals":
        """With one request more: names and photo hashes of one person."""
        hashes = sorted({*self.hashes, *(self._keyed(name) for name in names)})
        return replace(self, hashes=tuple(hashes), log=(*self.log, Removal(today.isoformat(), pictures)))

    def _keyed(self, name: str) -> str:
        return hmac.new(bytes.fromhex(self.key), name.encode(), hashlib.sha256).hexdigest()
