"""Training and sampling agree on the noise; timesteps are spread evenly and stay in range."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limner.diffusion.schedule import (
    NUM_TRAIN_TIMESTEPS,
    draw_timesteps,
    sampling_schedule,
    signal_to_noise,
    training_schedule,
)


def test_training_and_sampling_share_noise_and_target() -> None:
    training, sampling = training_schedule(), sampling_schedule()
    assert torch.equal(training.alphas_cumprod, sampling.alphas_cumprod)
    for name in ("prediction_type", "num_train_timesteps", "beta_schedule"):
        assert training.config[name] == sampling.config[name]


def test_sampling_starts_at_the_last_training_step() -> None:
    sampling = sampling_schedule()
    sampling.set_timesteps(25)
    assert sampling.timesteps[0] == NUM_TRAIN_TIMESTEPS - 1
    assert (sampling.timesteps.diff() < 0).all()


def test_signal_to_noise_falls_from_picture_to_noise() -> None:
    schedule = training_schedule()
    ratios = signal_to_noise(schedule, torch.arange(NUM_TRAIN_TIMESTEPS))
    assert ratios[0] > 1e3
    assert ratios[-1] < 1e-3
    assert (ratios.diff() < 0).all()
    kept = schedule.alphas_cumprod[500]
    torch.testing.assert_close(ratios[500], kept / (1 - kept))


@given(batch=st.integers(1, 70), seed=st.integers(0, 2**31))
def test_one_timestep_from_each_stratum_in_random_order(batch: int, seed: int) -> None:
    steps = draw_timesteps(batch, torch.Generator().manual_seed(seed))
    assert steps.dtype == torch.int64
    assert steps.min() >= 0
    assert steps.max() < NUM_TRAIN_TIMESTEPS
    width = NUM_TRAIN_TIMESTEPS / batch
    ordered = steps.sort().values
    for number, step in enumerate(ordered.tolist()):
        assert number * width - 1 <= step <= (number + 1) * width
    assert torch.equal(steps, draw_timesteps(batch, torch.Generator().manual_seed(seed)))


def test_the_order_is_random() -> None:
    steps = draw_timesteps(64, torch.Generator().manual_seed(0))
    assert not torch.equal(steps, steps.sort().values)


def test_the_largest_random_number_stays_in_range(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 1 - 2**-24
    monkeypatch.setattr(torch, "rand", lambda size, generator: torch.full((size,), largest))
    assert draw_timesteps(64, torch.Generator()).max() == NUM_TRAIN_TIMESTEPS - 1


def test_a_shift_draws_more_noisy_timesteps() -> None:
    plain, shifted = (draw_timesteps(4096, torch.Generator().manual_seed(0), shift=shift) for shift in (1, 3))
    assert abs(float((plain >= 500).float().mean()) - 0.5) < 0.002
    assert abs(float((shifted >= 500).float().mean()) - 0.75) < 0.002  # u = 1/4 lands at 1/2
    assert abs(float((shifted >= 900).float().mean()) - 0.25) < 0.002  # u = 3/4 lands at 9/10
    assert shifted.max() < NUM_TRAIN_TIMESTEPS
