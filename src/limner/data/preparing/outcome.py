"""What was found out about one photo: the pixels to keep and the facts that decide, or why it was dropped."""

import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from limner.data.age_gender import AgeGender
from limner.data.preparing.photo_files import PhotoFile
from limner.data.tar_samples import Parts, Sample
from limner.identity.recognition import GUIDE_SPACE

OUTCOME = "prepare.json"
"""Ending of the member that is written last, so that a sample that has it is whole."""


class Reason(StrEnum):
    """Why a photo is not in the shards."""

    UNREADABLE = "not readable as a picture"
    NO_FACE = "no face"
    SEVERAL_FACES = "several faces"
    TOO_SMALL = "face too small"
    LOW_QUALITY = "face not recognisable"
    AGE_UNKNOWN = "age cannot be told"
    CHILD = "looks like a child"
    TWO_NAMES = "same file under two names"
    COPY = "copy of another photo"
    STRANGER = "another person"
    TOO_FEW = "person has too few photos"
    REMOVED = "removal requested"


@dataclass(frozen=True, eq=False)
class Outcome:
    """One photo.

    Attributes:
        sha256: of the file.
        reason: why it was dropped at once; None if it was not, and then everything below is there.
        detail: more about the reason, in words.
        record: facts of a record as ``record.facts_of`` gives them; person, split, age and caption are still open.
        seen: apparent age and gender; None if nobody was to look.
        copy_hash: perceptual hash of the square picture.
        face_pixels: side of the square in the photo, before it was resized.
        note: the caption that lay beside the photo.
        parts: the picture and its labels, encoded; left out where only decisions are made.
    """

    photo: PhotoFile
    sha256: str
    reason: Reason | None = None
    detail: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    seen: AgeGender | None = None
    copy_hash: str = ""
    face_pixels: int = 0
    note: str | None = None
    parts: Parts = field(default_factory=dict)

    @property
    def guide_embedding(self) -> np.ndarray:
        """``(512,)`` float32."""
        return np.asarray(self.record["embeddings"][GUIDE_SPACE], np.float32)

    def for_decisions(self) -> "Outcome":
        """Small enough to keep one of every photo in memory."""
        if self.reason is not None:
            return self
        small = {"quality": self.record["quality"], "embeddings": {GUIDE_SPACE: self.guide_embedding}}
        return replace(self, record=small, parts={})

    def to_sample(self) -> Sample:
        """As members of a tar."""
        facts = asdict(replace(self, parts={}))
        return Sample(self.photo.key, self.parts | {OUTCOME: json.dumps(facts, sort_keys=True).encode()})

    @classmethod
    def from_facts(cls, content: bytes, parts: Parts | None = None) -> "Outcome":
        """What :meth:`to_sample` wrote, without the pixels unless they are given.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        facts = json.loads(content)
        facts["photo"] = PhotoFile(**facts["photo"])
        facts["reason"] = None if facts["reason"] is None else Reason(facts["reason"])
        facts["seen"] = None if facts["seen"] is None else AgeGender(**facts["seen"])
        return cls(**facts | {"parts": parts or {}})
