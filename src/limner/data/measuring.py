"""From a picture to its record: find the face, measure it, embed it. What has no usable face is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from limner.data.age_gender import AgeGender, AgeGenderClassifier
from limner.data.attributes import Measurements, measure
from limner.faces.analysis import FaceAnalyzer
from limner.faces.detection import select_face
from limner.identity.recognition import GuideRecognizer

LABELS_SIDE = 128
"""Side of the stored parsing maps in pixels."""


@dataclass(frozen=True, eq=False)
class MeasuredFace:
    """One picture's largest face; fields as in :class:`~limner.data.record.FaceRecord`."""

    landmarks: np.ndarray
    labels: np.ndarray
    numbers: Measurements
    age_gender: AgeGender
    guide_embedding: np.ndarray


class PictureMeasurer:
    """The networks that measuring needs, each read when first used."""

    def require_packages(self) -> None:
        """Find out now, not hours later, that an optional package is missing.

        Raises:
            MissingExtraError: it is.
        """
        _ = self._age_gender

    def measure(self, image: np.ndarray) -> MeasuredFace | None:
        """Measure an RGB uint8 picture; None if no face is found or its age cannot be told."""
        faces = self._analyzer.detect(image)
        if not faces:
            return None
        face = select_face(faces)
        age_gender = self._age_gender(image, face)
        if age_gender is None:
            return None
        labels = self._analyzer.parse(image, face)
        aligned = self._analyzer.align(image, face)
        return MeasuredFace(
            landmarks=face.landmarks,
            labels=cv2.resize(labels, (LABELS_SIDE, LABELS_SIDE), interpolation=cv2.INTER_NEAREST),
            numbers=measure(image, self._analyzer.mesh(image, face), labels),
            age_gender=age_gender,
            guide_embedding=self._guide.embed([aligned]).vector[0],
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
