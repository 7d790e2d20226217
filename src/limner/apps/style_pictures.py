"""Thumbnails of styles: one small picture each, of one person and one seed, so that they can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from limner.apps.clock import Clock, Stages
from limner.apps.model_choice import ModelChoice
from limner.apps.portrait_job import Faces, identity_of, licences_of
from limner.apps.settings import PortraitSettings
from limner.apps.styles import FoundStyle
from limner.core.errors import ConfigError


@dataclass(frozen=True)
class StylePicturesJob(ModelChoice):
    """What thumbnails are made of.

    Attributes:
        folder: the user's folder of styles; None if only Limner's own are drawn.
    """

    styles: Sequence[FoundStyle]
    faces: Faces
    prompt: str
    seed: int
    dials: Mapping[str, object]
    folder: Path | None = None


def draw_styles(job: StylePicturesJob, output: Path, stages: Stages | None = None) -> list[str]:
    """Draw every style that the model can, as ``<name>.png``, and a contact sheet; returns the names of the styles.

    Raises:
        ConfigError: the model can draw none of them.
        LimnerError: see :meth:`limner.apps.studio.Studio.portrait`.
    """
    from limner.apps.contact_sheet import Tile
    from limner.apps.portrait_files import SHEET, staged, write_sheet
    from limner.core.images import read_image

    with stages or Clock() as clock, staged(output) as hidden:
        with clock.stage("opening the model"):
            studio = job.open()
        kind = studio.assembly.base.kind
        drawable = [one for one in job.styles if can_draw(one, kind)]
        if not drawable:
            raise ConfigError(f"a model of kind {kind} can draw none of these styles; name another (--model)")
        with clock.stage("looking at the face"):
            person = identity_of(studio, job.faces)
        job.require_terms(licences_of(studio, [person], [job.faces]))
        tiles, makings = [], []
        with clock.stage("drawing"):
            for number, one in enumerate(drawable):
                settings = PortraitSettings.of(
                    prompt=job.prompt, seed=job.seed, style=one.name, styles=job.folder, **job.dials
                )
                [portrait] = studio.draw(person, settings)
                portrait.save(hidden / f"{one.name}.png")
                tiles.append(Tile(read_image(hidden / f"{one.name}.png"), one.style.title))
                makings.append(portrait.making)
                clock.step(number + 1, len(drawable))
        write_sheet(hidden / SHEET, tiles, makings[0], title=job.prompt)
    return [one.name for one in drawable]


def can_draw(found: FoundStyle, base_kind: str) -> bool:
    """Whether a base of this kind was taught the words of a style; larger ones know all."""
    if found.style.base not in ("any", base_kind):
        return False
    return base_kind != "miniature" or found.style.miniature is not None
