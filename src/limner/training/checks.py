"""What a run refuses: unknown terms, numbers that are no numbers, gradients where none belong."""

import math
from collections.abc import Iterable, Mapping

from torch import nn

from limner.core.errors import ConfigError
from limner.training.settings import LoopSettings


def require_known_terms(settings: LoopSettings, terms: Iterable[str]) -> None:
    """Refuse weights for terms that do not exist.

    Raises:
        ConfigError: the recipe weighs an unknown term.
    """
    known = list(terms)
    unknown = sorted((settings.weights.keys() | settings.weight_ramps.keys()) - set(known))
    if unknown:
        raise ConfigError(f"weights of {', '.join(unknown)}, but the loss has {', '.join(known)}; correct the recipe")


def require_finite(numbers: Mapping[str, float], step: int) -> None:
    """Better to stop than to write weights that are not numbers over the last good state.

    Raises:
        ConfigError: a number is infinite or none.
    """
    if not all(math.isfinite(number) for number in numbers.values()):
        told = ", ".join(f"{name} {number:g}" for name, number in numbers.items())
        raise ConfigError(f"training diverged at step {step} ({told}); lower learning_rate and run again")


def require_disjoint_gradients(trained: nn.Module, frozen: Iterable[nn.Module]) -> None:
    """After a backward pass: what is trained has a gradient, what is frozen has none.

    Raises:
        ConfigError: a frozen network is about to learn, or a trained parameter is not reached by the loss.
    """
    own = {id(p) for p in trained.parameters()}
    for network in frozen:
        for name, parameter in network.named_parameters():
            if id(parameter) in own:
                raise ConfigError(f"{type(network).__name__} is frozen, but its {name} is trained; share no parameter")
            if parameter.requires_grad or parameter.grad is not None:
                raise ConfigError(
                    f"{type(network).__name__} is frozen, but its {name} asks for a gradient; "
                    "call requires_grad_(False)"
                )
    for name, parameter in trained.named_parameters():
        if parameter.requires_grad and parameter.grad is None:
            raise ConfigError(f"the loss does not reach {name}, which is trained; leave it out or freeze it")
        if not parameter.requires_grad and parameter.grad is not None:
            raise ConfigError(f"{name} is frozen, but got a gradient; run it without gradients")
