"""The job behind `limner group`: several people and a sentence in, pictures with all of them out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from limner.apps.clock import Clock
from limner.apps.model_choice import ModelChoice
from limner.apps.portrait_job import Faces, identity_of, licences_of
from limner.apps.settings import GroupSettings

if TYPE_CHECKING:
    from limner.apps.groups import Box, GroupPortrait

RECORD = "group.json"


@dataclass(frozen=True)
class GroupJob(ModelChoice):
    """Everything that was asked for on the command line, besides where to put it."""

    settings: GroupSettings
    people: tuple[Faces, ...]
    boxes: "Sequence[Box] | None" = None
    masks: Sequence[Path] | None = None


@dataclass(frozen=True, eq=False)
class Results:
    """The pictures and the names of their files."""

    portraits: "list[GroupPortrait]"
    names: list[str]


def run_job(job: GroupJob, folder: Path) -> Results:
    """Draw, and write everything into ``folder`` or nothing.

    Raises:
        LicenceError: commercial use was asked for and something forbids it.
        LimnerError: see :meth:`limner.apps.studio.Studio.group`.
    """
    from limner.apps.contact_sheet import Tile
    from limner.apps.groups import draw_group
    from limner.apps.portrait_files import SHEET, circumstances, staged, write_record, write_sheet
    from limner.core.images import read_image

    with Clock() as clock, staged(folder) as hidden:
        with clock.stage("opening the model"):
            studio = job.open()
        with clock.stage("looking at the faces"):
            people = [identity_of(studio, faces) for faces in job.people]
        licences = licences_of(studio, people, job.people, own=studio.assembly.licences_of(job.settings))
        job.require_terms(licences)
        with clock.stage("drawing"):
            settings = studio.completed(job.settings)
            portraits = draw_group(studio, people, settings, boxes=job.boxes, masks=job.masks, progress=clock.step)
        names = [f"group-{portrait.seed}.png" for portrait in portraits]
        for name, portrait in zip(names, portraits, strict=True):
            portrait.save(hidden / name)
        tiles = [
            Tile(read_image(hidden / name), f"seed {portrait.seed}")
            for name, portrait in zip(names, portraits, strict=True)
        ]
        write_sheet(hidden / SHEET, tiles, portraits[0].making, title=settings.prompt)
        record = {
            "settings": settings.model_dump(mode="json"),
            "people": [[file.name for file in faces.files] for faces in job.people],
            "boxes": job.boxes,
            "masks": None if job.masks is None else [mask.name for mask in job.masks],
            "pictures": [_told(*one) for one in zip(names, portraits, strict=True)],
            **circumstances(studio, licences),
            "seconds": clock.seconds,
        }
        write_record(hidden, record, name=RECORD)
    return Results(portraits, names)


def _told(name: str, portrait: "GroupPortrait") -> dict[str, object]:
    from limner.apps.portrait_files import rounded

    return {
        "file": name,
        "seed": portrait.seed,
        "identity_similarities": [rounded(one) for one in portrait.similarities],
        "in_place": portrait.in_place,
        "redrawn": portrait.redrawn,
    }
