"""Training of the 2x step: pictures as the miniature would draw them -> the same at twice the size.

The small picture went through the miniature's autoencoder with a little noise on its latents, and was lightly degraded,
so the network meets what it will meet; the large one is the picture itself.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from limner.core.errors import InputError
from limner.core.files import replacing
from limner.data.degradation import lightly_degraded, resized
from limner.data.record import FaceRecord
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.diffusion.upscaling import FACTOR, FaceUpscaler, bicubic, to_picture
from limner.systems.contract import Batch, Inspection, LossTerms, Plan

NUM_SHOWN = 3
_ENCODED_TOGETHER = 16


@dataclass(frozen=True, eq=False)
class UpscalingPairs:
    """``small`` ``(pictures, 3, side, side)`` and ``large`` ``(pictures, 3, 2 side, 2 side)``, both RGB uint8."""

    small: Tensor
    large: Tensor

    def save(self, path: Path) -> None:
        """Write as safetensors.

        Raises:
            InputError: the file cannot be written.
        """
        with replacing(path) as unfinished:
            save_file({"small": self.small, "large": self.large}, unfinished)

    @classmethod
    def load(cls, path: Path) -> "UpscalingPairs":
        return cls(**load_file(path))


def make_pairs(
    records: Iterable[FaceRecord],
    autoencoder: TinyFaceAutoencoder,
    *,
    pixels: int,
    latent_noise: float,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> UpscalingPairs:
    """Pairs of all records.

    Args:
        pixels: side of the small picture.
        latent_noise: largest deviation of the noise on the standardised latents; drawn anew for each picture.
        seed: of noise and degradation.

    Raises:
        InputError: a record's picture is smaller than what the network is to draw.
    """
    rng = torch.Generator().manual_seed(seed)
    small: list[Tensor] = []
    large: list[Tensor] = []
    chunk: list[np.ndarray] = []

    def finish() -> None:
        batch = torch.stack([_tensor(resized(picture, pixels)) for picture in chunk])
        decoded = _through(autoencoder, batch, latent_noise, rng)
        small.extend(_tensor(lightly_degraded(to_picture(one), rng)) for one in decoded)
        large.extend(_tensor(resized(picture, FACTOR * pixels)) for picture in chunk)
        chunk.clear()
        progress(len(small))

    for record in records:
        if min(record.image.shape[:2]) < FACTOR * pixels:
            raise InputError(
                f"{record.key} has {record.image.shape[1]} x {record.image.shape[0]} pixels, too few to show a picture "
                f"of {FACTOR * pixels} px what it should look like; leave its source out"
            )
        chunk.append(record.image)
        if len(chunk) == _ENCODED_TOGETHER:
            finish()
    if chunk:
        finish()
    return UpscalingPairs(torch.stack(small), torch.stack(large))


class MiniatureUpscaling:
    """The loss of one step, on crops; ``module`` is what is trained."""

    def __init__(self, upscaler: FaceUpscaler, pairs: UpscalingPairs, *, batch: int, crop: int) -> None:
        """``crop``: side of the crops of the small picture, in pixels."""
        self.module, self.pairs, self.batch = upscaler, pairs, batch
        self.crop = min(crop, pairs.small.shape[-1])
        self.frozen: Sequence[nn.Module] = ()

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """There are no frozen networks."""

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        """Pictures, places of the crops, and which are mirrored."""
        room = self.pairs.small.shape[-1] - self.crop + 1
        return {
            "picture": torch.randint(len(self.pairs.small), (self.batch,), generator=rng),
            "row": torch.randint(room, (self.batch,), generator=rng),
            "column": torch.randint(room, (self.batch,), generator=rng),
            "mirrored": torch.randint(2, (self.batch,), generator=rng),
        }

    def collate(self, plan: Plan) -> Batch:
        """Crops in [-1, 1]."""
        small, large = [], []
        for picture, row, column, mirrored in zip(*(values.tolist() for values in plan.values()), strict=True):
            for kept, pictures, factor in ((small, self.pairs.small, 1), (large, self.pairs.large, FACTOR)):
                top, left, side = row * factor, column * factor, self.crop * factor
                crop = pictures[picture, :, top : top + side, left : left + side]
                kept.append(crop.flip(-1) if mirrored else crop)
        return {"small": _scaled(torch.stack(small)), "large": _scaled(torch.stack(large))}

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """``pixels``: mean absolute difference; ``edges``: the same of neighbouring pixels' differences."""
        small = batch["small"].contiguous(memory_format=torch.channels_last)
        difference = self.module(small) - batch["large"]
        across, down = difference.diff(dim=-1), difference.diff(dim=-2)
        return {"pixels": difference.abs().mean(), "edges": (across.abs().mean() + down.abs().mean()) / 2}

    @torch.no_grad()
    def inspect(self) -> Inspection:
        """The first pictures: interpolated, by the network, and as they are."""
        small, large = (_scaled(pictures[:NUM_SHOWN]) for pictures in (self.pairs.small, self.pairs.large))
        rows = torch.cat([bicubic(small), self.module(small), large], dim=-1)
        return Inspection([to_picture(row) for row in rows], {})


@torch.no_grad()
def _through(autoencoder: TinyFaceAutoencoder, batch: Tensor, latent_noise: float, rng: torch.Generator) -> Tensor:
    latents = autoencoder.encode(_scaled(batch))[0]
    deviation = torch.rand(len(latents), 1, 1, 1, generator=rng) * latent_noise
    return autoencoder.decode(latents + deviation * torch.randn(latents.shape, generator=rng))[0]


def _tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def _scaled(pictures: Tensor) -> Tensor:
    return pictures.float() / 127.5 - 1
