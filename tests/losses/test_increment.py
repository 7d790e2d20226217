"""FAIR: the published formula's numbers, its masks, and that it cannot be cheated."""

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from limner.losses.increment import FairReading, increment_loss, increment_ratio, read_increment
from tests.golden import load_golden


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def left_half(samples: int, side: int) -> Tensor:
    mask = torch.zeros(samples, 1, side, side)
    mask[..., : side // 2] = 1
    return mask


@pytest.mark.shared
def test_both_readings_equal_the_published_formula(shared: Path) -> None:
    tensors, _ = load_golden(shared, "attn_small")
    golden = json.loads((shared / "golden" / "fact" / "fair_derived.json").read_text())
    mask = torch.tensor(golden["mask_visual_tokens"]).float().view(2, 1, 4, 4)
    attention, feed_forward = tensors["gsa_attn_increment.scale1"], tensors["gsa_ff_increment.scale1"]
    hidden = tensors["hidden_states"]
    expected: dict[FairReading, str] = {"whole": "attn_plus_ff_per_sample", "attention": "attn_only_per_sample"}
    for reading, name in expected.items():
        ratio = increment_ratio(read_increment(attention, feed_forward, reading), hidden, mask)
        torch.testing.assert_close(ratio, torch.tensor(golden[name]), atol=1e-5, rtol=0)


def test_by_hand() -> None:
    mask = left_half(1, 2)
    increment, hidden = torch.zeros(1, 4, 1), torch.zeros(1, 4, 1)
    increment[0, :, 0] = torch.tensor([9.0, 3.0, 9.0, 4.0])  # columns 1 and 3 are the background: norm 5
    hidden[0, :, 0] = torch.tensor([7.0, 6.0, 7.0, 8.0])  # norm 10
    assert increment_ratio(increment, hidden, mask).item() == pytest.approx(0.5, abs=1e-6)


def test_layers_and_samples_are_averaged() -> None:
    hidden = torch.ones(2, 16, 3)
    layers = [(torch.full((2, 16, 3), 0.5), hidden), (torch.full((2, 16, 3), 0.1), hidden)]
    assert increment_loss(layers, torch.zeros(2, 1, 8, 8)).item() == pytest.approx(0.3, abs=1e-5)


@pytest.mark.parametrize("side", [2, 4, 8])
def test_masks_follow_each_layers_side_and_stay_soft(side: int) -> None:
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :5] = 1  # the fifth column makes the boundary soft on coarser layers
    outside = torch.cat([1 - part.mean(dim=-1, keepdim=True) for part in mask[0, 0, 0].split(8 // side)])
    increment = random(1, side * side, 2)
    grid = increment.view(side, side, 2) * outside[None, :, None]
    expected = grid.norm() / (outside.square().sum() * side * 2).sqrt()
    ratio = increment_ratio(increment, torch.ones_like(increment), mask)
    torch.testing.assert_close(ratio[0], expected, atol=1e-5, rtol=1e-5)


def test_the_reading_is_one_option() -> None:
    attention, feed_forward = random(1, 4, 2), random(1, 4, 2, seed=1)
    assert torch.equal(read_increment(attention, feed_forward, "whole"), attention + feed_forward)
    assert torch.equal(read_increment(attention, feed_forward, "attention"), attention)


def test_parts_of_a_batch_give_the_loss_of_the_whole() -> None:
    increment, hidden = random(4, 16, 3), random(4, 16, 3, seed=1)
    mask = torch.cat([torch.ones(1, 1, 4, 4), left_half(3, 4)])
    parts = [
        increment_loss([(increment[rows], hidden[rows]), (2 * increment[rows], hidden[rows])], mask[rows])
        for rows in (slice(0, 2), slice(2, 4))
    ]
    whole = increment_loss([(increment, hidden), (2 * increment, hidden)], mask)
    torch.testing.assert_close(torch.stack(parts).mean(), whole)


def test_a_layer_without_background_is_left_out_of_the_samples_mean() -> None:
    mask = torch.ones(1, 1, 8, 8)
    mask[..., :4, :4] = 0  # a quarter of background
    fine, coarse = torch.full((1, 64, 1), 0.5), torch.full((1, 1, 1), 0.1)
    both = increment_loss([(fine, torch.ones_like(fine)), (coarse, torch.ones_like(coarse))], mask)
    assert both.item() == pytest.approx(0.3, abs=1e-5)
    full = increment_loss([(fine, torch.ones_like(fine)), (coarse, torch.ones_like(coarse))], torch.ones(1, 1, 8, 8))
    assert full.item() == 0.0


def test_a_sample_without_background_counts_nothing() -> None:
    increment, hidden = random(2, 16, 3), random(2, 16, 3, seed=1)
    mask = torch.cat([torch.ones(1, 1, 4, 4), left_half(1, 4)])
    alone = increment_loss([(increment[1:], hidden[1:])], mask[1:])
    torch.testing.assert_close(increment_loss([(increment, hidden)], mask), alone / 2)
    assert increment_ratio(increment, hidden, mask).isnan().tolist() == [True, False]
    assert increment_loss([(increment, hidden)], torch.ones(2, 1, 4, 4)).item() == 0.0


def test_the_gradient_is_finite_with_and_without_background_and_before_the_gates_open() -> None:
    mask = torch.cat([torch.ones(1, 1, 4, 4), left_half(1, 4)])
    for start in (random(2, 16, 3), torch.zeros(2, 16, 3)):
        increment = start.clone().requires_grad_()
        increment_loss([(increment, random(2, 16, 3, seed=1))], mask).backward()
        assert increment.grad is not None
        assert increment.grad.isfinite().all()
        assert increment.grad[0].count_nonzero() == 0


def test_inflating_what_is_added_to_does_not_pay() -> None:
    hidden = random(1, 16, 3).requires_grad_()
    increment = 0.1 * hidden  # so that a gradient can flow through the increment, never through the denominator
    increment_loss([(increment, hidden)], left_half(1, 4)).backward()
    assert hidden.grad is not None
    assert (hidden.grad * hidden.detach()).sum() > 0  # growing hidden raises the loss; the ratio alone would not move
    fresh = random(1, 16, 3).requires_grad_()
    increment_loss([(increment.detach().requires_grad_(), fresh)], left_half(1, 4)).backward()
    assert fresh.grad is None


@settings(max_examples=40, deadline=None)
@given(
    side=st.sampled_from([2, 3, 4, 8]),
    factor=st.integers(1, 4),
    seed=st.integers(0, 2**20),
    size=st.floats(1e-3, 1e3),
)
def test_what_stays_inside_the_face_costs_nothing(side: int, factor: int, seed: int, size: float) -> None:
    mask = torch.rand(2, 1, side * factor, side * factor, generator=torch.Generator().manual_seed(seed)).round()
    mask[:, :, 0, 0] = 0  # some background
    whole_face = torch.nn.functional.avg_pool2d(mask, factor).flatten(2).mT == 1
    increment = random(2, side * side, 3, seed=seed) * whole_face * size
    hidden = random(2, side * side, 3, seed=seed + 1)
    assert increment_loss([(increment, hidden)], mask).item() == 0.0
    outside = random(2, side * side, 3, seed=seed) * ~whole_face * size
    assert increment_loss([(outside, hidden)], mask).item() > 0.0
    assert math.isfinite(increment_loss([(outside, torch.zeros_like(hidden))], mask).item())
