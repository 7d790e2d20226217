"""The job behind `limner inpaint`: look at the people, open the model, put them into the template, write."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from limner.apps.clock import Clock, Stages
from limner.apps.model_choice import ModelChoice
from limner.apps.portrait_job import Faces, identity_of, licences_of
from limner.apps.settings import InpaintSettings

if TYPE_CHECKING:
    from limner.apps.inpainting import Scene

RECORD = "inpaint.json"


@dataclass(frozen=True)
class InpaintJob(ModelChoice):
    """Everything that was asked for on the command line, besides where to put it.

    Attributes:
        people: one for each face that is to change.
        assign: per person the number of a face of the template, 0 the leftmost; None for the largest, left to right.
    """

    settings: InpaintSettings
    people: tuple[Faces, ...]
    template: Path
    mask: Path | None = None
    assign: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Results:
    """The pictures and the names of their files."""

    scenes: "list[Scene]"
    names: list[str]


def run_job(job: InpaintJob, folder: Path, stages: Stages | None = None) -> Results:
    """Draw, and write everything into ``folder`` or nothing.

    Raises:
        LicenceError: commercial use was asked for and something forbids it.
        LimnerError: see :meth:`limner.apps.studio.Studio.inpaint`.
    """
    from limner.apps.inpainting import inpaint
    from limner.apps.portrait_files import circumstances, staged, write_record

    with stages or Clock() as clock, staged(folder) as hidden:
        with clock.stage("opening the model"):
            studio = job.open()
        with clock.stage("looking at the faces"):
            people = [identity_of(studio, faces) for faces in job.people]
        licences = licences_of(studio, people, job.people)
        job.require_terms(licences)
        with clock.stage("drawing"):
            settings = studio.completed(job.settings)
            scenes = inpaint(
                studio, people, job.template, settings, assign=job.assign, mask=job.mask, progress=clock.step
            )
        names = [f"scene-{scene.seed}.png" for scene in scenes]
        for name, scene in zip(names, scenes, strict=True):
            scene.save(hidden / name)
        record = {
            "settings": settings.model_dump(mode="json"),
            "template": job.template.name,
            "mask": None if job.mask is None else job.mask.name,
            "people": [[file.name for file in faces.files] for faces in job.people],
            "assign": job.assign,
            "pictures": [_told(*one) for one in zip(names, scenes, strict=True)],
            **circumstances(studio, licences),
            "seconds": clock.seconds,
        }
        write_record(hidden, record, name=RECORD)
    return Results(scenes, names)


def _told(name: str, scene: "Scene") -> dict[str, object]:
    from limner.apps.portrait_files import rounded

    return {
        "file": name,
        "seed": scene.seed,
        "identity_similarities": [rounded(one) for one in scene.similarities],
    }
