"""The guide's pull: nearer to the person, a fixed way, deaf in some directions, and nothing where no face is."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.systems.identity_guidance import LEAST_SIDE, IdentityGuidance

LANDMARKS = np.array([[38.0, 52.0], [74.0, 52.0], [56.0, 72.0], [42.0, 92.0], [71.0, 92.0]], np.float32)
"""On a template of 112 px."""


class Colours(nn.Module):
    """A guide that tells a face by its mean colour and by nothing else."""

    def forward(self, faces: Tensor) -> Tensor:
        return F.normalize(faces.mean(dim=(2, 3)), dim=1)


class Finder:
    """Sees a face in the middle of every picture that is not black; remembers how large they were."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def detect(self, picture: np.ndarray) -> list[Any]:
        height, width, _ = picture.shape
        self.sizes.append((height, width))
        places = (0.3 + 0.4 * LANDMARKS / 112) * height
        return [SimpleNamespace(landmarks=places, score=0.9)] if picture.max() > 10 else []


def guidance(nuisance: Tensor | None = None) -> IdentityGuidance:
    decode = lambda latents: F.interpolate(latents, scale_factor=8.0)  # noqa: E731
    finder: Any = Finder()
    none = torch.empty(0, 3)
    return IdentityGuidance(Colours(), decode, nuisance=none if nuisance is None else nuisance, detector=finder)


def latents() -> Tensor:
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 0.5 + torch.tensor([[[0.3]]])


FAR = torch.full((3,), 0.1)
RED = torch.tensor([[1.0, 0.0, 0.0]]).expand(3, -1)


def test_each_pull_brings_the_face_nearer_to_the_person() -> None:
    told, clean = guidance(), latents()
    cosines = []
    for _ in range(4):
        face = clean[:, :, 5:11, 5:11].mean(dim=(2, 3))
        cosines.append(float((F.normalize(face, dim=1) * RED).sum(dim=1).mean()))
        clean = told.pulled(clean, RED, FAR)
    assert cosines == sorted(cosines)
    assert cosines[-1] > cosines[0] + 0.05


@pytest.mark.parametrize("strength", [0.02, 0.2])
def test_it_goes_a_share_of_the_latents_length(strength: float) -> None:
    clean = latents()
    moved = (guidance().pulled(clean, RED, torch.full((3,), strength)) - clean).flatten(1).norm(dim=1)
    assert torch.allclose(moved / clean.flatten(1).norm(dim=1), torch.full((3,), strength), rtol=1e-4)


def test_a_picture_without_a_face_stays_bit_for_bit() -> None:
    clean = latents()
    clean[1] = -1.0
    pulled = guidance().pulled(clean, RED, FAR)
    assert torch.equal(pulled[1], clean[1])
    assert not torch.equal(pulled[0], clean[0])
    assert torch.equal(guidance().pulled(torch.full_like(clean, -1.0), RED, FAR), torch.full_like(clean, -1.0))


def test_a_row_with_no_strength_stays_bit_for_bit() -> None:
    clean, people = latents(), RED.clone()
    people[1] = 0
    pulled = guidance().pulled(clean, people, torch.tensor([0.1, 0.0, 0.1]))
    assert torch.equal(pulled[1], clean[1])
    assert not torch.equal(pulled[2], clean[2])


def test_only_the_face_moves() -> None:
    clean = latents()
    moved = (guidance().pulled(clean, RED, FAR) - clean).abs().sum(dim=1)
    assert moved[:, 6:10, 6:10].min() > 0
    for border in (moved[:, :3], moved[:, -3:], moved[:, :, :3], moved[:, :, -3:]):
        assert not border.any()


def test_what_is_nuisance_is_not_heard() -> None:
    deaf = guidance(torch.tensor([[1.0, 0.0, 0.0]]))
    clean = latents()
    greenish = F.normalize(torch.tensor([[0.0, 1.0, 0.2]]), dim=1).expand(3, -1)
    redder = F.normalize(greenish + 3 * RED, dim=1)
    assert torch.allclose(deaf.pulled(clean, greenish, FAR), deaf.pulled(clean, redder, FAR), atol=1e-6)
    assert not torch.allclose(guidance().pulled(clean, greenish, FAR), guidance().pulled(clean, redder, FAR), atol=1e-3)


def test_small_pictures_are_looked_at_large_and_in_their_shape() -> None:
    told = guidance()
    told.pulled(torch.rand(1, 3, 16, 24), RED[:1], FAR[:1])
    assert told.detector.sizes == [(LEAST_SIDE, LEAST_SIDE * 3 // 2)]  # pyright: ignore[reportAttributeAccessIssue]


def test_it_works_where_gradients_are_off() -> None:
    with torch.no_grad():
        assert not guidance().pulled(latents(), RED, FAR).requires_grad
