"""A small thing to train: a network that shall exchange the two channels of random pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from limner.systems.contract import Batch, LossTerms, Plan

Loss = Callable[[Batch, int], LossTerms]


class Stopped(Exception):
    """The process was killed."""


@dataclass(frozen=True)
class Task:
    """A trainable from a module and a function; every row is one random picture."""

    module: nn.Module
    compute: Loss
    rows: int = 4
    frozen: Sequence[nn.Module] = ()
    drawn: list[int] = field(default_factory=list)

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        for network in self.frozen:
            network.to(device, dtype)

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        self.drawn.append(int(torch.randint(2**40, (), generator=rng)))
        return {"seed": torch.randint(2**40, (self.rows,), generator=rng)}

    def collate(self, plan: Plan) -> Batch:
        generators = [torch.Generator().manual_seed(seed) for seed in plan["seed"].tolist()]
        return {"pictures": torch.stack([torch.randn(2, 4, 4, generator=generator) for generator in generators])}

    def loss(self, batch: Batch, step: int) -> LossTerms:
        return self.compute(batch, step)


def small_module(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.SiLU(), nn.Conv2d(4, 2, 1))


def exchange(module: nn.Module, *, stop_at: int | None = None) -> Loss:
    """Two terms that are means over rows."""

    def loss(batch: Batch, step: int) -> dict[str, Tensor]:
        if step == stop_at:
            raise Stopped
        difference = module(batch["pictures"]) - batch["pictures"].flip(1)
        return {"first": difference.square().mean(), "second": difference.abs().mean()}

    return loss


def task(module: nn.Module, *, stop_at: int | None = None) -> Task:
    return Task(module, exchange(module, stop_at=stop_at))
