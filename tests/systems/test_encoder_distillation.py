"""Distillation of a tiny encoder: the teacher's answers, the terms, and that they fall."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.faces.face import AlignedFace
from limner.identity.conv_patches import CHANNELS, ConvPatches
from limner.identity.recognition import IdentityEmbedding
from limner.identity.vit import FaceViT, ViTConfig
from limner.systems.encoder_distillation import EncoderDistillation, Lessons, teach
from limner.training.loop import LoopSettings, Run
from tests.systems.tiny import random, seeded

SIZES = ViTConfig(patch=16, width=32, depth=1, heads=2, embedding=8)
LESSONS = Lessons(
    F.normalize(random(24, 8, seed=3), dim=-1),
    random(24, 49, CHANNELS, seed=4).half(),
    mean=torch.zeros(CHANNELS),
    spread=torch.ones(CHANNELS),
)


class FakeTeacher:
    """Says of a face its number, which is its first pixel; sees it, and twice it, at each of two places."""

    template = "arcface-112"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def embed(self, faces: Sequence[AlignedFace]) -> IdentityEmbedding:
        assert {face.template for face in faces} == {self.template}
        self.calls.append(len(faces))
        angles = np.array([face.image[0, 0, 0] for face in faces]) / 100
        return IdentityEmbedding.from_raw("test", np.stack([np.cos(angles), np.sin(angles)], axis=1))

    def feature_maps(self, faces: Sequence[AlignedFace]) -> np.ndarray:
        numbers = np.array([face.image[0, 0, 0] for face in faces], np.float32)
        return np.stack([numbers, 2 * numbers], axis=1)[..., None]


def test_the_teacher_is_asked_in_portions_and_in_order() -> None:
    faces = np.zeros((300, 112, 112, 3), np.uint8)
    faces[:, 0, 0, 0] = np.arange(300) % 250
    teacher: Any = FakeTeacher()
    done: list[int] = []
    lessons = teach(faces, teacher, progress=done.append)
    assert teacher.calls == [256, 44]
    assert done == [256, 300]
    numbers = torch.arange(300) % 250
    torch.testing.assert_close(lessons.embeddings, torch.stack([(numbers / 100).cos(), (numbers / 100).sin()], dim=1))
    maps = lessons.maps.float()
    raw = maps * lessons.spread + lessons.mean
    torch.testing.assert_close(raw[:, :, 0], torch.stack([numbers, 2 * numbers], dim=1).float(), atol=0.3, rtol=0)
    assert maps.shape == (300, 2, 1)
    assert maps.mean().item() == pytest.approx(0, abs=1e-3)
    assert maps.std().item() == pytest.approx(1, abs=1e-2)
    # One shift and one stretch for both places.
    torch.testing.assert_close(maps[:, 1] - maps[0, 1], 2 * (maps[:, 0] - maps[0, 0]), atol=5e-3, rtol=0)


def terms_of(task: EncoderDistillation) -> dict[str, Tensor]:
    return task.loss(task.collate(task.draw(0, torch.Generator().manual_seed(0))), 0)


class Fixed(nn.Module):
    """An encoder whose tokens are given; its head hands the first one on."""

    config = SimpleNamespace(width=2)

    def __init__(self, answers: Tensor) -> None:
        super().__init__()
        self.answers = answers

    def tokens_of(self, patches: Tensor) -> Tensor:
        assert patches.flatten().tolist() == [50, 50]  # the map, projected
        return self.answers

    def head(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0]


def test_every_term_by_hand() -> None:
    encoder: Any = Fixed(torch.tensor([[[2.0, 0.0]], [[0.0, 3.0]]]))  # not normalised
    same = Lessons(  # both drawn faces are this
        torch.tensor([[1.0, 0.0]]), torch.tensor([[[5.0]]]).half(), mean=torch.zeros(1), spread=torch.ones(1)
    )
    patches: Any = SimpleNamespace(project=lambda maps: 10 * maps)
    task = EncoderDistillation(encoder, patches, same, batch=2)
    with torch.no_grad():
        task.to_teacher.weight.copy_(torch.tensor([[1.0, 1.0]]))
        task.to_teacher.bias.fill_(1.0)
    terms = terms_of(task)
    assert terms["embedding"].item() == pytest.approx(0.5)  # cosines 1 and 0
    assert terms["relation"].item() == pytest.approx(0.5)  # two of four similarities are 0 and should be 1
    assert terms["places"].item() == pytest.approx((2**2 + 1**2) / 2)  # read as 3 and 4, should be 5


def test_training_brings_the_pupil_to_the_teacher(tmp_path: Path) -> None:
    patches = seeded(lambda: ConvPatches(SIZES))
    patches.trunk.requires_grad_(False)
    encoder = seeded(lambda: FaceViT(SIZES, patches=lambda _: patches))
    before = {name: value.clone() for name, value in patches.trunk.state_dict().items()}
    task = EncoderDistillation(encoder, patches, LESSONS, batch=24)
    settings = LoopSettings(steps=60, learning_rate=0.01, warmup_steps=3, decay_steps=5, log_every=5)
    rows: list[dict[str, float]] = []
    Run(tmp_path, task, settings).train(progress=lambda step, means: rows.append(means))
    assert rows[-1]["embedding"] < 0.75 * rows[0]["embedding"]
    assert rows[-1]["relation"] < rows[0]["relation"]
    assert rows[-1]["places"] < rows[0]["places"]
    assert all(value.isfinite().all() for value in encoder.state_dict().values())
    assert all(torch.equal(value, before[name]) for name, value in patches.trunk.state_dict().items())
