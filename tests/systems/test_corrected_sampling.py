"""Steps from corrected predictions: nothing changes without a correction, and where and how often one is asked for."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from torch import Tensor

from limner.core.errors import ConfigError
from limner.systems.corrected_sampling import APART, BEGINS, ENDS, correct_steps

SAMPLERS = [
    lambda kind: DDIMScheduler(prediction_type=kind, clip_sample=False),
    lambda kind: DPMSolverMultistepScheduler(prediction_type=kind),
    lambda kind: UniPCMultistepScheduler(prediction_type=kind),
]


def drawn(scheduler: Any, steps: int = 25) -> Tensor:
    """What comes out for a model that answers with a smooth function of what it is given."""
    scheduler.set_timesteps(steps)
    noisy = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1)).double()
    for timestep in scheduler.timesteps:
        noisy = scheduler.step(torch.tanh(noisy) * 0.3, timestep, noisy, return_dict=False)[0]
    return noisy


@pytest.mark.parametrize("make", SAMPLERS)
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_what_is_not_changed_stays(make: Callable[[str], Any], kind: str) -> None:
    asked = make(kind)
    correct_steps(asked, lambda clean: clean, window=(0.0, 1.0))
    assert torch.allclose(drawn(asked), drawn(make(kind)), atol=1e-6)


@pytest.mark.parametrize("make", SAMPLERS)
def test_the_picture_follows_the_correction(make: Callable[[str], Any]) -> None:
    wanted = torch.ones(2, 3, 4, 4).double()
    asked = make("v_prediction")
    correct_steps(asked, lambda clean: clean + 0.9 * (wanted - clean), window=(0.0, 1.0))
    far = (drawn(make("v_prediction")) - wanted).abs().mean()
    assert (drawn(asked) - wanted).abs().mean() < 0.7 * far


@pytest.mark.parametrize(("steps", "window"), [(25, (0.0, 1.0)), (12, (0.0, 1.0)), (50, (0.5, 0.8)), (25, (0.95, 1.0))])
def test_it_is_asked_within_the_window_and_not_too_often(steps: int, window: tuple[float, float]) -> None:
    scheduler: Any = SAMPLERS[0]("epsilon")
    at: list[float] = []
    plain = scheduler.step

    def noted(model_output: Tensor, timestep: Any, *rest: Any, **options: Any) -> Any:
        at.append(float(timestep) / 1000)
        return plain(model_output, timestep, *rest, **options)

    scheduler.step = noted
    asked: list[int] = []

    def correct(clean: Tensor) -> Tensor:
        asked.append(len(at))  # steps done before the one that is being corrected
        return clean

    correct_steps(scheduler, correct, window=window)
    drawn(scheduler, steps)
    shares = [at[number] for number in asked]
    low, high = max(ENDS, 1 - window[1]), min(BEGINS, 1 - window[0])
    assert all(low <= share <= high for share in shares)
    assert all(before - after >= APART for before, after in pairwise(shares))
    within = [share for share in at if low <= share <= high]
    assert bool(shares) == bool(within)
    if shares:
        assert shares[0] == within[0]
        # Nowhere is a place left out that was far enough from the last.
        assert len(shares) >= (within[0] - within[-1]) / (APART + 1 / steps)


def test_the_steps_of_other_samplers_are_not_touched() -> None:
    with pytest.raises(ConfigError, match=r"EulerDiscreteScheduler.*dpm, ddim or unipc"):
        correct_steps(EulerDiscreteScheduler(), lambda clean: clean, window=(0.0, 1.0))
