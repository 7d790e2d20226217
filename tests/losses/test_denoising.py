"""Denoising losses against values worked out by hand."""

import pytest
import torch

from limner.losses.denoising import VELOCITY_WEIGHTS, denoising_loss, min_snr_weight_velocity


def test_the_mean_of_squares_by_hand() -> None:
    prediction = torch.tensor([[[[1.0, 2.0]]], [[[0.0, 0.0]]]])
    target = torch.tensor([[[[0.0, 0.0]]], [[[3.0, 1.0]]]])
    assert denoising_loss(prediction, target).item() == pytest.approx((2.5 + 5.0) / 2)
    assert denoising_loss(prediction, target, torch.tensor([2.0, 0.5])).item() == pytest.approx((5.0 + 2.5) / 2)


def test_half_precision_is_widened_before_squaring() -> None:
    far = torch.full((1, 1, 1, 1), 300.0, dtype=torch.float16)  # its square is beyond float16
    assert denoising_loss(far, -far).item() == 360_000.0


def test_min_snr_weight_by_hand() -> None:
    # In noise (snr 0) velocity is free of weight, at snr = gamma the cap sets in.
    weight = min_snr_weight_velocity(torch.tensor([0.0, 1.0, 5.0, 19.0]))
    torch.testing.assert_close(weight, torch.tensor([0.0, 0.5, 5 / 6, 0.25]))
    torch.testing.assert_close(min_snr_weight_velocity(torch.tensor([3.0]), gamma=2.0), torch.tensor([0.5]))


def test_weights_by_name() -> None:
    ratios = torch.tensor([0.0, 1.0, 5.0, 19.0])
    weights = {name: weight(ratios).tolist() for name, weight in VELOCITY_WEIGHTS.items()}
    assert weights["uniform"] == [1.0, 1.0, 1.0, 1.0]
    assert weights["min-snr"] == pytest.approx([0.0, 0.5, 5 / 6, 0.25])
    assert weights["floored-min-snr"] == pytest.approx([1.0, 1.0, 1.0, 0.3])
