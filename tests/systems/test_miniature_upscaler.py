"""Training of the 2x step: pairs that belong together, a falling loss, crops that show the same place."""

from pathlib import Path

import pytest
import torch

from limner.core.errors import InputError
from limner.diffusion.autoencoder import TinyFaceAutoencoder
from limner.diffusion.upscaling import FaceUpscaler, UpscalerConfig
from limner.systems.miniature_upscaler import MiniatureUpscaling, UpscalingPairs, make_pairs
from tests.data.examples import record
from tests.systems.tiny import seeded

SIZES = UpscalerConfig(width=6, depth=1)


def smooth_pairs() -> UpscalingPairs:
    """Each large picture is its small one with every pixel four times: the network can learn that."""
    small = torch.randint(0, 256, (3, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return UpscalingPairs(small, small.repeat_interleave(2, -1).repeat_interleave(2, -2))


def task(crop: int = 8) -> MiniatureUpscaling:
    return MiniatureUpscaling(seeded(lambda: FaceUpscaler(SIZES)), smooth_pairs(), batch=4, crop=crop)


def test_pairs_of_records(tmp_path: Path) -> None:
    told: list[int] = []
    pairs = make_pairs(
        [record(seed) for seed in range(3)],
        seeded(TinyFaceAutoencoder),
        pixels=64,
        latent_noise=0.2,
        seed=1,
        progress=told.append,
    )
    assert pairs.small.shape == (3, 3, 64, 64)
    assert pairs.large.shape == (3, 3, 128, 128)
    assert told == [3]
    original = torch.from_numpy(record(1).image).permute(2, 0, 1)
    assert torch.equal(pairs.large[1], original[:, ::2, ::2])  # squares of one colour, so averages are the pixels
    pairs.save(tmp_path / "pairs.safetensors")
    assert torch.equal(UpscalingPairs.load(tmp_path / "pairs.safetensors").small, pairs.small)


def test_a_picture_without_the_detail_is_refused() -> None:
    with pytest.raises(InputError, match="too few to show a picture of 512 px"):
        make_pairs([record()], seeded(TinyFaceAutoencoder), pixels=256, latent_noise=0.0, seed=1)


def test_crops_show_the_same_place() -> None:
    drawn = task()
    batch = drawn.collate(drawn.draw(0, torch.Generator().manual_seed(5)))
    assert batch["small"].shape == (4, 3, 8, 8)
    assert torch.equal(batch["large"][..., ::2, ::2], batch["small"])


def test_a_crop_larger_than_the_picture_is_the_picture() -> None:
    drawn = task(crop=99)
    assert drawn.collate(drawn.draw(0, torch.Generator()))["small"].shape[-1] == 16


def test_the_loss_falls_below_the_interpolations() -> None:
    trained = task()
    rng = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(trained.module.parameters(), 3e-3)
    batch = trained.collate(trained.draw(0, rng))
    losses = []
    for step in range(60):
        loss = torch.stack(list(trained.loss(batch, step).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_a_look_shows_interpolated_drawn_and_true() -> None:
    pictures = task().inspect().pictures
    assert [picture.shape for picture in pictures] == [(32, 96, 3)] * 3
    assert (pictures[0][:, :32] == pictures[0][:, 32:64]).all()  # a fresh network interpolates
    assert (pictures[0][:, 64:] != pictures[0][:, :32]).any()
