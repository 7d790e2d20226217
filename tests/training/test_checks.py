"""What a run refuses, each by its own message."""

import pytest
import torch
from torch import nn

from limner.core.errors import ConfigError
from limner.training.checks import require_disjoint_gradients, require_finite, require_known_terms
from limner.training.settings import LoopSettings


def test_weights_and_ramps_of_unknown_terms() -> None:
    settings = LoopSettings(steps=1, learning_rate=1, weights={"denoising": 1.0}, weight_ramps={"incremnt": 0.1})
    with pytest.raises(ConfigError, match="weights of incremnt, but the loss has denoising, increment"):
        require_known_terms(settings, ["denoising", "increment"])


def test_numbers_that_are_none() -> None:
    require_finite({"loss": 1.0}, 3)
    with pytest.raises(ConfigError, match=r"diverged at step 3 \(loss nan"):
        require_finite({"loss": float("nan")}, 3)


def test_gradients_where_they_belong() -> None:
    trained, frozen = nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False)
    frozen(trained(torch.ones(1, 2))).sum().backward()
    require_disjoint_gradients(trained, [frozen])
    with pytest.raises(ConfigError, match="Linear is frozen, but its weight is trained"):
        require_disjoint_gradients(trained, [frozen, trained])
    frozen.weight.grad = torch.zeros(2, 2)
    with pytest.raises(ConfigError, match="Linear is frozen, but its weight asks for a gradient"):
        require_disjoint_gradients(trained, [frozen])


def test_a_frozen_part_of_what_is_trained() -> None:
    first, second = nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 2)
    trained = nn.Sequential(first, second)
    trained(torch.ones(1, 2)).sum().backward()
    require_disjoint_gradients(trained, [])
    first.weight.grad = torch.zeros(2, 2)
    with pytest.raises(ConfigError, match=r"0\.weight is frozen, but got a gradient"):
        require_disjoint_gradients(trained, [])
    second.bias.grad = None
    first.weight.grad = None
    with pytest.raises(ConfigError, match=r"does not reach 1\.bias"):
        require_disjoint_gradients(trained, [])
