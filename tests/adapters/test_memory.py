"""What was made of a face is made once, and is the same from the memory."""

import pytest
import torch
from torch import Tensor, nn

from limner.adapters.attention import GatedFaceAttention
from limner.adapters.memory import FaceMemory
from limner.adapters.projectors import Resampler
from tests.apps.tiny_models import tiny_fact
from tests.contracts.backbones import KINDS, awake, faces, run, sd15

SD15 = KINDS[0]


class Counting:
    """A function of rows that counts them."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, rows: Tensor) -> tuple[Tensor, ...]:
        self.rows += len(rows)
        return rows * 2, rows.sum(dim=1, keepdim=True)


def test_each_row_is_computed_once_whatever_stands_beside_it() -> None:
    memory, network, function = FaceMemory(), nn.Linear(1, 1), Counting()
    people = torch.arange(12.0).reshape(4, 3)
    for rows in ([0, 1], [1, 0], [2, 1, 2], [3, 0]):
        double, total = memory.rows(network, function, people[rows])
        assert torch.equal(double, people[rows] * 2)
        assert torch.equal(total, people[rows].sum(dim=1, keepdim=True))
    assert function.rows == len(memory) == 4


def test_numbers_of_another_type_or_shape_are_another_face() -> None:
    memory, network, function = FaceMemory(), nn.Linear(1, 1), Counting()
    zeros = torch.zeros(1, 2)
    for rows in (zeros, zeros.half(), torch.zeros(1, 4), torch.zeros(1, 1, 2)):
        memory.rows(network, function, rows)
    assert function.rows == 4


def test_more_people_than_fit_are_still_shown() -> None:
    memory, network, function = FaceMemory(capacity=2), nn.Linear(1, 1), Counting()
    people = torch.arange(12.0).reshape(4, 3)
    assert torch.equal(memory.rows(network, function, people)[0], people * 2)
    assert len(memory) == 2
    memory.close()
    assert torch.equal(memory.rows(network, function, people)[0], people * 2)
    assert len(memory) == 0


@pytest.fixture
def layer_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows for which keys were made, call by call."""
    calls: list[int] = []
    real = GatedFaceAttention.face_keys

    def counted(self: GatedFaceAttention, tokens: Tensor) -> object:
        calls.append(len(tokens))
        return real(self, tokens)

    monkeypatch.setattr(GatedFaceAttention, "face_keys", counted)
    return calls


@torch.no_grad()
def test_keys_are_kept_by_person_and_layer_across_scopes(layer_calls: list[int]) -> None:
    backbone, inputs = sd15(), SD15.inputs(4)
    adapter, memory = awake(backbone), FaceMemory()
    people, null = faces(2), faces(1, seed=8)
    with adapter.injected(backbone):
        with adapter.conditioned(people, null):
            wanted = run(backbone, inputs)
        layer_calls.clear()
        for _ in range(3):
            with adapter.conditioned(people.clone(), null.clone(), memory=memory, scale=1.0):
                assert torch.equal(run(backbone, inputs), wanted)
        assert layer_calls == [2] * len(adapter.sites) + [1] * len(adapter.sites)
        with adapter.conditioned(people[1:], null, memory=memory):
            run(backbone, inputs)
        assert len(layer_calls) == 2 * len(adapter.sites)


@torch.no_grad()
def test_after_a_change_of_weights_nothing_old_is_shown() -> None:
    backbone, inputs = sd15(), SD15.inputs(2)
    adapter, memory = awake(backbone), FaceMemory()

    def shown(kept: FaceMemory | None) -> Tensor:
        with adapter.injected(backbone), adapter.conditioned(faces(2), memory=kept):
            return run(backbone, inputs)

    before = shown(memory)
    adapter.load_state_dict(awake(sd15(), seed=11).state_dict())
    assert torch.equal(shown(memory), shown(None))
    assert not torch.allclose(before, shown(memory))


def test_a_memory_takes_no_part_in_training() -> None:
    backbone, inputs = sd15().requires_grad_(False), SD15.inputs(2)
    adapter, memory = awake(backbone).train(), FaceMemory()
    tokens = faces(2).requires_grad_()
    with adapter.injected(backbone), adapter.conditioned(tokens, memory=memory):
        run(backbone, inputs).square().mean().backward()
    assert tokens.grad is not None
    assert len(memory) == 0


@torch.no_grad()
def test_a_system_projects_a_person_and_the_null_face_once(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, memory, calls = sd15(), FaceMemory(), []
    fact = tiny_fact(backbone)
    real = Resampler.forward
    monkeypatch.setattr(Resampler, "forward", lambda self, x: (calls.append(1), real(self, x))[1])
    features = torch.randn(1, 1, fact.config.num_patches, 16, generator=torch.Generator().manual_seed(1))
    outputs = []
    for kept in (None, memory, memory):
        calls.clear()
        with fact.adapter.injected(backbone), fact.conditioned(features, memory=kept):
            outputs.append(run(backbone, SD15.inputs(2)))
    assert calls == []
    assert all(torch.equal(output, outputs[0]) for output in outputs)
    assert len(memory) == 4
    with fact.conditioned(features, face_guidance="shared", memory=memory):
        assert len(memory) == 4
