"""Which records of the shards a run learns from."""

from collections.abc import Iterator, Sequence

import torch

from limner.core.errors import InputError
from limner.data.record import FaceRecord
from limner.data.shard_index import ShardIndex


def chosen_records(index: ShardIndex, sources: Sequence[str], count: int, *, seed: int) -> list[int]:
    """Numbers of training records of these sources, at most ``count``, picked at random and in order.

    Raises:
        InputError: there is none.
    """
    numbers = [n for n, entry in enumerate(index.entries) if entry.split == "train" and entry.source in sources]
    if not numbers:
        raise InputError(
            f"{index.folder} has no training records of {', '.join(sources)}; name sources that are there "
            "(--set sources=...)"
        )
    order = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))
    return sorted(numbers[i] for i in order[:count].tolist())


def read_records(index: ShardIndex, numbers: Sequence[int]) -> Iterator[FaceRecord]:
    """One after the other, from disk."""
    for number in numbers:
        yield index[number]
