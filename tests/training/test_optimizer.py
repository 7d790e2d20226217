"""Schedule, moving average and parameter groups, against values worked out by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from limner.core.errors import ConfigError
from limner.training.optimizer import MovingAverage, learning_rate_factor, parameter_groups, set_learning_rate
from limner.training.settings import LoopSettings


def test_the_schedule_rises_holds_and_falls() -> None:
    shape = [learning_rate_factor(step, warmup_steps=4, decay_steps=5, total_steps=20) for step in range(21)]
    assert shape[:4] == [0.25, 0.5, 0.75, 1.0]
    assert shape[4:16] == [1.0] * 12
    assert shape[16:] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0])


def test_a_schedule_without_warm_up_or_fall_is_flat() -> None:
    assert {learning_rate_factor(step, warmup_steps=0, decay_steps=0, total_steps=9) for step in range(9)} == {1.0}


@given(st.integers(0, 500), st.integers(0, 200), st.integers(0, 200), st.integers(1, 400))
def test_the_factor_stays_in_bounds(step: int, warmup: int, decay: int, total: int) -> None:
    factor = learning_rate_factor(step, warmup_steps=warmup, decay_steps=decay, total_steps=total)
    assert 0.0 <= factor <= 1.0


def test_a_longer_run_begins_like_the_shorter_one() -> None:
    short, long = (
        [learning_rate_factor(s, warmup_steps=3, decay_steps=10, total_steps=total) for s in range(20)]
        for total in (30, 300)
    )
    assert short == long


def test_the_moving_average_by_hand() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 1.0)
    average = MovingAverage(module, decay=0.25)
    nn.init.constant_(module.weight, 3.0)
    average.update(module)  # decay (1 + 1) / (10 + 1) = 2 / 11: 1 * 2 / 11 + 3 * 9 / 11
    assert average.average["weight"].item() == pytest.approx(29 / 11)
    average.update(module)  # (1 + 2) / (10 + 2) = 0.25
    assert average.average["weight"].item() == pytest.approx(29 / 44 + 3 * 0.75)
    average.update(module)  # 4 / 13 would be more: 0.25 stays
    assert average.average["weight"].item() == pytest.approx((29 / 44 + 2.25) / 4 + 2.25)
    average.copy_to(module)
    assert module.weight.item() == average.average["weight"].item()


def test_the_average_keeps_only_what_is_trained_and_comes_back_from_its_state() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[0].requires_grad_(False)
    average = MovingAverage(module, decay=0.9)
    assert set(average.average) == {"1.weight", "1.bias"}
    average.update(module)
    other = MovingAverage(nn.Sequential(module[0], nn.Linear(2, 2)), decay=0.9)
    other.load_state_dict(average.state_dict())
    assert other.steps == 1
    assert all(torch.equal(other.average[name], value) for name, value in average.average.items())


def test_matrices_decay_biases_norms_and_frozen_ones_do_not() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.Linear(3, 3))
    module[2].weight.requires_grad_(False)
    decayed, spared = parameter_groups(module, LoopSettings(steps=1, learning_rate=1, weight_decay=0.1))
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert decayed["params"] == [module[0].weight]
    assert spared["params"] == [module[0].bias, module[1].weight, module[1].bias, module[2].bias]


def test_a_factor_finds_its_parameters_by_name_and_scales_their_learning_rate() -> None:
    module = nn.ModuleDict({"gate": nn.Linear(2, 1), "rest": nn.Linear(2, 1)})
    settings = LoopSettings(
        steps=10, learning_rate=0.5, warmup_steps=0, decay_steps=0, learning_rate_factors={"gate.": 4}
    )
    optimizer = torch.optim.AdamW(parameter_groups(module, settings))
    set_learning_rate(optimizer, settings, 0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in module["gate"].parameters()} == {2.0}
    assert {rates[id(p)] for p in module["rest"].parameters()} == {0.5}
    assert len(rates) == 4


def test_a_factor_for_nobody_is_refused() -> None:
    settings = LoopSettings(steps=1, learning_rate=1, learning_rate_factors={"alfa": 2})
    with pytest.raises(ConfigError, match="'alfa'"):
        parameter_groups(nn.Linear(1, 1), settings)
