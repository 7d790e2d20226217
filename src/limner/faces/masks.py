"""FACT's head mask and network input, from spec section 1.1: the head alone on black, aligned to 112 pixels.

FACT: arXiv:2410.12312. The reference parses people with M2FP; `head_mask_of_parsing` follows the same rule with the
regions of Limner's own parser.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from limner.core.errors import FaceError
from limner.faces.face import AlignedFace
from limner.faces.parsing import ParsingLabel, region_mask

_MIN_SCORE = 0.8


def largest_mask(
    masks: Sequence[np.ndarray], labels: Sequence[str], scores: Sequence[float], label: str
) -> np.ndarray | None:
    """The largest instance of a label among those the human parser is sure of.

    Args:
        masks: per instance uint8 (height, width), 1 inside.
        labels: per instance its label.
        scores: per instance its confidence, 0 to 1; only those above 0.8 count.
        label: the wanted label, such as "Face", "Hair" or "Human".

    Returns:
        uint8 (height, width), or None if no instance counts.
    """
    sure = [m for m, name, score in zip(masks, labels, scores, strict=True) if name == label and score > _MIN_SCORE]
    return max(sure, key=lambda mask: int(mask.sum()), default=None)


def head_mask(face: np.ndarray, hair: np.ndarray | None, person: np.ndarray | None) -> np.ndarray:
    """Face and hair as one piece: widened a little, cut at the person's outline, detached blobs dropped.

    Args:
        face: uint8 (height, width), 1 on the face.
        hair: the same for hair; None if there is none.
        person: the same for the whole person; None if unknown, and then nothing is cut.

    Returns:
        uint8 (height, width), 1 on the head.

    Raises:
        FaceError: the face mask is empty.
    """
    if not face.any():
        raise FaceError("The face mask is empty, so there is no head to cut out. Use a photo whose face can be parsed.")
    head = face if hair is None else np.maximum(face, hair)
    side = max(int(np.sqrt(float(face.sum())) / 20), 1)
    head = cv2.dilate(head, np.ones((side, side), np.uint8))
    if person is not None:
        head = head * person
    outlines, _ = cv2.findContours(head, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(head)
    if outlines:
        cv2.drawContours(filled, [max(outlines, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return np.maximum(filled, face)


def head_mask_of_parsing(parsing_map: np.ndarray) -> np.ndarray:
    """`head_mask` from a parsing map (height, width) of one person.

    Raises:
        FaceError: the map holds no face.
    """
    person = (parsing_map != ParsingLabel.BACKGROUND).astype(np.uint8)
    return head_mask(region_mask(parsing_map, "face"), region_mask(parsing_map, "hair"), person)


def apply_mask(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """RGB uint8 (height, width, 3), black where the uint8 mask (height, width) is 0."""
    return image * mask[..., None]


def fact_network_input(aligned: AlignedFace) -> np.ndarray:
    """What FACT's face encoder reads: float32 (3, side, side) in [-1, 1], so that black is -1."""
    scaled = (aligned.image.astype(np.float32) / 255 - 0.5) / 0.5
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))
