"""The face-detail loss by hand."""

import pytest
import torch

from limner.losses.face_detail import face_detail_loss


def test_the_mean_by_hand() -> None:
    # Row 0: one place of two differs by a right angle, so 2 there; row 1: equal but for length, which does not count.
    seen = torch.tensor([[[[1.0, 1.0]], [[0.0, 0.0]]], [[[3.0, 0.0]], [[4.0, 5.0]]]])
    aims = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]], [[[0.6, 0.0]], [[0.8, 1.0]]]])
    opposite = torch.tensor([[[[1.0]]], [[[1.0]]]])
    weight = torch.tensor([1.0, 0.5])
    assert face_detail_loss([seen], [aims], weight).item() == pytest.approx((1 * 1 + 0 * 0.5) / 2)
    both = face_detail_loss([seen, opposite], [aims, -opposite], weight).item()
    assert both == pytest.approx(((1 + 4) * 1 + 4 * 0.5) / 2 / 2)


def test_no_rows_cost_nothing() -> None:
    none = [torch.empty(0, 4, 2, 2)]
    assert face_detail_loss(none, none, torch.empty(0)).item() == 0.0
