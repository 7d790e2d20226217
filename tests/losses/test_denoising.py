"""Denoising losses against values worked out by hand."""

import pytest
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

from limner.losses.denoising import (
    VELOCITY_WEIGHTS,
    PredictionType,
    WeightName,
    denoised_latents,
    denoising_loss,
    denoising_target,
    denoising_weight,
    min_snr_weight_velocity,
)


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


def test_targets_are_those_of_diffusers() -> None:
    rng = torch.Generator().manual_seed(0)
    latents, noise = torch.randn(3, 2, 4, 4, generator=rng), torch.randn(3, 2, 4, 4, generator=rng)
    schedule = DDPMScheduler(num_train_timesteps=1000)
    timesteps = torch.tensor([0, 400, 999])
    kept = schedule.alphas_cumprod[timesteps]
    velocity = schedule.get_velocity(latents, noise, timesteps)  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(denoising_target("v_prediction", latents, noise, kept), velocity)
    assert denoising_target("epsilon", latents, noise, kept) is noise
    assert denoising_target("sample", latents, noise, kept) is latents


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_the_right_answer_amounts_to_the_clean_latents(kind: PredictionType) -> None:
    rng = torch.Generator().manual_seed(0)
    latents, noise = torch.randn(3, 2, 4, 4, generator=rng), torch.randn(3, 2, 4, 4, generator=rng)
    schedule = DDPMScheduler(num_train_timesteps=1000)
    timesteps = torch.tensor([0, 400, 900])
    kept = schedule.alphas_cumprod[timesteps]
    noisy = schedule.add_noise(latents, noise, timesteps)  # pyright: ignore[reportArgumentType]
    told = denoised_latents(kind, denoising_target(kind, latents, noise, kept), noisy, kept)
    torch.testing.assert_close(told, latents, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["min-snr", "floored-min-snr"])
def test_a_weight_means_the_same_whatever_is_predicted(name: WeightName) -> None:
    """One wrong answer, told as velocity, as noise and as picture, costs the same."""
    rng = torch.Generator().manual_seed(0)
    kept = torch.tensor([0.05, 0.5, 0.97])
    signal, spread = (value[:, None, None, None] for value in (kept.sqrt(), (1 - kept).sqrt()))
    latents, noise = torch.randn(3, 2, 4, 4, generator=rng), torch.randn(3, 2, 4, 4, generator=rng)
    noisy = signal * latents + spread * noise
    wrong = torch.randn(3, 2, 4, 4, generator=rng)
    answers: dict[PredictionType, torch.Tensor] = {
        "v_prediction": wrong,
        "epsilon": spread * noisy + signal * wrong,
        "sample": signal * noisy - spread * wrong,
    }
    losses = [
        denoising_loss(
            answer, denoising_target(kind, latents, noise, kept), denoising_weight(name, kind, kept / (1 - kept))
        )
        for kind, answer in answers.items()
    ]
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-4, atol=0)
    torch.testing.assert_close(losses[2], losses[0], rtol=1e-4, atol=0)
    for kind in answers:
        assert denoising_weight("uniform", kind, torch.tensor([0.1, 7.0])).tolist() == [1.0, 1.0]


def test_a_region_is_all_that_counts() -> None:
    prediction, target = torch.zeros(3, 2, 2, 2), torch.zeros(3, 2, 2, 2)
    prediction[:, :, 0] = 2.0  # inside: squares 4
    prediction[:, :, 1] = 9.0
    region = torch.zeros(3, 1, 2, 2)
    region[0, :, 0] = 1
    region[1, :, 0, 0] = 0.5
    region[1, :, 1, 0] = 0.5
    assert denoising_loss(prediction, target, region=region).item() == pytest.approx((4 + (4 + 81) / 2 + 0) / 3)
    assert denoising_loss(prediction, target, region=torch.ones(3, 1, 2, 2)).item() == pytest.approx(
        denoising_loss(prediction, target).item()
    )
