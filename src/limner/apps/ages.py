"""How old people look, where the estimator is installed."""

from functools import cache

import numpy as np

from limner.core.errors import MissingExtraError
from limner.data.age_gender import AgeGenderClassifier
from limner.faces.face import Face


def apparent_age(image: np.ndarray, face: Face) -> float | None:
    """In years, of one face of an RGB uint8 picture; None where nobody can tell."""
    classifier = _classifier()
    answer = None if classifier is None else classifier(image, face)
    return None if answer is None else answer.years


@cache
def _classifier() -> AgeGenderClassifier | None:
    try:
        return AgeGenderClassifier()
    except MissingExtraError:
        return None  # rules that need an age refuse where there is none
