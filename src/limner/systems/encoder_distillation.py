"""Distillation of the miniature's face encoder from the guide recogniser: no labels, the teacher's embedding is the
aim."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from limner.faces.face import AlignedFace
from limner.identity.recognition import Recognizer
from limner.identity.vit import FaceViT


def teach(faces: np.ndarray, teacher: Recognizer, *, progress: Callable[[int], None] = lambda done: None) -> Tensor:
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

    def __init__(self, encoder: FaceViT, faces: Tensor, aims: Tensor, *, batch: int) -> None:
        """``faces`` ``(faces, 3, 112, 112)`` uint8, ``aims`` ``(faces, dim)`` of unit length."""
        self.module, self.faces, self.aims, self.batch = encoder, faces, aims, batch

    def __call__(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """``embedding``: 1 - cosine to the teacher's; ``relation``: the batch's similarities, as the teacher has
        them."""
        chosen = torch.randint(len(self.aims), (self.batch,), generator=rng)
        images = self.faces[chosen].float() / 127.5 - 1
        aims = self.aims[chosen]
        embeddings = F.normalize(self.module(images), dim=-1)
        return {
            "embedding": 1 - (embeddings * aims).sum(dim=-1).mean(),
            "relation": (embeddings @ embeddings.T - aims @ aims.T).square().mean(),
        }
