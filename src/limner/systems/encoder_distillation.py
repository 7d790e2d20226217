"""Distillation of the miniature's face encoder from the guide recogniser: no labels, the teacher's answers are the aim.

The encoder looks through the teacher's own convolutions, so that it is taught on their maps, made once. The embedding
is one aim a face; that each token still tells what the teacher saw at its place is one aim a token.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.faces.face import AlignedFace
from limner.identity.conv_patches import ConvPatches
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
    """``embeddings`` ``(faces, dim)`` of unit length; ``maps`` ``(faces, places, channels)`` float16, standardised per
    channel by ``mean`` and ``spread`` ``(channels,)``."""

    embeddings: Tensor
    maps: Tensor
    mean: Tensor
    spread: Tensor


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
    seen = torch.from_numpy(np.concatenate(maps))
    sample = seen[:2048].float()
    mean, spread = sample.mean(dim=(0, 1)), sample.std(dim=(0, 1)).clamp_min(1e-3)
    standardised = torch.cat([((part.float() - mean) / spread).half() for part in seen.split(2048)])
    return Lessons(torch.from_numpy(np.concatenate(embeddings)), standardised, mean, spread)


class EncoderDistillation:
    """The loss of one step; ``module`` holds the blocks, norm and head that are trained and a projection that is not
    kept."""

    def __init__(self, encoder: FaceViT, patches: ConvPatches, lessons: Lessons, *, batch: int) -> None:
        """``patches``: the encoder's, whose trunk is the teacher's own; what it sees is in ``lessons.maps``."""
        self.encoder, self.project = encoder, patches.project
        self.to_teacher = nn.Linear(encoder.config.width, lessons.maps.shape[-1])
        self.module = nn.ModuleDict({"encoder": encoder, "to_teacher": self.to_teacher})
        self.lessons, self.batch = lessons, batch
        self.frozen: Sequence[nn.Module] = ()

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Nothing is frozen but the trunk, which is a part of the module: the teacher has spoken before."""

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        """Which faces are shown."""
        return {"face": torch.randint(len(self.lessons.maps), (self.batch,), generator=rng)}

    def collate(self, plan: Plan) -> Batch:
        """The teacher's answers."""
        chosen, lessons = plan["face"], self.lessons
        return {"aims": lessons.embeddings[chosen], "maps": lessons.maps[chosen].float()}

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """``embedding``: 1 - cosine to the teacher's; ``relation``: similarities between faces, as the teacher has
        them, of the faces that one process sees at once; ``places``: squared error of each token's reading of the
        teacher's map."""
        aims, maps = batch["aims"], batch["maps"]
        tokens = self.encoder.tokens_of(self.project(maps))
        embeddings = F.normalize(self.encoder.head(tokens), dim=-1)
        return {
            "embedding": 1 - (embeddings * aims).sum(dim=-1).mean(),
            "relation": (embeddings @ embeddings.T - aims @ aims.T).square().mean(),
            "places": (self.to_teacher(tokens) - maps).square().mean(),
        }
