"""Light degradation changes a picture a little, and follows from its generator."""

import numpy as np
import torch

from limner.data.degradation import compressed, lightly_degraded
from tests.data.examples import picture


def seeded(seed: int) -> np.ndarray:
    return lightly_degraded(picture(0, 64), torch.Generator().manual_seed(seed))


def test_the_same_seed_gives_the_same_picture() -> None:
    assert (seeded(3) == seeded(3)).all()
    assert (seeded(3) != seeded(4)).any()


def test_it_stays_a_picture_and_close() -> None:
    for seed in range(8):
        changed = seeded(seed)
        assert (changed.shape, changed.dtype) == ((64, 64, 3), np.uint8)
        assert 0 < np.abs(changed.astype(int) - picture(0, 64)).mean() < 12


def test_a_lower_quality_costs_more_and_colours_keep_their_places() -> None:
    original = picture(0, 64)
    low, high = (np.abs(compressed(original, quality).astype(int) - original).mean() for quality in (10, 95))
    assert low > 2 * high
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    assert compressed(red, 95)[..., 0].mean() > 190
