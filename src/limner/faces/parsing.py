"""Which pixel of a photo belongs to which part of a face.

BiSeNetV2 (arXiv:2004.02147) at 448 pixels, trained on CelebAMask-HQ: the file is MIT, the pictures behind it are for
non-commercial research only. It knows FFHQ-framed crops, so the photo is cropped that way and the answer laid back.
"""

from enum import IntEnum
from functools import cached_property
from typing import Literal

import cv2
import numpy as np

from limner.core.assets import asset_path
from limner.core.errors import ConfigError
from limner.faces.alignment import TEMPLATES, invert_similarity, template_matrix, transform_points, warp_smooth
from limner.faces.face import Face
from limner.faces.networks import TfliteNetwork

_TEMPLATE = "ffhq-512"
# Seen on the portraits: 1.0 cuts off voluminous hair and the back of heads, from 1.35 on bits of hair become hats.
_MARGIN = 1.25


class ParsingLabel(IntEnum):
    """The parts in a parsing map, with the network's own numbers.

    The network tells left from right badly, so each pair is one part here: its maps hold 2, 4 and 7 where the network
    said 3 (the other brow), 5 (the other eye) and 8 (the other ear).
    """

    BACKGROUND = 0
    SKIN = 1
    BROWS = 2
    EYES = 4
    GLASSES = 6
    EARS = 7
    EARRINGS = 9
    NOSE = 10
    MOUTH = 11
    UPPER_LIP = 12
    LOWER_LIP = 13
    NECK = 14
    NECKLACE = 15
    CLOTH = 16
    HAIR = 17
    HAT = 18


Region = Literal["face", "head", "hair"]

_FACE = (
    ParsingLabel.SKIN,
    ParsingLabel.BROWS,
    ParsingLabel.EYES,
    ParsingLabel.GLASSES,
    ParsingLabel.NOSE,
    ParsingLabel.MOUTH,
    ParsingLabel.UPPER_LIP,
    ParsingLabel.LOWER_LIP,
)
REGIONS: dict[str, tuple[ParsingLabel, ...]] = {
    "face": _FACE,
    "head": (*_FACE, ParsingLabel.EARS, ParsingLabel.EARRINGS, ParsingLabel.HAIR, ParsingLabel.HAT),
    "hair": (ParsingLabel.HAIR,),
}

_MERGED = np.arange(19, dtype=np.uint8)
_MERGED[[3, 5, 8]] = (ParsingLabel.BROWS, ParsingLabel.EYES, ParsingLabel.EARS)


class FaceParser:
    """The parsing network, read from disk at the first face."""

    def parse(self, image: np.ndarray, face: Face) -> np.ndarray:
        """The parts of one face and what is near it.

        Args:
            image: RGB uint8 (height, width, 3).
            face: a face of this picture; the others are parsed as far as the crop around this one holds them.

        Returns:
            uint8 (height, width) of `ParsingLabel` numbers; background outside the crop, which is about two face
            heights wide.

        Raises:
            CheckpointError: the weights are not installed.
        """
        height, width = image.shape[:2]
        side = self._network.input_pixels
        crop = self._crop(face)
        pixels = warp_smooth(image, crop, side)
        labels = self._network((pixels.astype(np.float32) - 128) / 128)[0].reshape(side, side)
        merged = _MERGED[labels.astype(np.uint8)]
        return cv2.warpAffine(merged, invert_similarity(crop), (width, height), flags=cv2.INTER_NEAREST)

    def _crop(self, face: Face) -> np.ndarray:
        """The (2, 3) map of the FFHQ frame, somewhat widened, onto the network's input.

        Where the nose points to one side the back of the head lies on the other, so the frame moves there as far.
        """
        frame = TEMPLATES[_TEMPLATE].side
        matrix = template_matrix(face.landmarks, _TEMPLATE)
        across = transform_points(matrix, face.landmarks)[:, 0]
        matrix[0, 2] += across[2] - across[[0, 1, 3, 4]].mean()
        matrix[:, 2] += (_MARGIN - 1) / 2 * frame
        return matrix * (self._network.input_pixels / (_MARGIN * frame))

    @cached_property
    def _network(self) -> TfliteNetwork:
        return TfliteNetwork(asset_path("bisenetv2/bisenetv2_celebamaskhq_448x448_integer_quant.tflite"))


GLASSES_FROM, NO_GLASSES_BELOW = 0.04, 0.005
"""Shares of the face's area; between them it stays open."""


def glasses_share(parsing_map: np.ndarray) -> float:
    """Area of glasses over that of the face, (height, width) as `FaceParser.parse` gives it."""
    return float((parsing_map == ParsingLabel.GLASSES).sum()) / max(int(region_mask(parsing_map, "face").sum()), 1)


def wears_glasses(share: float) -> bool | None:
    """Whether that is a person with glasses; None where it stays open."""
    return True if share > GLASSES_FROM else False if share < NO_GLASSES_BELOW else None


def region_mask(parsing_map: np.ndarray, region: Region) -> np.ndarray:
    """Where a region is.

    Args:
        parsing_map: (height, width) as `FaceParser.parse` gives it.
        region: "face" (skin, brows, eyes, glasses, nose, mouth, lips), "head" (also ears, earrings, hair, hat) or
            "hair".

    Returns:
        uint8 (height, width), 1 inside and 0 outside.

    Raises:
        ConfigError: there is no such region.
    """
    if region not in REGIONS:
        raise ConfigError(f"The region {region!r} is unknown; choose one of {', '.join(REGIONS)}.")
    return np.isin(parsing_map, REGIONS[region]).astype(np.uint8)
