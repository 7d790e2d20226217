"""Learning-rate schedule, moving average of trained weights, parameter groups."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from limner.core.errors import ConfigError
from limner.training.settings import LoopSettings


def learning_rate_factor(step: int, *, warmup_steps: int, decay_steps: int, total_steps: int) -> float:
    """Linear warm-up, constant, and a linear fall to 0 over the last ``decay_steps``; in [0, 1].

    The constant middle lets a run be lengthened after the fact; only the fall depends on the total.
    """
    rise = min((step + 1) / max(warmup_steps, 1), 1.0)
    fall = min((total_steps - step) / max(decay_steps, 1), 1.0)
    return max(min(rise, fall), 0.0)


def set_learning_rate(optimizer: Optimizer, settings: LoopSettings, step: int) -> None:
    """Give the optimizer the learning rate of a step."""
    factor = learning_rate_factor(
        step,
        warmup_steps=settings.warmup_steps,
        decay_steps=settings.decay_steps,
        total_steps=settings.steps,
    )
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * factor * group["factor"]


def parameter_groups(module: nn.Module, settings: LoopSettings) -> list[dict[str, Any]]:
    """Decay matrices and filters, not biases, norms and gates; frozen parameters are left out.

    Parameters that ``settings.learning_rate_factors`` names come in groups of their own.

    Raises:
        ConfigError: a factor is given for a name that no trained parameter holds.
    """
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        decay = settings.weight_decay if parameter.ndim >= 2 else 0.0
        factors = [factor for part, factor in settings.learning_rate_factors.items() if part in name]
        groups.setdefault((decay, math.prod(factors)), []).append(parameter)
    for part in settings.learning_rate_factors:
        if not any(part in name for name, _ in named):
            raise ConfigError(f"a learning rate factor is given for {part!r}, which no trained parameter's name holds")
    return [
        {"params": parameters, "weight_decay": decay, "factor": factor}
        for (decay, factor), parameters in sorted(groups.items(), key=lambda item: item[0], reverse=True)
    ]


class MovingAverage:
    """Exponential moving average of the trained parameters; the decay rises from 0 so that early weights fade."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.average = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, parameter in module.named_parameters():
            if name in self.average:
                self.average[name].lerp_(parameter, 1 - decay)

    def state_dict(self) -> dict[str, Tensor | int]:
        return {**self.average, "__steps__": self.steps}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        self.steps = int(state["__steps__"])
        for name, value in self.average.items():
            stored = state[name]
            assert isinstance(stored, Tensor)
            value.copy_(stored)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Put the averaged weights into ``module``."""
        for name, parameter in module.named_parameters():
            if name in self.average:
                parameter.copy_(self.average[name])

    @contextmanager
    def applied_to(self, module: nn.Module) -> Iterator[None]:
        """Put the averaged weights into ``module`` for the length of a block; then the very same weights go back."""
        kept = {name: p.detach().clone() for name, p in module.named_parameters() if name in self.average}
        self.copy_to(module)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in module.named_parameters():
                    if name in kept:
                        parameter.copy_(kept[name])
