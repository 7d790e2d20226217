"""What `limner portrait` leaves behind: pictures, a contact sheet, a record of how they were made; all or nothing."""

import json
import os
import platform
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from limner.apps.contact_sheet import Tile, contact_sheet
from limner.core.errors import InputError, LicenceError
from limner.core.images import read_image
from limner.core.licences import licence_of, refusal
from limner.trust.making import Making
from limner.trust.marks import save_picture

if TYPE_CHECKING:
    from limner.apps.studio import Portrait, Studio

SHEET, RECORD = "contact-sheet.png", "portrait.json"
PACKAGES = ("limner", "torch", "diffusers", "transformers", "numpy")


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give a hidden folder inside ``folder``; what was written there moves up at the end, nothing if the block raises.

    Raises:
        InputError: the folder cannot be made or written to.
    """
    existed = folder.exists()
    hidden = folder / f".limner-{secrets.token_hex(4)}.part"
    with _told_as_input_error(folder):
        hidden.mkdir(parents=True)
    try:
        yield hidden
        with _told_as_input_error(folder):
            for file in sorted(hidden.iterdir()):
                os.replace(file, folder / file.name)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        if not existed:
            with suppress(OSError):
                folder.rmdir()  # succeeds only where nothing came of it


def write_portraits(folder: Path, portraits: "Sequence[Portrait]", references: Sequence[Tile]) -> list[str]:
    """Write each picture and the contact sheet; returns the names of the pictures."""
    names = [f"portrait-{portrait.seed}.png" for portrait in portraits]
    for name, portrait in zip(names, portraits, strict=True):
        portrait.save(folder / name)
    tiles = [
        Tile(read_image(folder / name), _caption(portrait)) for name, portrait in zip(names, portraits, strict=True)
    ]
    write_sheet(folder / SHEET, tiles, portraits[0].making, references=references, title=portraits[0].settings.prompt)
    return names


def write_sheet(
    path: Path, tiles: Sequence[Tile], making: Making, *, references: Sequence[Tile] = (), title: str = ""
) -> None:
    """Write a contact sheet of pictures that were made like this one.

    The tiles show the pictures as they were saved, so each brings its own watermark; the sheet gets none, since on its
    plain paper it would show.
    """
    joined = making.model_copy(update={"kind": "composite" if references else making.kind})
    sheet = contact_sheet(references, tiles, title=title)
    save_picture(path, sheet, joined, region=np.zeros(sheet.shape[:2], bool))


def describe(
    studio: "Studio",
    portraits: "Sequence[Portrait]",
    *,
    names: Sequence[str],
    references: Sequence[Path],
    licences: Sequence[str],
) -> dict[str, Any]:
    """All that is needed to make the same pictures again, and what may be done with them."""
    pictures = [
        {"file": name, "seed": portrait.seed, "identity_similarity": rounded(portrait.similarity)}
        for name, portrait in zip(names, portraits, strict=True)
    ]
    return {
        "settings": portraits[0].settings.model_dump(mode="json"),
        "read_by_the_base": {"prompt": portraits[0].read[0], "negative_prompt": portraits[0].read[1]},
        "references": [file.name for file in references],
        "pictures": pictures,
        **circumstances(studio, licences),
    }


def circumstances(studio: "Studio", licences: Sequence[str]) -> dict[str, Any]:
    """The part of every record that says which networks and versions took part, and on what terms."""
    base, adapter = studio.assembly.base, studio.assembly.adapter
    return {
        "recognizer": {"feature_space": studio.similarity_space, "role": "guide"},
        "model": {"name": base.name, "kind": base.kind, "device": str(studio.pipeline.device)},
        "adapter": None if adapter is None else {"file": adapter.path.name, "sha256": adapter.sha256},
        "licences": [_terms(name) for name in licences],
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def write_record(folder: Path, record: Mapping[str, Any], *, name: str = RECORD) -> None:
    """Write a record as JSON."""
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    with _told_as_input_error(folder):
        (folder / name).write_text(text, encoding="utf-8")


def _caption(portrait: "Portrait") -> str:
    told = "" if portrait.similarity is None else f", similarity {portrait.similarity:.2f}"
    return f"seed {portrait.seed}{told}"


def rounded(similarity: float | None) -> float | None:
    """A similarity as records hold it."""
    return None if similarity is None else round(similarity, 4)


def _terms(name: str) -> dict[str, Any]:
    try:
        record, chain = licence_of(name), refusal(name)
    except LicenceError:
        return {"name": name, "licence": "not known", "commercial": False}
    return {"name": name, "licence": record.licence, "commercial": not chain, "because_of": chain[1:]}


@contextmanager
def _told_as_input_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror or error}; choose a folder you may write to"
        ) from error
