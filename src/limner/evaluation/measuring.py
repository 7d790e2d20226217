"""What is measured on one picture, and the networks that do it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from torch import Tensor

from limner.data.attributes import Measurements, measure
from limner.data.captions import Traits, describe
from limner.evaluation.classifiers import Classifiers, Verdicts
from limner.evaluation.feature_network import FeatureNetwork
from limner.faces.analysis import FaceAnalyzer
from limner.faces.detection import select_face
from limner.faces.face import Face
from limner.faces.parsing import region_mask
from limner.identity.recognition import Recognizer

SMALLEST_SIDE = 256
"""Pictures with a shorter side are enlarged before a face is looked for."""

AgeGender = Callable[[np.ndarray, Face], tuple[float, float] | None]
"""Picture and face to (years, probability of a man); None where it sees no face."""


@dataclass(frozen=True, eq=False)
class FaceFacts:
    """What is known of a picture's largest face.

    Attributes:
        embedding: float32 (dim,) of length 1, by the judge.
        numbers: geometry and colours, from mesh and parser.
        traits: words for the numbers, by the functions that also captioned the training pictures.
        verdicts: of classifiers that took no part in training; None without them.
        mask: bool (height, width), the face in pixels of the picture.
        crop: RGB uint8 (112, 112, 3), aligned.
        years: apparent age; NaN if nobody looked.
    """

    embedding: np.ndarray
    numbers: Measurements
    traits: Traits
    verdicts: Verdicts | None
    mask: np.ndarray
    crop: np.ndarray
    years: float


@dataclass(frozen=True, eq=False)
class PictureFacts:
    """A picture with its face, None if none was found, and its features, None without a feature network."""

    image: np.ndarray
    face: FaceFacts | None
    pooled: np.ndarray | None = None
    maps: list[Tensor] | None = field(default=None, repr=False)


class Instruments:
    """The networks of an evaluation.

    Attributes:
        judge: recogniser that took no part in training.
        classifiers: attribute classifiers that took no part either; None leaves their verdicts out.
        features: network of the perceptual and the Frechet distance; None leaves both out.
        age_gender: the classifier that captioned the training pictures; None leaves age and gender unsaid.
    """

    def __init__(
        self,
        judge: Recognizer,
        *,
        analyzer: FaceAnalyzer | None = None,
        classifiers: Classifiers | None = None,
        features: FeatureNetwork | None = None,
        age_gender: AgeGender | None = None,
    ) -> None:
        self.judge, self.classifiers, self.features, self.age_gender = judge, classifiers, features, age_gender
        self._analyzer = analyzer or FaceAnalyzer()

    def look(self, images: Sequence[np.ndarray]) -> list[PictureFacts]:
        """Measure RGB uint8 pictures."""
        faces = [self.face_of(image) for image in images]
        if self.features is None or not images:
            return [PictureFacts(image, face) for image, face in zip(images, faces, strict=True)]
        features = self.features.features(images)
        return [
            PictureFacts(image, face, features.pooled[row].numpy(), [level[row : row + 1] for level in features.maps])
            for row, (image, face) in enumerate(zip(images, faces, strict=True))
        ]

    def pooled(self, images: Sequence[np.ndarray], side: int) -> np.ndarray:
        """Features (images, width) of pictures made as coarse as drawn ones of that side; (0, 0) without a network."""
        if self.features is None:
            return np.zeros((0, 0))
        return self.features.features([shrunk(image, side) for image in images]).pooled.numpy()

    def face_of(self, image: np.ndarray) -> FaceFacts | None:
        """Measure the largest face of one picture."""
        large = enlarged(image)
        found = self._analyzer.detect(large)
        if not found:
            return None
        face = select_face(found)
        labels = self._analyzer.parse(large, face)
        numbers = measure(large, self._analyzer.mesh(large, face), labels)
        seen = None if self.age_gender is None else self.age_gender(large, face)
        years, male = seen or (float("nan"), float("nan"))
        mask = Image.fromarray(region_mask(labels, "face") * 255)
        return FaceFacts(
            embedding=self.judge.embed([self.judge.align(large, face)]).vector[0],
            numbers=numbers,
            traits=describe(numbers, age_years=years, male=male),
            verdicts=None if self.classifiers is None else self.classifiers(large, face),
            mask=np.asarray(mask.resize((image.shape[1], image.shape[0]), Image.Resampling.BOX)) > 127,
            crop=self._analyzer.align(large, face).image,
            years=years,
        )


def shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """The picture with its longer side at ``side`` or less."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def enlarged(image: np.ndarray) -> np.ndarray:
    """The picture with its shorter side at ``SMALLEST_SIDE`` or more."""
    height, width = image.shape[:2]
    scale = SMALLEST_SIDE / min(height, width)
    if scale <= 1:
        return image
    size = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
