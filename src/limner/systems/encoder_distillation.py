"""Distillation of the miniature's face encoder from the guide recogniser: no labels, the teacher's embedding is the aim.

A few thousand people are too few to learn what tells people apart. Blends of two aligned faces are new faces to the
teacher too, and it says what it makes of each, so they widen the set at the cost of one teacher call.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from limner.faces.face import AlignedFace
from limner.identity.recognition import Recognizer
from limner.identity.vit import FaceViT

SIDE = 112


def blended_faces(crops: np.ndarray, count: int, seed: int) -> np.ndarray:
    """``count`` training faces ``(count, 112, 112, 3)`` uint8 from aligned ``crops``: jittered, mirrored, half of them blends."""
    rng = np.random.default_rng(seed)
    faces = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for i in range(count):
        first, second = (_jittered(crops[rng.integers(len(crops))], rng) for _ in range(2))
        kind = rng.random()
        if kind < 0.3:
            share = rng.uniform(0.35, 0.65)
            first = cv2.addWeighted(first, share, second, 1 - share, 0)
        elif kind < 0.5:
            ramp = np.clip((np.arange(SIDE) - rng.uniform(35, 85)) / 24 + 0.5, 0, 1)[:, None, None]
            first = (first * ramp + second * (1 - ramp)).astype(np.uint8)
        faces[i] = _degraded(first, rng)
    return faces


def _jittered(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.normal(0, 2), rng.normal(1, 0.02))
    matrix[:, 2] += rng.normal(0, 1.0, 2)
    moved = cv2.warpAffine(crop, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved[:, ::-1] if rng.random() < 0.5 else moved


def _degraded(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light, contrast and colour changes; sometimes grey, blurred or small, as real photos are."""
    gain, offset = rng.normal(1, 0.15), rng.normal(0, 12)
    changed = np.clip(face.astype(np.float32) * gain * rng.normal(1, 0.04, 3) + offset, 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        changed = np.repeat(cv2.cvtColor(changed, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if rng.random() < 0.25:
        small = int(rng.integers(32, 80))
        changed = cv2.resize(cv2.resize(changed, (small, small), interpolation=cv2.INTER_AREA), (SIDE, SIDE))
    return changed


def teach(
    faces: np.ndarray, teacher: Recognizer, *, progress: Callable[[int], None] = lambda done: None
) -> Tensor:
    """The teacher's unit embeddings ``(faces, dim)`` of ``(faces, 112, 112, 3)`` uint8."""
    identity = np.eye(2, 3)
    parts: list[np.ndarray] = []
    for start in range(0, len(faces), 256):
        chunk = [AlignedFace(image, identity, teacher.template) for image in faces[start : start + 256]]
        parts.append(teacher.embed(chunk).vector)
        progress(start + len(chunk))
    return torch.from_numpy(np.concatenate(parts))


class EncoderDistillation:
    """The loss of one step; ``module`` is the :class:`FaceViT` that is trained."""

    def __init__(self, encoder: FaceViT, faces: Sequence[Tensor] | Tensor, aims: Tensor, *, batch: int) -> None:
        """``faces`` ``(faces, 3, 112, 112)`` uint8, ``aims`` ``(faces, dim)`` of unit length."""
        self.module, self.faces, self.aims, self.batch = encoder, faces, aims, batch

    def __call__(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """``embedding``: 1 - cosine to the teacher's; ``relation``: the batch's similarities, as the teacher has them."""
        chosen = torch.randint(len(self.aims), (self.batch,), generator=rng)
        images = self.faces[chosen].float() / 127.5 - 1  # pyright: ignore[reportCallIssue, reportArgumentType]
        aims = self.aims[chosen]
        embeddings = F.normalize(self.module(images), dim=-1)
        return {
            "embedding": 1 - (embeddings * aims).sum(dim=-1).mean(),
            "relation": (embeddings @ embeddings.T - aims @ aims.T).square().mean(),
        }
