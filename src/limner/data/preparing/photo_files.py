"""Which photos a folder holds and whose they are: a folder per person, or all in one and to be sorted by face."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from limner.core.errors import InputError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
NOTE_SUFFIX = ".txt"
"""A text of the same name beside a photo is its caption."""
_SLUG_LENGTH = 40


@dataclass(frozen=True)
class PhotoFile:
    """One photo as it was found.

    Attributes:
        key: names it in shards; follows from source and name alone.
        name: path below the folder, with forward slashes.
        folder: the person's folder; empty where faces decide.
        size, modified: of the file, to notice that it was exchanged; bytes and nanoseconds.
    """

    key: str
    name: str
    folder: str
    size: int
    modified: int


def list_photos(root: Path, *, source: str) -> list[PhotoFile]:
    """The photos of a folder by name; hidden files and files that are no pictures are passed over.

    Raises:
        InputError: there is no folder, no photo, or photos lie both in it and in folders of people.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; give one with a folder of photos per person, or with photos alone")
    paths = sorted(
        Path(folder, name).relative_to(root)
        for folder, folders, names in os.walk(root)
        for name in names
        if not _hide(folders) and Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
    )
    if not paths:
        raise InputError(f"{root} holds no photos ({', '.join(sorted(SUFFIXES))}); give another folder")
    loose = [path for path in paths if len(path.parts) == 1]
    if loose and len(loose) < len(paths):
        raise InputError(
            f"{root} holds folders of people and also {len(loose)} photos of nobody, such as {loose[0]}; "
            "put those into a person's folder, or all photos into one folder to have them sorted by face"
        )
    return [_photo(root, path, source) for path in paths]


def _hide(folders: list[str]) -> bool:
    """Keep ``os.walk`` out of hidden folders; always False."""
    folders[:] = [folder for folder in folders if not folder.startswith(".")]
    return False


def _photo(root: Path, path: Path, source: str) -> PhotoFile:
    state = (root / path).stat()
    name = path.as_posix()
    folder = path.parts[0] if len(path.parts) > 1 else ""
    return PhotoFile(_key(source, name), name, folder, state.st_size, state.st_mtime_ns)


def _key(source: str, name: str) -> str:
    """Readable, unique, and without the dots and slashes that webdataset gives a meaning."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{slug(source)}-{slug(name.rpartition('.')[0])}-{digest}"


def slug(text: str) -> str:
    """Letters, digits, underscores and single dashes only, at most 40 of them."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:_SLUG_LENGTH] or "photo"
