"""A bounded memory, and the mark that tells whether weights are still the same."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from limner.core.memory import Memory, weights_mark


@given(names=st.lists(st.binary(min_size=1, max_size=1)), capacity=st.integers(1, 4))
def test_the_latest_names_are_kept_and_no_more(names: list[bytes], capacity: int) -> None:
    memory: Memory[bytes] = Memory(capacity)
    for name in names:
        memory.keep(name, name * 2)
    latest = list(dict.fromkeys(reversed(names)))
    assert len(memory) == min(len(latest), capacity)
    assert all(memory.recall(name) == name * 2 for name in latest[:capacity])
    assert all(memory.recall(name) is None for name in latest[capacity:])


def test_what_is_recalled_stays_longer() -> None:
    memory: Memory[int] = Memory(2)
    memory.keep(b"a", 1)
    memory.keep(b"b", 2)
    memory.recall(b"a")
    memory.keep(b"c", 3)
    assert memory.recall(b"a") == 1
    assert memory.recall(b"b") is None


def test_a_closed_memory_is_empty_and_stays_so() -> None:
    memory: Memory[int] = Memory(2)
    memory.keep(b"a", 1)
    memory.close()
    assert memory.recall(b"a") is None
    memory.keep(b"a", 1)
    assert len(memory) == 0


def test_every_change_of_weights_changes_the_mark() -> None:
    network = nn.Linear(2, 2).requires_grad_(False)
    marks = [weights_mark(network)]
    assert weights_mark(network) == marks[0]
    network.weight.mul_(2)
    marks.append(weights_mark(network))
    network.load_state_dict(nn.Linear(2, 2).state_dict())
    marks.append(weights_mark(network))
    network.to(torch.bfloat16)
    marks.append(weights_mark(network))
    marks.append(weights_mark(nn.Linear(2, 2)))
    assert len(set(marks)) == len(marks)
