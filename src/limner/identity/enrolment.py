"""From photos of one person to features: read, find the face, measure it, embed it."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limner.core.errors import ConfigError, FaceError, FaceIndexError, ImageError
from limner.core.images import ImageSource, read_image
from limner.faces.analysis import FaceAnalysis
from limner.faces.parsing import glasses_share, wears_glasses
from limner.identity.features import FaceFeatures, extract
from limner.identity.recognition import Recognizer

Photo = ImageSource | np.ndarray
"""A path, the bytes of a file, a PIL picture or RGB uint8 (height, width, 3)."""

LEAST_WEIGHT = 1e-3
"""Photos of quality 0 still count a little, so that one bad photo alone makes an identity."""


class Analyzer(Protocol):
    """What enrolment needs of :class:`~limner.faces.analysis.FaceAnalyzer`."""

    def analyze(self, image: np.ndarray, face_index: int | None = None) -> FaceAnalysis: ...


@dataclass(frozen=True, eq=False)
class Enrolment:
    """What photos say about a person.

    Attributes:
        features: by name of the feature space.
        quality: float32 (photos,), 0 to 1.
        pose: float32 (photos, 3), yaw, pitch and roll in degrees.
        glasses: whether the person wears glasses; None where the photos do not say, or one says otherwise than another.
    """

    features: Mapping[str, FaceFeatures]
    quality: Tensor
    pose: Tensor
    glasses: bool | None


def enrol(
    photos: Photo | Sequence[Photo],
    face_index: int | Sequence[int] | None,
    analyzer: Analyzer,
    recognizers: Sequence[Recognizer],
) -> Enrolment:
    """Features of the person in the photos; see :meth:`limner.identity.identity.Identity.from_photos`."""
    sources = [photos] if isinstance(photos, str | bytes | os.PathLike | Image.Image | np.ndarray) else list(photos)
    if not sources:
        raise FaceError("no photo was given; give at least one photo of the person")
    _check_recognizers(recognizers)
    indices = _indices(face_index, len(sources))
    names = [_name(source, number) for number, source in enumerate(sources, start=1)]
    images = [read_photo(source, name) for source, name in zip(sources, names, strict=True)]
    analyses = [_analyze(analyzer, *photo) for photo in zip(images, indices, names, strict=True)]
    quality = np.array([analysis.quality for analysis in analyses], dtype=np.float32)
    features: dict[str, FaceFeatures] = {}
    for recognizer in recognizers:
        pairs = zip(images, analyses, strict=True)
        faces = [recognizer.align(image, analysis.face) for image, analysis in pairs]
        weights = np.maximum(quality, LEAST_WEIGHT)
        features[recognizer.feature_space] = extract(recognizer, faces, weights, names)
    pose = np.array([tuple(analysis.pose) for analysis in analyses], dtype=np.float32)
    seen = {wears_glasses(glasses_share(analysis.parsing_map)) for analysis in analyses}
    return Enrolment(features, torch.from_numpy(quality), torch.from_numpy(pose), agreed(seen))


def agreed(seen: Collection[bool | None]) -> bool | None:
    """What all say who say anything."""
    told = {one for one in seen if one is not None}
    return told.pop() if len(told) == 1 else None


def _check_recognizers(recognizers: Sequence[Recognizer]) -> None:
    spaces = [recognizer.feature_space for recognizer in recognizers]
    if not spaces or len(set(spaces)) < len(spaces):
        raise ConfigError(f"the recognisers make the features {spaces}; give at least one, each of another space")
    for recognizer in recognizers:
        if recognizer.role == "judge":
            raise ConfigError(
                f"{recognizer.feature_space} is the judge: it scores results and may not condition them; "
                "leave it out of the identity"
            )


def _indices(face_index: int | Sequence[int] | None, num_photos: int) -> Sequence[int | None]:
    if face_index is None or isinstance(face_index, int):
        return [face_index] * num_photos
    if len(face_index) not in (1, num_photos):
        raise FaceIndexError(
            f"{len(face_index)} face numbers were given for {num_photos} photos; give one for all or one for each"
        )
    return list(face_index) * (num_photos // len(face_index))


def _name(source: Photo, number: int) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else f"photo {number}"


def read_photo(source: Photo, name: str) -> np.ndarray:
    """RGB uint8 (height, width, 3), upright; ``name`` is what to call an array in messages.

    Raises:
        ImageError: it cannot be read.
    """
    if not isinstance(source, np.ndarray):
        return read_image(source)
    if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
        raise ImageError(f"{name} is an array {source.shape} of {source.dtype}, expected RGB uint8 (height, width, 3)")
    return read_image(Image.fromarray(source))


def _analyze(analyzer: Analyzer, image: np.ndarray, face_index: int | None, name: str) -> FaceAnalysis:
    try:
        return analyzer.analyze(image, face_index)
    except FaceError as error:
        raise type(error)(f"{name}: {error}") from error
