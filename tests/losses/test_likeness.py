"""The likeness loss by hand."""

import pytest
import torch

from limner.losses.likeness import likeness_loss


def test_the_mean_by_hand() -> None:
    seen = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    aims = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, -1.0]])
    assert likeness_loss(seen, aims).item() == pytest.approx((0 + 1 + 1.8) / 3)


def test_no_rows_cost_nothing() -> None:
    assert likeness_loss(torch.empty(0, 4), torch.empty(0, 4)).item() == 0.0
