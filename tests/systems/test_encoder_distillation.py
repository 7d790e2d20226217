"""Distillation of a tiny encoder: the teacher's answers, the terms, and that they fall."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.faces.face import AlignedFace
from limner.identity.recognition import IdentityEmbedding
from limner.identity.vit import FaceViT, ViTConfig
from limner.systems.encoder_distillation import EncoderDistillation, teach
from limner.training.loop import LoopSettings, Run
from tests.systems.tiny import random, seeded

SIZES = ViTConfig(patch=28, width=32, depth=1, heads=2, embedding=8)
FACES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (24, 3, 4, 4)).astype(np.uint8))
FACES = F.interpolate(FACES, size=(112, 112), mode="nearest")
AIMS = F.normalize(random(24, 8, seed=3), dim=-1)


def terms_of(task: EncoderDistillation) -> dict[str, Tensor]:
    return task.loss(task.collate(task.draw(0, torch.Generator().manual_seed(0))), 0)


class FakeTeacher:
    """Says of a face its number, which is its first pixel."""

    template = "arcface-112"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def embed(self, faces: Sequence[AlignedFace]) -> IdentityEmbedding:
        assert {face.template for face in faces} == {self.template}
        self.calls.append(len(faces))
        angles = np.array([face.image[0, 0, 0] for face in faces]) / 100
        return IdentityEmbedding.from_raw("test", np.stack([np.cos(angles), np.sin(angles)], axis=1))


def test_the_teacher_is_asked_in_portions_and_in_order() -> None:
    faces = np.zeros((300, 112, 112, 3), np.uint8)
    faces[:, 0, 0, 0] = np.arange(300) % 250
    teacher: Any = FakeTeacher()
    done: list[int] = []
    aims = teach(faces, teacher, progress=done.append)
    assert teacher.calls == [256, 44]
    assert done == [256, 300]
    angles = torch.arange(300) % 250 / 100
    torch.testing.assert_close(aims, torch.stack([angles.cos(), angles.sin()], dim=1))


def test_both_terms_by_hand() -> None:
    class Fixed(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.tensor([[2.0, 0.0], [0.0, 3.0]])  # not normalised

    encoder: Any = Fixed()
    same = torch.tensor([[1.0, 0.0]])  # both drawn faces have this aim
    terms = terms_of(EncoderDistillation(encoder, FACES[:1], same, batch=2))
    assert terms["embedding"].item() == pytest.approx(0.5)  # cosines 1 and 0
    assert terms["relation"].item() == pytest.approx(0.5)  # two of four similarities are 0 and should be 1


def test_a_perfect_pupil_has_no_loss() -> None:
    class Perfect(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            chosen = [int((FACES.float() / 127.5 - 1 - image).abs().sum(dim=(1, 2, 3)).argmin()) for image in images]
            return 7 * AIMS[chosen]

    encoder: Any = Perfect()
    for term in terms_of(EncoderDistillation(encoder, FACES, AIMS, batch=5)).values():
        assert term.item() == pytest.approx(0, abs=1e-6)


def test_training_brings_the_pupil_to_the_teacher(tmp_path: Path) -> None:
    encoder = seeded(lambda: FaceViT(SIZES))
    task = EncoderDistillation(encoder, FACES, AIMS, batch=24)
    settings = LoopSettings(steps=30, learning_rate=0.01, warmup_steps=3, decay_steps=5, log_every=5)
    rows: list[dict[str, float]] = []
    Run(tmp_path, task, settings).train(progress=lambda step, means: rows.append(means))
    assert rows[-1]["embedding"] < 0.75 * rows[0]["embedding"]
    assert rows[-1]["relation"] < rows[0]["relation"]
    assert all(value.isfinite().all() for value in encoder.state_dict().values())
