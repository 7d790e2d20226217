"""Shares of a batch: all processes together see what one would see alone, each row once."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limner.core.errors import ConfigError
from limner.training.batches import Share, StepBatches, batches, generator_of
from tests.training.tasks import small_module, task


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_every_row_goes_to_one_process_and_part(num_processes: int, parts: int, size: int) -> None:
    plan = {"row": torch.arange(num_processes * parts * size), "other": torch.arange(num_processes * parts * size) * 10}
    seen: list[int] = []
    for rank in range(num_processes):
        for part in range(parts):
            share = Share(rank, num_processes, parts).rows(plan, part)
            assert torch.equal(share["other"], share["row"] * 10)
            seen += share["row"].tolist()
    assert seen == plan["row"].tolist()


def test_rows_that_cannot_be_shared_evenly_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"a batch of 6 rows cannot be shared by 2 processes in 2 parts each; .* of 4"
    ):
        Share(0, 2, 2).rows({"row": torch.arange(6)}, 0)
    with pytest.raises(ConfigError, match="multiple of 2"):
        Share(0, 2).rows({"row": torch.arange(0)}, 0)


def test_two_processes_load_together_what_one_loads() -> None:
    one = task(small_module())
    alone = StepBatches(one, seed=7, share=Share())
    shared = [StepBatches(one, seed=7, share=Share(rank, 2)) for rank in (0, 1)]
    for step in (0, 5):
        together = torch.cat([batch[step]["pictures"] for batch in shared])
        assert torch.equal(alone[step]["pictures"], together)
    parts = StepBatches(one, seed=7, share=Share(1, 2, 2))
    assert torch.equal(torch.cat([parts[10]["pictures"], parts[11]["pictures"]]), shared[1][5]["pictures"])


def test_a_later_start_sees_the_later_batches_and_other_random_numbers_stay_as_they_are() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    one = task(small_module())
    kinds = {"seed": 3, "share": Share(), "steps": 6, "workers": 0, "pin": False}
    whole = [batch["pictures"] for batch in batches(one, start=0, **kinds)]
    late = [batch["pictures"] for batch in batches(one, start=4, **kinds)]
    assert len(whole) == 6
    assert all(torch.equal(a, b) for a, b in zip(whole[4:], late, strict=True))
    assert torch.equal(torch.rand(3), expected)
    assert len({float(pictures.sum()) for pictures in whole}) == 6


def test_neighbouring_seeds_share_no_step() -> None:
    first = {int(torch.randint(2**40, (), generator=generator_of(seed, step))) for seed in (0, 1) for step in range(50)}
    assert len(first) == 100
