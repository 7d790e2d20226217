"""One person, as every system takes them: features from one or several photos, and where they came from.

Saved, an identity is one small safetensors file, the identity card. It holds features, never a photo.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from torch import Tensor

from limner.core.checkpoint import Header, load_checkpoint, save_checkpoint
from limner.core.consent import Consent
from limner.core.errors import CheckpointError, FeatureSpaceError
from limner.faces.analysis import FaceAnalyzer
from limner.identity.encoder import EncoderRecognizer
from limner.identity.enrolment import LEAST_WEIGHT, Analyzer, Photo, enrol
from limner.identity.features import FaceFeatures
from limner.identity.recognition import GuideRecognizer, Recognizer

SYSTEM = "identity"
CARD_VERSION = "1"


@dataclass(frozen=True, eq=False)
class Identity:
    """A person.

    Attributes:
        features: by name of the feature space.
        quality: float32 (photos,), 0 to 1.
        pose: float32 (photos, 3), yaw, pitch and roll in degrees.
        consent: who agreed to what, when and until when; None if nobody wrote that down.
        origin: where the photos come from, in words.
        licence: the terms of the photos, in words; the terms of the networks are those named in ``features``.
        apparent_age: in years, of the photo that looks youngest; None if it was not estimated.
        glasses: whether the person wears glasses; None where the photos do not say or differ.
    """

    features: Mapping[str, FaceFeatures]
    quality: Tensor
    pose: Tensor
    consent: Consent | None = None
    origin: str = ""
    licence: str = ""
    apparent_age: float | None = None
    glasses: bool | None = None

    @property
    def num_photos(self) -> int:
        return len(self.quality)

    @property
    def photo_weights(self) -> Tensor:
        """How much each photo counts beside the best one, (photos,) in (0, 1], by quality as in the embedding."""
        weights = self.quality.clamp_min(LEAST_WEIGHT)
        return weights / weights.max()

    @property
    def licences(self) -> list[str]:
        """Records in `limner licences` of the networks that made the features."""
        return list(dict.fromkeys(features.licence for features in self.features.values()))

    def features_in(self, space: str) -> FaceFeatures:
        """The features in one space.

        Raises:
            FeatureSpaceError: this identity was made without that recogniser.
        """
        if space not in self.features:
            raise FeatureSpaceError(
                f"this identity has features in {', '.join(self.features)}, but {space} is needed; "
                "make it again from the photos with that recogniser"
            )
        return self.features[space]

    @classmethod
    def from_photos(
        cls,
        photos: Photo | Sequence[Photo],
        *,
        face_index: int | Sequence[int] | None = None,
        consent: Consent | None = None,
        origin: str = "",
        licence: str = "",
        analyzer: Analyzer | None = None,
        recognizers: Sequence[Recognizer] | None = None,
    ) -> "Identity":
        """Learn a person from one or several photos; better photos count more.

        Args:
            photos: paths, bytes of files, PIL pictures or RGB uint8 arrays, all of one person.
            face_index: which face, 0 the leftmost: one number for all photos or one each. The largest if not given.
            analyzer: finds and measures faces.
            recognizers: make the features; the guide and the packaged encoder if not given.

        Raises:
            ImageError: a photo cannot be read.
            FaceError: a photo has no usable face, or shows somebody else than the others; the message names it.
            ConfigError: a judge, or two recognisers of one feature space, were given.
            CheckpointError: a packaged network is missing.
        """
        enrolment = enrol(
            photos,
            face_index,
            FaceAnalyzer() if analyzer is None else analyzer,
            default_recognizers() if recognizers is None else recognizers,
        )
        return cls(
            enrolment.features,
            enrolment.quality,
            enrolment.pose,
            consent=consent,
            origin=origin,
            licence=licence,
            glasses=enrolment.glasses,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the identity card, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        networks = {space: features.licence for space, features in self.features.items()}
        card = _Card(
            consent=self.consent,
            origin=self.origin,
            licence=self.licence,
            networks=networks,
            apparent_age=self.apparent_age,
            glasses=self.glasses,
        )
        header = Header(
            system=SYSTEM,
            version=CARD_VERSION,
            licence=f"photos: {self.licence or 'not stated'}; features: {', '.join(self.licences)}",
            config=card.model_dump(mode="json"),
        )
        tensors = {"quality": self.quality, "pose": self.pose}
        for space, features in self.features.items():
            tensors[f"{space}/embedding"] = features.embedding
            tensors[f"{space}/norm"] = torch.tensor(features.norm, dtype=torch.float32)
            if features.tokens is not None:
                tensors[f"{space}/tokens"] = features.tokens
        save_checkpoint(path, tensors, header)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Identity":
        """Read an identity card; what was saved comes back bit for bit.

        Raises:
            CheckpointError: the file is missing, broken or no identity card.
        """
        tensors, header = load_checkpoint(path, expect_system=SYSTEM)
        try:
            card = _Card.model_validate(_with_consent_record(header.config))
            features = {space: _take_features(tensors, space, licence) for space, licence in card.networks.items()}
            quality, pose = tensors.pop("quality"), tensors.pop("pose")
            identity = cls(
                features, quality, pose, card.consent, card.origin, card.licence, card.apparent_age, card.glasses
            )
        except (KeyError, ValueError) as error:  # a part is missing, a norm is no number, a word has no place
            raise CheckpointError(f"{path} lacks part of an identity card ({error}); make it again") from error
        problem = f"it also holds {', '.join(tensors)}" if tensors else _problem(identity)
        if problem:
            raise CheckpointError(f"{path} is no whole identity card: {problem}; make it again from the photos")
        return identity


def default_recognizers() -> list[Recognizer]:
    """The guide, and the packaged encoder whose tokens the packaged adapter reads."""
    return [GuideRecognizer(), EncoderRecognizer()]


class _Card(BaseModel):
    """The words on an identity card."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    consent: Annotated[Consent | None, Field(strict=False)]  # days are written as words
    origin: str
    licence: str
    networks: dict[str, str]
    """Licence record of the network by feature space, in order."""
    apparent_age: float | None = None
    glasses: bool | None = None


def _with_consent_record(config: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Cards written before there were records of consent hold words."""
    words = config.get("consent")
    if not isinstance(words, str):
        return config
    return {**config, "consent": Consent.in_words(words).model_dump(mode="json") if words else None}


def _take_features(tensors: dict[str, Tensor], space: str, licence: str) -> FaceFeatures:
    return FaceFeatures(
        space=space,
        embedding=tensors.pop(f"{space}/embedding"),
        norm=float(tensors.pop(f"{space}/norm")),
        tokens=tensors.pop(f"{space}/tokens", None),
        licence=licence,
    )


def _problem(identity: Identity) -> str:
    """Why these cannot be features of one person, or nothing."""
    photos = identity.num_photos
    if identity.quality.shape != (photos,) or identity.pose.shape != (photos, 3):
        return f"quality {tuple(identity.quality.shape)} and pose {tuple(identity.pose.shape)} do not match"
    for space, features in identity.features.items():
        if features.embedding.ndim != 1 or not abs(float(features.embedding.norm()) - 1) < 1e-3:
            return f"the embedding in {space} is no vector of length 1"
        if features.tokens is not None and (features.tokens.ndim != 3 or len(features.tokens) != photos):
            return f"the tokens in {space} are {tuple(features.tokens.shape)} for {photos} photos"
    return ""
