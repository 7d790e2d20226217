"""From much noise to little: a model that knows the picture arrives at it, whatever it answers."""

import pytest
import torch
from torch import Tensor

from limner.diffusion.schedule import training_schedule
from limner.losses.denoising import PredictionType, denoising_target
from limner.systems.descent import answer_between, descend, descent_timesteps
from tests.systems.tiny import random

SCHEDULE = training_schedule()
PICTURE, NOISE = random(2, 3, 4, 4, seed=1), random(2, 3, 4, 4, seed=2)


def test_timesteps_by_hand() -> None:
    found = descent_timesteps(torch.tensor([900, 800]), torch.tensor([300, 700]), 3)
    assert found.tolist() == [[900, 800], [700, 767], [500, 733], [300, 700]]
    assert descent_timesteps(torch.tensor([900]), torch.tensor([300]), 1).tolist() == [[900], [300]]


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_a_model_that_is_right_arrives_at_the_picture_under_its_own_noise(kind: PredictionType) -> None:
    asked: list[list[int]] = []

    def predict(noisy: Tensor, now: Tensor) -> Tensor:
        asked.append(now.tolist())
        return denoising_target(kind, PICTURE, NOISE, SCHEDULE.alphas_cumprod[now])

    timesteps = descent_timesteps(torch.tensor([900, 800]), torch.tensor([300, 200]), 3)
    start: Tensor = SCHEDULE.add_noise(PICTURE, NOISE, timesteps[0])  # pyright: ignore[reportArgumentType,reportAssignmentType]
    found = descend(predict, start, timesteps, SCHEDULE.alphas_cumprod, kind)
    expected = SCHEDULE.add_noise(PICTURE, NOISE, timesteps[-1])  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert asked == timesteps[:-1].tolist()


@pytest.mark.parametrize("end", [300, 999])
@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_the_answer_between_two_pictures_leads_from_one_to_the_other(kind: PredictionType, end: int) -> None:
    alphas = torch.cat([SCHEDULE.alphas_cumprod[:999], torch.ones(1)])  # the last of them is the picture itself
    begin = torch.tensor([900, 800])
    timesteps = torch.stack([begin, torch.full((2,), end)])
    given = random(2, 3, 4, 4, seed=3)
    arrived = descend(lambda noisy, now: given, NOISE, timesteps, alphas, kind)
    found = answer_between(NOISE, arrived, alphas[begin], alphas[timesteps[1]], kind)
    torch.testing.assert_close(found, given, atol=1e-3, rtol=1e-3)
