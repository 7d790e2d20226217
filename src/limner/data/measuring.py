"""From a picture to its numbers: find the face, measure it, embed it. What has no usable face is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from limner.core.errors import ConfigError
from limner.data.age_gender import AgeGender, AgeGenderClassifier
from limner.data.attributes import Measurements, measure
from limner.faces.analysis import FaceAnalyzer
from limner.faces.detection import select_face
from limner.faces.face import Face
from limner.identity.recognition import GUIDE_SPACE, GuideRecognizer, Recognizer

LABELS_SIDE = 128
"""Side of the stored parsing maps in pixels."""
ADULT_YEARS = 20
"""Whoever looks younger is left out: no pictures of children."""
NETWORKS = ("yunet", "facemesh", "bisenetv2", "lightqnet")
"""Licence records of the networks that measuring always uses."""


@dataclass(frozen=True, eq=False)
class MeasuredFace:
    """One picture's face; fields as in :class:`~limner.data.record.FaceRecord`. ``age_gender`` is None if nobody was
    to look."""

    landmarks: np.ndarray
    labels: np.ndarray
    numbers: Measurements
    age_gender: AgeGender | None
    embeddings: Mapping[str, np.ndarray]
    quality: float | None = None
    face_box: tuple[float, float, float, float] | None = None

    @property
    def guide_embedding(self) -> np.ndarray:
        return self.embeddings[GUIDE_SPACE]


class PictureMeasurer:
    """The networks that measuring needs, each read when first used.

    Args:
        recognizers: further feature spaces to embed in; the guide is always there.
        look_at_age: needs an optional package; without it ages and genders stay unknown.

    Raises:
        ConfigError: a judge was given, or a feature space twice.
    """

    def __init__(self, recognizers: Sequence[Recognizer] = (), *, look_at_age: bool = True) -> None:
        spaces = [GUIDE_SPACE, *(recognizer.feature_space for recognizer in recognizers)]
        if len(set(spaces)) < len(spaces):
            raise ConfigError(f"the faces would be embedded in {', '.join(spaces)}; name each feature space once")
        for recognizer in recognizers:
            if recognizer.role == "judge":
                raise ConfigError(f"{recognizer.feature_space} is the judge, which training may not see; leave it out")
        self._recognizers = recognizers
        self._look_at_age = look_at_age

    def require_packages(self) -> None:
        """Find out now, not hours later, that an optional package is missing.

        Raises:
            MissingExtraError: it is.
        """
        if self._look_at_age:
            _ = self._age_gender

    def measure(self, image: np.ndarray) -> MeasuredFace | None:
        """Measure the largest face of an RGB uint8 picture; None if no face is found or its age cannot be told."""
        faces = self.detect(image)
        return self.measure_face(image, select_face(faces)) if faces else None

    def detect(self, image: np.ndarray) -> list[Face]:
        """Faces of a picture, left to right; may be empty."""
        return self._analyzer.detect(image)

    def measure_face(self, image: np.ndarray, face: Face) -> MeasuredFace | None:
        """Measure a face that was found already; None if its age was to be told and cannot be."""
        age_gender = self._age_gender(image, face) if self._look_at_age else None
        if self._look_at_age and age_gender is None:
            return None
        labels = self._analyzer.parse(image, face)
        recognizers: list[Recognizer] = [self._guide, *self._recognizers]
        return MeasuredFace(
            landmarks=face.landmarks,
            labels=cv2.resize(labels, (LABELS_SIDE, LABELS_SIDE), interpolation=cv2.INTER_NEAREST),
            numbers=measure(image, self._analyzer.mesh(image, face), labels),
            age_gender=age_gender,
            embeddings={one.feature_space: one.embed([one.align(image, face)]).vector[0] for one in recognizers},
            quality=self._analyzer.quality(self._analyzer.align(image, face)),
            face_box=face.box,
        )

    @cached_property
    def _analyzer(self) -> FaceAnalyzer:
        return FaceAnalyzer()

    @cached_property
    def _guide(self) -> GuideRecognizer:
        return GuideRecognizer()

    @cached_property
    def _age_gender(self) -> AgeGenderClassifier:
        return AgeGenderClassifier()


def same_person(measured: Sequence[MeasuredFace | None], *, threshold: float) -> list[bool]:
    """For each picture whether the guide takes it for the person of the first one; all False if that one has no
    face."""
    first = measured[0]
    if first is None:
        return [False] * len(measured)
    return [m is not None and float(m.guide_embedding @ first.guide_embedding) >= threshold for m in measured]


@dataclass(frozen=True)
class ApparentPerson:
    """What all pictures of a person say together, since one face's age wobbles by years and gender does not change
    from picture to picture. ``years`` is NaN where nobody looked; ``male`` a probability, then 0.5."""

    years: float
    male: float

    @classmethod
    def of(cls, seen: Sequence[AgeGender]) -> "ApparentPerson":
        if not seen:
            return cls(float("nan"), 0.5)
        return cls(float(np.median([one.years for one in seen])), float(np.mean([one.male for one in seen])))

    @property
    def is_child(self) -> bool:
        """Whether the person looks younger than ``ADULT_YEARS``."""
        return self.years < ADULT_YEARS

    def years_in(self, one: AgeGender | None) -> float:
        """The person's age in one picture."""
        return self.years if one is None else (self.years + one.years) / 2
