"""The job behind `limner portrait`: look at the photos, open the model, draw, write, and say how far it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from limner.apps.clock import Clock, Stages
from limner.apps.model_choice import ModelChoice
from limner.apps.settings import PortraitSettings
from limner.core.assets import asset_path
from limner.core.errors import ConfigError
from limner.core.images import read_image
from limner.data import invented_people

if TYPE_CHECKING:
    from limner.apps.contact_sheet import Tile
    from limner.apps.control import Control
    from limner.apps.studio import Portrait, Studio
    from limner.faces.conditions import Kind
    from limner.identity.identity import Identity

EXAMPLE = "example/person.jpg"
CARD_SUFFIX = ".safetensors"
REFERENCE_TEMPLATE = "ffhq-512"
"""How references are cut for the contact sheet: the whole head, not what the recognisers see."""


@dataclass(frozen=True)
class Faces:
    """The person who is to be drawn: photos, or one identity card."""

    photos: tuple[Path, ...]
    card: Path | None
    indices: tuple[int, ...] | None

    @classmethod
    def given(cls, files: Sequence[Path], indices: Sequence[int] | None, sentence: str = "") -> "Faces":
        """Sort files into photos and card; a file that is not there may be the name of an invented person. Without
        files the invented person whom ``sentence`` names, and the packaged example person if it names nobody.

        Raises:
            ConfigError: a card among other files, or a sentence that names several people.
            ImageError: a photo cannot be read.
        """
        chosen = tuple(indices) if indices else None
        if not files:
            named = invented_people.named_in(sentence)
            return cls((named or asset_path(EXAMPLE),), None, chosen)
        files = [invented_people.person_file(file) for file in files]
        cards = [file for file in files if file.suffix == CARD_SUFFIX]
        if cards and (len(files) > 1 or chosen):
            raise ConfigError(f"{cards[0]} is an identity card; give it alone, without other files or a face index")
        if cards:
            return cls((), cards[0], None)
        for photo in files:
            read_image(photo)  # before anything heavy is loaded
        return cls(tuple(files), None, chosen)

    @property
    def named(self) -> list[str]:
        """The invented people among the photos."""
        return [name for photo in self.photos if (name := invented_people.name_of(photo)) is not None]

    @property
    def stand_in(self) -> str:
        """Who is drawn where no file was given, in words."""
        return f"{' and '.join(self.named) or 'the packaged example person'}, who does not exist"

    @property
    def files(self) -> tuple[Path, ...]:
        """The photos or the card."""
        return self.photos if self.card is None else (self.card,)

    def index_of_each(self) -> Sequence[int | None]:
        """The face index of each photo; enrolment has checked that their numbers fit."""
        if self.indices is None or len(self.indices) == len(self.photos):
            return self.indices or [None] * len(self.photos)
        return self.indices * len(self.photos)


@dataclass(frozen=True)
class ControlChoice:
    """A ControlNet, the model's own if None, and what it follows; see :meth:`limner.apps.studio.Studio.control`."""

    network: Path | None
    photo: Path
    kind: "Kind" = "landmarks"
    scale: float = 1.0


@dataclass(frozen=True)
class PortraitJob(ModelChoice):
    """Everything that was asked for on the command line, besides where to put it."""

    settings: PortraitSettings
    faces: Faces
    start: Path | None = None
    control: "ControlChoice | None" = None

    def opened_control(self, studio: "Studio") -> "Control | None":
        """The ControlNet ready to draw, None if none was asked for."""
        asked = self.control
        if asked is None:
            return None
        if asked.network is None:
            return studio.pose(asked.photo, scale=asked.scale)
        return studio.control(asked.network, asked.photo, kind=asked.kind, scale=asked.scale)


@dataclass(frozen=True, eq=False)
class Results:
    """The pictures and the names of their files."""

    portraits: "list[Portrait]"
    names: list[str]


def run_job(job: PortraitJob, folder: Path, stages: Stages | None = None) -> Results:
    """Draw, and write everything into ``folder`` or nothing.

    Raises:
        LicenceError: commercial use was asked for and something forbids it.
        LimnerError: see :meth:`limner.apps.studio.Studio.open`, ``identity`` and ``draw``.
    """
    from limner.apps.portrait_files import describe, staged, write_portraits, write_record

    with stages or Clock() as clock, staged(folder) as hidden:
        with clock.stage("opening the model"):
            studio = job.open()
            control = job.opened_control(studio)
        with clock.stage("looking at the face"):
            identity, tiles = _person(studio, job.faces)
        own = (*studio.assembly.licences_of(job.settings), *(() if control is None else control.licences))
        licences = licences_of(studio, [identity], [job.faces], own=own)
        job.require_terms(licences)
        with clock.stage("drawing"):
            portraits = studio.draw(identity, job.settings, start=job.start, control=control, progress=clock.step)
        names = write_portraits(hidden, portraits, tiles)
        record = describe(studio, portraits, names=names, references=job.faces.files, licences=licences)
        write_record(hidden, {**record, "seconds": clock.seconds})
    return Results(portraits, names)


def _person(studio: "Studio", faces: Faces) -> "tuple[Identity, list[Tile]]":
    """The identity, and each photo's head for the contact sheet; a card has no photo to show."""
    from limner.apps.contact_sheet import Tile
    from limner.faces.detection import select_face

    identity = identity_of(studio, faces)
    tiles = []
    for photo, index in zip(faces.photos, faces.index_of_each(), strict=True):
        image = read_image(photo)
        face = select_face(studio.analyzer.detect(image), index)
        tiles.append(Tile(studio.analyzer.align(image, face, REFERENCE_TEMPLATE).image, "reference"))
    return identity, tiles


def identity_of(studio: "Studio", faces: Faces) -> "Identity":
    """The person that photos or a card show."""
    from limner.identity.identity import Identity

    if faces.card is not None:
        return Identity.load(faces.card)
    return studio.identity(faces.photos, face_index=faces.indices)


def licences_of(
    studio: "Studio", people: "Sequence[Identity]", faces: Sequence[Faces], *, own: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Licence records of every network that takes part; ``own`` are the model's, those it was opened with if None."""
    from limner.apps.studio import ENROLLING, MEASURING

    enrolling = () if all(one.card is not None for one in faces) else ENROLLING
    of_people = [name for person in people for name in person.licences]
    of_model = studio.licences if own is None else own
    invented = (invented_people.LICENCE,) if any(one.named for one in faces) else ()
    return tuple(dict.fromkeys((*of_model, *of_people, *invented, *enrolling, *MEASURING)))
