"""Distillation of the miniature's face encoder from the guide recogniser: no labels, the teacher's answers are the aim.

The embedding alone is one aim a face, and a small transformer stays on a plateau with it for thousands of steps; what
the teacher sees at each place of the face is one aim a token.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.faces.face import AlignedFace
from limner.identity.recognition import IdentityEmbedding
from limner.identity.vit import FaceViT
from limner.systems.contract import Batch, LossTerms, Plan


class Teacher(Protocol):
    """A recogniser that also says what it sees place by place."""

    template: str

    def embed(self, faces: Sequence[AlignedFace]) -> IdentityEmbedding: ...

    def feature_maps(self, faces: Sequence[AlignedFace]) -> np.ndarray: ...


@dataclass(frozen=True)
class Lessons:
    """``faces`` ``(faces, 3, 112, 112)`` uint8; ``embeddings`` ``(faces, dim)`` of unit length; ``maps`` ``(faces,
    places, channels)`` float16, standardised per channel."""

    faces: Tensor
    embeddings: Tensor
    maps: Tensor


def teach(faces: np.ndarray, teacher: Teacher, *, progress: Callable[[int], None] = lambda done: None) -> Lessons:
    """The teacher's answers to ``(faces, 112, 112, 3)`` uint8."""
    identity = np.eye(2, 3)
    embeddings: list[np.ndarray] = []
    maps: list[np.ndarray] = []
    for start in range(0, len(faces), 256):
        chunk = [AlignedFace(image, identity, teacher.template) for image in faces[start : start + 256]]
        embeddings.append(teacher.embed(chunk).vector)
        maps.append(teacher.feature_maps(chunk).astype(np.float16))
        progress(start + len(chunk))
    return Lessons(
        faces=torch.from_numpy(faces).permute(0, 3, 1, 2).contiguous(),
        embeddings=torch.from_numpy(np.concatenate(embeddings)),
        maps=_standardised(torch.from_numpy(np.concatenate(maps))),
    )


def _standardised(maps: Tensor) -> Tensor:
    sample = maps[:2048].float()
    mean, spread = sample.mean(dim=(0, 1)), sample.std(dim=(0, 1)).clamp_min(1e-3)
    return torch.cat([((part.float() - mean) / spread).half() for part in maps.split(2048)])


class EncoderDistillation:
    """The loss of one step; ``module`` holds the :class:`FaceViT` that is trained and a projection that is not kept."""

    def __init__(self, encoder: FaceViT, width: int, lessons: Lessons, *, batch: int) -> None:
        """``width``: of the encoder's tokens, of which there must be as many as places in ``lessons.maps``."""
        self.encoder, self.to_teacher = encoder, nn.Linear(width, lessons.maps.shape[-1])
        self.module = nn.ModuleDict({"encoder": encoder, "to_teacher": self.to_teacher})
        self.lessons, self.batch = lessons, batch
        self.frozen: Sequence[nn.Module] = ()

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Nothing is frozen: the teacher has spoken before."""

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        """Which faces are shown."""
        return {"face": torch.randint(len(self.lessons.faces), (self.batch,), generator=rng)}

    def collate(self, plan: Plan) -> Batch:
        """The faces and the teacher's answers to them."""
        chosen, lessons = plan["face"], self.lessons
        return {"faces": lessons.faces[chosen], "aims": lessons.embeddings[chosen], "maps": lessons.maps[chosen]}

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """``embedding``: 1 - cosine to the teacher's; ``relation``: similarities between faces, as the teacher has
        them, of the faces that one process sees at once; ``places``: squared error of each token's reading of the
        teacher's map."""
        aims = batch["aims"]
        tokens = self.encoder.tokens(batch["faces"].float() / 127.5 - 1)
        embeddings = F.normalize(self.encoder.head(tokens), dim=-1)
        seen = self.to_teacher(tokens)
        return {
            "embedding": 1 - (embeddings * aims).sum(dim=-1).mean(),
            "relation": (embeddings @ embeddings.T - aims @ aims.T).square().mean(),
            "places": (seen - batch["maps"].float()).square().mean(),
        }
