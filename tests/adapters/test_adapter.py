"""Life cycle, scopes, recorded increments, checkpointing and compilation of the face adapter."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from limner.adapters.adapter import GatedFaceAdapter
from limner.core.errors import AdapterError, AlreadyInjectedError, NotInjectedError, TargetNotFoundError
from tests.contracts.backbones import KINDS, Kind, awake, faces, run, sd2, sd15, sdxl

SD15 = KINDS[0]


def test_injecting_twice_is_told() -> None:
    backbone = sd15()
    adapter = awake(backbone)
    adapter.inject(backbone)
    with pytest.raises(AlreadyInjectedError, match="eject it first"):
        adapter.inject(sd15())
    adapter.eject()
    with pytest.raises(NotInjectedError, match="inject it first"):
        adapter.eject()


def test_ejecting_inside_injected_is_allowed() -> None:
    backbone = sd15()
    adapter = awake(backbone)
    with adapter.injected(backbone):
        adapter.eject()
    assert not adapter.is_injected


@pytest.mark.parametrize("made_for", [sdxl, sd2])
def test_another_backbone_is_refused_untouched(made_for: Callable[[], UNet2DConditionModel]) -> None:
    backbone = sd15()
    with pytest.raises(TargetNotFoundError, match="made for this backbone"):
        awake(made_for()).inject(backbone)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in backbone.modules())


def test_a_block_of_another_size_is_refused() -> None:
    wide = type(sd15()).from_config({**sd15().config, "block_out_channels": (8, 32)})
    with pytest.raises(AdapterError, match=r"channels=16.*channels=32"):
        awake(sd15()).inject(wide)


@torch.no_grad()
def test_a_first_blocks_adapter_takes_fewer_blocks() -> None:
    every = GatedFaceAdapter.for_backbone(sdxl(), face_channels=3)
    first = GatedFaceAdapter.for_backbone(sdxl(), face_channels=3, blocks="first")
    assert {site.name for site in first.sites} < {site.name for site in every.sites}
    assert all(site.name.endswith(".0") for site in first.sites)


@pytest.mark.parametrize(
    ("tokens", "options", "message"),
    [
        (torch.zeros(2, 5, 9), {}, "width 9, the adapter reads 10"),
        (torch.zeros(5, 10), {}, "one row per person"),
        (faces(2), {"null_tokens": faces(3)}, "null tokens of shape"),
        (faces(2), {"null_tokens": faces(1, tokens=2)}, "a divisor of it"),
        (faces(2), {"token_mask": torch.ones(2, 4)}, "token mask of shape"),
        (faces(2), {"window": (0.5, 0.5)}, "step window"),
        (faces(2), {"window": (0.5, 1.5)}, "step window"),
    ],
)
def test_shapes_that_do_not_fit_are_told(tokens: Tensor, options: dict[str, Any], message: str) -> None:
    adapter = awake(sd15())
    with pytest.raises(AdapterError, match=message), adapter.conditioned(tokens, **options):
        pass


@torch.no_grad()
def test_an_inner_scope_hides_the_outer_one() -> None:
    backbone, inputs = sd15(), SD15.inputs(2)
    adapter, outer, inner = awake(backbone), faces(2), faces(2, seed=7)
    with adapter.injected(backbone), adapter.conditioned(outer):
        before = run(backbone, inputs)
        with adapter.conditioned(inner):
            assert not torch.allclose(run(backbone, inputs), before)
        assert torch.equal(run(backbone, inputs), before)


@torch.no_grad()
def test_null_tokens_of_one_photo_are_laid_end_to_end() -> None:
    backbone, inputs = sd15(), SD15.inputs(2)
    adapter, null = awake(backbone), faces(1, tokens=3, seed=7)
    outputs = []
    with adapter.injected(backbone):
        for nulls in (null, null.repeat(1, 2, 1)):
            with adapter.conditioned(faces(1, tokens=6), nulls):
                outputs.append(run(backbone, inputs))
    assert torch.equal(*outputs)


@torch.no_grad()
@pytest.mark.parametrize("training", [False, True])
def test_a_person_with_fewer_photos_is_as_if_alone(training: bool) -> None:
    backbone, inputs = sd15(), SD15.inputs(4)
    adapter = awake(backbone).train(training)
    people, null = faces(2, tokens=6), faces(1, tokens=3, seed=7)
    mask = torch.tensor([[True] * 3 + [False] * 3, [True] * 6])
    with adapter.injected(backbone):
        with adapter.conditioned(people, null, token_mask=mask):
            together = run(backbone, inputs)
        for person, count in [(0, 3), (1, 6)]:
            rows = {name: value[[person, person + 2]] for name, value in inputs.items()}
            with adapter.conditioned(people[person : person + 1, :count], null):
                torch.testing.assert_close(together[[person, person + 2]], run(backbone, rows), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_window_is_read_per_row(kind: Kind) -> None:
    """Rows at timestep 100 and 700: the early half of a run holds only the second."""
    backbone, inputs = kind.build(), kind.inputs(2)
    adapter = awake(backbone, kind)
    base = run(backbone, inputs)
    with adapter.injected(backbone):
        with adapter.conditioned(faces(2)):
            whole = run(backbone, inputs)
        with adapter.conditioned(faces(2), window=(0.0, 0.5)):
            early = run(backbone, inputs)
        with adapter.conditioned(faces(2), window=(0.95, 1.0)):
            assert torch.equal(run(backbone, inputs), base)
    assert torch.equal(early[0], base[0])
    torch.testing.assert_close(early[1], whole[1])


def test_weights_changed_in_training_are_seen_in_the_same_scope() -> None:
    backbone, inputs = sd15(), SD15.inputs(2)
    adapter = awake(backbone).train()
    with adapter.injected(backbone), adapter.conditioned(faces(2)), torch.no_grad():
        before = run(backbone, inputs)
        for parameter in adapter.parameters():
            parameter.mul_(0.5)
        assert not torch.allclose(run(backbone, inputs), before)


@torch.no_grad()
def test_remembered_keys_change_nothing() -> None:
    backbone, inputs = sd15(), SD15.inputs(4)
    adapter = awake(backbone)
    outputs = []
    for training in (False, True):
        adapter.train(training)
        with adapter.injected(backbone), adapter.conditioned(faces(2), faces(1, seed=7)):
            outputs.append(run(backbone, inputs))
    torch.testing.assert_close(*outputs, atol=1e-6, rtol=1e-6)


@torch.no_grad()
def test_increments_are_recorded_in_the_order_of_the_backbone() -> None:
    backbone, inputs = sdxl(), KINDS[2].inputs(2)
    adapter = awake(backbone)
    with adapter.injected(backbone), adapter.conditioned(faces(2)):
        with adapter.record_increments() as records:
            run(backbone, inputs)
            assert sorted(record.layer for record in records) == sorted(site.name for site in adapter.sites)
            run(backbone, inputs)
        assert len(records) == 2 * len(adapter.sites)
        run(backbone, inputs)
        assert len(records) == 2 * len(adapter.sites)
        assert all(record.increment.shape == record.block_input.shape for record in records)


def _trained(backbone: Any, adapter: GatedFaceAdapter, inside: bool) -> tuple[list[Tensor], int, int]:
    """Gradients of prediction and increments together, and the records before and after the backward pass."""
    adapter.zero_grad()
    with adapter.injected(backbone):
        with adapter.record_increments() as records:
            with adapter.conditioned(faces(2), window=(0.0, 0.5)):
                loss = run(backbone, SD15.inputs(2)).square().mean()
                loss = loss + sum(record.increment.square().mean() for record in records)
                before = len(records)
                if inside:
                    loss.backward()
            with adapter.conditioned(faces(2, seed=9)):
                if not inside:
                    loss.backward()
        return [p.grad.clone() for p in adapter.parameters() if p.grad is not None], before, len(records)


@pytest.mark.parametrize("inside", [True, False])
def test_activation_checkpointing_gives_the_same_gradients_and_records(inside: bool) -> None:
    backbone = sd15().requires_grad_(False).train()
    adapter = awake(backbone).train()
    wanted, *_ = _trained(backbone, adapter, inside)
    backbone.enable_gradient_checkpointing(adapter.checkpointed)
    gradients, before, after = _trained(backbone, adapter, inside)
    assert before == after == len(adapter.sites)
    assert len(gradients) == len(wanted) == len(list(adapter.parameters()))
    for one, other in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_plain_checkpointing_is_right_inside_the_scope() -> None:
    backbone = sd15().requires_grad_(False).train()
    adapter = awake(backbone).train()
    wanted, *_ = _trained(backbone, adapter, True)
    backbone.enable_gradient_checkpointing()
    gradients, before, after = _trained(backbone, adapter, True)
    assert before == after
    for one, other in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(one, other)


@torch.no_grad()
def test_the_adapter_computes_in_its_own_dtype() -> None:
    backbone, inputs = sd15(), SD15.inputs(2)
    adapter = awake(backbone)
    with adapter.injected(backbone), adapter.conditioned(faces(2)):
        wanted = run(backbone, inputs)
    backbone.bfloat16()
    low = {k: v.bfloat16() if v.is_floating_point() else v for k, v in inputs.items()}
    with adapter.injected(backbone), adapter.conditioned(faces(2)):
        out = run(backbone, low)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), wanted, atol=0.2, rtol=0.1)


@torch.no_grad()
def test_an_adapter_on_another_device_is_told() -> None:
    backbone, inputs = sd15(), SD15.inputs(2)
    adapter = awake(backbone).to("meta")
    with (
        adapter.injected(backbone),
        adapter.conditioned(faces(2).to("meta")),
        pytest.raises(AdapterError, match=r"adapter\.to"),
    ):
        run(backbone, inputs)


@torch.no_grad()
@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_a_compiled_backbone_follows_the_adapter(backend: str) -> None:
    """One graph without a break; nothing stale after inject, other faces, eject."""
    backbone, inputs = sd15(), SD15.inputs(2)
    adapter = awake(backbone)
    compiled: Any = torch.compile(backbone, backend=backend, fullgraph=True)
    base = run(backbone, inputs)
    near = {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(run(compiled, inputs), base, **near)
    with adapter.injected(compiled):
        for seed in (1, 5):
            with adapter.conditioned(faces(1, seed=seed), faces(1, seed=8)):
                wanted = run(backbone, inputs)
                torch.testing.assert_close(run(compiled, inputs), wanted, **near)
                assert not torch.allclose(wanted, base, atol=1e-3)
    torch.testing.assert_close(run(compiled, inputs), base, **near)


def test_a_second_thread_is_kept_out() -> None:
    adapter = awake(sd15())
    caught: list[Exception] = []

    def other_request() -> None:
        try:
            with adapter.conditioned(faces(1)):
                pass
        except AdapterError as error:
            caught.append(error)

    with adapter.conditioned(faces(2)):
        thread = threading.Thread(target=other_request)
        thread.start()
        thread.join()
    assert "one call at a time" in str(caught[0])
    other_request()
    assert len(caught) == 1
