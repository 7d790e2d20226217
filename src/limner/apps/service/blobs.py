"""The folder of pictures and identity cards: files are called by ids that the service made, never by clients' words."""

import re
import secrets
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from limner.apps.service.errors import NotFoundError

UPLOADS, IDENTITIES, PICTURES = "uploads", "identities", "pictures"
SUFFIX = {UPLOADS: ".png", IDENTITIES: ".safetensors", PICTURES: ".png"}
_ID = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """Thirty-two hexadecimal digits that nobody can guess."""
    return secrets.token_hex(16)


class Blobs:
    """Files of three kinds below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, kind: str, name: str) -> Path:
        """Where the file of an id lies or will lie.

        Raises:
            NotFoundError: this is no id.
        """
        if not _ID.fullmatch(name):
            raise NotFoundError(f"there is nothing called {name!r:.80}")
        return self.folder / kind / f"{name}{SUFFIX[kind]}"

    def remove(self, kind: str, names: Collection[str]) -> None:
        """Delete files; those that are gone already are no mistake."""
        for name in names:
            self.path(kind, name).unlink(missing_ok=True)

    def strays(self, kind: str, known: Collection[str], *, older_than: float) -> Iterator[Path]:
        """Files that belong to no known id and were not touched for so many seconds: left by killed processes."""
        newest = time.time() - older_than
        for path in (self.folder / kind).glob("*"):
            try:
                old = path.stat().st_mtime < newest
            except FileNotFoundError:
                continue
            if old and (path.suffix != SUFFIX[kind] or path.stem not in known):
                yield path
