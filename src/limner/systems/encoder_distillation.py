"""Distillation of the miniature's face encoder from the guide recogniser: no labels, the teacher's embedding is the
aim."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.faces.face import AlignedFace
from limner.identity.recognition import Recognizer
from limner.identity.vit import FaceViT
from limner.systems.contract import Batch, LossTerms, Plan


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
        self.frozen: Sequence[nn.Module] = ()

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Nothing is frozen: the teacher has spoken before."""

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        """Which faces are shown."""
        return {"face": torch.randint(len(self.aims), (self.batch,), generator=rng)}

    def collate(self, plan: Plan) -> Batch:
        """The faces and the teacher's embeddings of them."""
        return {"faces": self.faces[plan["face"]], "aims": self.aims[plan["face"]]}

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """``embedding``: 1 - cosine to the teacher's; ``relation``: similarities between faces, as the teacher has
        them, of the faces that one process sees at once."""
        aims = batch["aims"]
        embeddings = F.normalize(self.module(batch["faces"].float() / 127.5 - 1), dim=-1)
        return {
            "embedding": 1 - (embeddings * aims).sum(dim=-1).mean(),
            "relation": (embeddings @ embeddings.T - aims @ aims.T).square().mean(),
        }
