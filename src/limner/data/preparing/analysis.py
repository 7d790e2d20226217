"""What is done to one photo: read, one face, large and sharp enough, cut out, measured, hashed.

A photo says the same whoever asks, in which order and on which machine.
"""

import hashlib
from pathlib import Path
from typing import Protocol

import numpy as np

from limner.core.errors import ImageError
from limner.core.images import read_image
from limner.data.measuring import MeasuredFace
from limner.data.preparing.framing import frame, square_around
from limner.data.preparing.near_duplicates import perceptual_hash
from limner.data.preparing.outcome import Outcome, Reason
from limner.data.preparing.photo_files import NOTE_SUFFIX, PhotoFile
from limner.data.preparing.settings import AnalysisSettings
from limner.data.record import FACTS, FaceRecord, facts_of, sample_of
from limner.faces.face import Face
from limner.faces.quality import MIN_EYE_DISTANCE


class Measurer(Protocol):
    """What the stage needs of :class:`~limner.data.measuring.PictureMeasurer`."""

    def detect(self, image: np.ndarray) -> list[Face]: ...

    def measure_face(self, image: np.ndarray, face: Face) -> MeasuredFace | None: ...


class _DropError(Exception):
    """Ends the analysis of a photo that is not to be kept."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def analyse_photo(root: Path, photo: PhotoFile, measurer: Measurer, settings: AnalysisSettings) -> Outcome:
    """Everything that can be said about a photo without looking at others."""
    try:
        content = (root / photo.name).read_bytes()
    except OSError as error:
        return Outcome(photo, "", Reason.UNREADABLE, str(error.strerror))
    digest = hashlib.sha256(content).hexdigest()
    try:
        image, face, side = _cut_out(content, measurer, settings)
        measured = _measured(image, face, measurer, settings)
    except _DropError as drop:
        return Outcome(photo, digest, drop.reason, drop.detail)
    record = _record_of(photo, image, measured, settings)
    parts = sample_of(record).parts
    del parts[FACTS]
    return Outcome(
        photo,
        digest,
        record=facts_of(record),
        seen=measured.age_gender,
        copy_hash=perceptual_hash(image),
        face_pixels=side,
        note=_note_beside(root / photo.name),
        parts=parts,
    )


def _cut_out(content: bytes, measurer: Measurer, settings: AnalysisSettings) -> tuple[np.ndarray, Face, int]:
    """The square around the only face, the face in it, and the side it had in the photo."""
    try:
        photo = read_image(content)
    except ImageError as error:
        raise _DropError(Reason.UNREADABLE, str(error)) from error
    faces = measurer.detect(photo)
    if len(faces) != 1:
        raise _DropError(Reason.SEVERAL_FACES, f"{len(faces)} faces") if faces else _DropError(Reason.NO_FACE)
    square = square_around(faces[0], photo.shape[1], photo.shape[0], framing=settings.framing)
    if settings.pixels > square[2] * settings.largest_enlargement:
        raise _DropError(Reason.TOO_SMALL, f"{square[2]} pixels around it for a picture of {settings.pixels}")
    if faces[0].frontal_eye_distance < MIN_EYE_DISTANCE:
        raise _DropError(Reason.TOO_SMALL, f"{faces[0].frontal_eye_distance:.0f} pixels between the eyes")
    return *frame(photo, faces[0], square, pixels=settings.pixels), square[2]


def _measured(image: np.ndarray, face: Face, measurer: Measurer, settings: AnalysisSettings) -> MeasuredFace:
    measured = measurer.measure_face(image, face)
    if measured is None:
        raise _DropError(Reason.AGE_UNKNOWN)
    if measured.quality is not None and measured.quality < settings.min_quality:
        raise _DropError(Reason.LOW_QUALITY, f"{measured.quality:.2f}")
    return measured


def _record_of(photo: PhotoFile, image: np.ndarray, face: MeasuredFace, settings: AnalysisSettings) -> FaceRecord:
    """A record in which person and split are still open."""
    return FaceRecord(
        key=photo.key,
        person="",
        source=settings.source,
        split="",
        image=image,
        labels=face.labels,
        landmarks=face.landmarks,
        numbers=face.numbers,
        age_years=float("nan"),
        male=0.5,
        embeddings=dict(face.embeddings),
        quality=face.quality,
        face_box=face.face_box,
    )


def _note_beside(path: Path) -> str | None:
    try:
        return " ".join(path.with_suffix(NOTE_SUFFIX).read_text(encoding="utf-8").split()) or None
    except (OSError, UnicodeDecodeError):
        return None
