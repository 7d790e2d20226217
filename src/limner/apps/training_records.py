"""Which records of the shards a run learns from."""

from collections.abc import Iterator, Sequence
from pathlib import Path

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


def require_same_records(shards: Path, found: int, learnt_from: int) -> None:
    """Refuse shards that a run's latents were not made of, as far as the number of training pictures tells.

    Raises:
        InputError: they have another number.
    """
    if found != learnt_from:
        raise InputError(
            f"{shards} holds {found} training pictures, but the latents of this run were made of {learnt_from}; name "
            "the shards that the base was trained on (--shards)"
        )
