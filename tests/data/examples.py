"""Made-up measurements, records and faces for the tests of this room."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from limner.data.age_gender import AgeGender
from limner.data.attributes import Measurements
from limner.data.measuring import MeasuredFace
from limner.data.record import FaceRecord
from limner.data.synthesis import EDIT_RANGES, Directions
from limner.faces.parsing import ParsingLabel
from limner.identity.recognition import GUIDE_SPACE

NUMBERS = Measurements(
    yaw=0.0,
    pitch=0.0,
    smile=0.1,
    mouth_open=0.0,
    glasses=0.0,
    hat=0.0,
    hair=0.5,
    hair_below_chin=0.05,
    hair_colour=(90.0, 60.0, 40.0),
    skin_colour=(200.0, 150.0, 130.0),
    background_colour=(60.0, 105.0, 190.0),
    background_spread=10.0,
    light_from_left=1.0,
)
ARCFACE_IN_256 = np.array([[88, 118], [168, 118], [128, 163], [95, 209], [161, 209]], np.float32)


def labels_of(side: int) -> np.ndarray:
    """A head in the middle: hair above a square face, cloth below, background around."""
    labels = np.full((side, side), int(ParsingLabel.BACKGROUND), np.uint8)
    quarter = side // 4
    labels[quarter // 2 : quarter, quarter:-quarter] = ParsingLabel.HAIR
    labels[quarter:-quarter, quarter:-quarter] = ParsingLabel.SKIN
    labels[-quarter:, quarter:-quarter] = ParsingLabel.CLOTH
    return labels


def picture(seed: int, side: int = 256) -> np.ndarray:
    """Smooth noise, ``(side, side, 3)``."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3))
    return coarse.repeat(side // 8, axis=0).repeat(side // 8, axis=1).astype(np.uint8)


def record(seed: int = 0, *, person: str = "generated-00003", **changes: Any) -> FaceRecord:
    made = FaceRecord(
        key=f"{seed:05d}_0",
        person=person,
        source="test",
        split="train",
        image=picture(seed),
        labels=labels_of(128),
        landmarks=ARCFACE_IN_256,
        numbers=NUMBERS,
        age_years=30.25,
        male=0.9,
        embeddings={GUIDE_SPACE: np.array([0.6, 0.8], np.float32)},
        edits={"yaw": 1.5},
    )
    return replace(made, **changes)


def measured(*, years: float = 40.0, male: float = 0.5, direction: float = 0.0) -> MeasuredFace:
    """A face whose embedding points ``direction`` radians away from the first axis."""
    return MeasuredFace(
        landmarks=ARCFACE_IN_256,
        labels=labels_of(128),
        numbers=NUMBERS,
        age_gender=AgeGender(years, male),
        embeddings={GUIDE_SPACE: np.array([np.cos(direction), np.sin(direction)], np.float32)},
    )


class FakeGenerator(nn.Module):
    """Draws 8 px noise that follows from the styles; stops, like a killed process, before call ``stop_at``."""

    def __init__(self, width: int = 6, stop_at: int | None = None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.BatchNorm1d(1)])  # for its buffers, which tell the precision
        self.width, self.stop_at, self.calls = width, stop_at, 0

    def draw_in(self, precision: torch.dtype) -> None:
        self.blocks.to(precision)

    def styles(self, noise: Tensor) -> Tensor:
        return torch.tanh(noise)

    def forward(self, styles: Tensor) -> Tensor:
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        self.calls += 1
        waves = torch.arange(3 * 8 * 8, dtype=torch.float32).outer(torch.arange(1.0, self.width + 1))
        return torch.cos(waves @ styles.float().sum(dim=1).T).T.reshape(-1, 3, 8, 8)


def directions(width: int = 6) -> Directions:
    names = [*EDIT_RANGES, "male"]
    unit = torch.eye(width)
    return Directions(
        mean=torch.linspace(-0.2, 0.2, width),
        unit={name: unit[i % width] for i, name in enumerate(names)},
        deviation={name: 0.1 * (i + 1) for i, name in enumerate(names)},
    )
