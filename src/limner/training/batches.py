"""Batches by the number of their step: every process draws the whole step's plan and loads its own rows of it.

So N processes see together exactly what one would see alone, and a resumed run sees what the unbroken one would have
seen: the random numbers of a step depend on the seed and the step's number, and on nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from limner.core.errors import ConfigError
from limner.systems.contract import Batch, Plan, Trainable


def generator_of(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step."""
    return torch.Generator().manual_seed(seed * 10_000_019 + step)


@dataclass(frozen=True)
class Share:
    """Which rows of every step one process takes, and in how many parts.

    Attributes:
        rank: number of the process, from 0.
        num_processes: how many there are.
        parts: how many times in a step a process computes.
    """

    rank: int = 0
    num_processes: int = 1
    parts: int = 1

    def rows(self, plan: Plan, part: int) -> Plan:
        """The rows of one part of this process.

        Raises:
            ConfigError: the batch cannot be shared out evenly, which would weigh some rows more than others.
        """
        num_rows = min(len(values) for values in plan.values())
        shares = self.num_processes * self.parts
        size, rest = divmod(num_rows, shares)
        if rest or not size:
            raise ConfigError(
                f"a batch of {num_rows} rows cannot be shared by {self.num_processes} processes in {self.parts} parts "
                f"each; set batch to a multiple of {shares}"
            )
        start = (self.rank * self.parts + part) * size
        return {name: values[start : start + size] for name, values in plan.items()}


class StepBatches(Dataset[Batch]):
    """Item ``step * parts + part`` is what this process computes in that part of that step."""

    def __init__(self, trainable: Trainable, *, seed: int, share: Share) -> None:
        self.trainable, self.seed, self.share = trainable, seed, share

    def __getitem__(self, index: int) -> Batch:
        step, part = divmod(index, self.share.parts)
        plan = self.trainable.draw(step, generator_of(self.seed, step))
        return self.trainable.collate(self.share.rows(plan, part))


def batches(
    trainable: Trainable, *, seed: int, share: Share, start: int, steps: int, workers: int, pin: bool
) -> Iterator[Batch]:
    """What a process computes from step ``start`` to the last, part by part.

    Args:
        workers: processes that load ahead; 0 to load when asked.
        pin: put batches into memory from which a GPU can fetch them.
    """
    loader = DataLoader(
        StepBatches(trainable, seed=seed, share=share),
        sampler=range(start * share.parts, steps * share.parts),
        batch_size=None,
        num_workers=workers,
        pin_memory=pin,
        generator=torch.Generator(),  # or else it would draw from the process's own random numbers
    )
    return iter(loader)
