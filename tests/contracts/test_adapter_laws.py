"""The adapter laws of the design, for every kind of backbone, every design of adapter and every fast path."""

import copy
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from limner.adapters.projectors import ResamplerConfig
from limner.core.errors import LimnerError
from limner.systems.designs import AdapterDesign, load_system, new_system
from tests.contracts.backbones import (
    CHANNELS_LAST,
    DESIGNS,
    FACE_CHANNELS,
    FAST_PATHS,
    KINDS,
    Design,
    Kind,
    faces,
    randomise,
    rows_of,
)

pytestmark = [
    pytest.mark.parametrize("kind", [*KINDS, CHANNELS_LAST], ids=lambda kind: kind.name),
    pytest.mark.parametrize("design", [*DESIGNS, *FAST_PATHS], ids=lambda design: design.name),
]
RECIPES: dict[str, dict[str, Any]] = {
    "parallel": {"order": "parallel", "tokens": "global"},
    "decoupled": {"design": "decoupled"},
}


def fingerprint(backbone: nn.Module) -> list[tuple[str, int, str]]:
    """Every submodule with its identity and all that hangs on it."""
    return [
        (name, id(module), f"{list(module._forward_pre_hooks)}{list(module._forward_hooks)}{sorted(module.__dict__)}")
        for name, module in backbone.named_modules()
    ]


@torch.no_grad()
def test_construction_changes_nothing(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    before, output = fingerprint(backbone), design.run(backbone, inputs)
    design.fresh(backbone, kind.blocks)
    assert fingerprint(backbone) == before
    assert torch.equal(design.run(backbone, inputs), output)


@torch.no_grad()
def test_inject_and_eject_leave_no_trace(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    before, keys, output = fingerprint(backbone), list(backbone.state_dict()), design.run(backbone, inputs)
    adapter = design.awake(backbone, kind)
    adapter.inject(backbone)
    assert list(backbone.state_dict()) == keys
    assert [(name, id(module)) for name, module in backbone.named_modules()] == [entry[:2] for entry in before]
    with adapter.conditioned(faces(2)):
        assert not torch.allclose(design.run(backbone, inputs), output, atol=1e-3)
    adapter.eject()
    assert fingerprint(backbone) == before
    assert torch.equal(design.run(backbone, inputs), output)


@torch.no_grad()
def test_scale_zero_is_the_base_bit_for_bit(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    output = design.run(backbone, inputs)
    adapter = design.awake(backbone, kind)
    with adapter.injected(backbone):
        assert torch.equal(design.run(backbone, inputs), output)
        with adapter.conditioned(faces(2), scale=0.0):
            assert torch.equal(design.run(backbone, inputs), output)
        adapter.scale = 0.0
        with adapter.conditioned(faces(2)):
            assert torch.equal(design.run(backbone, inputs), output)


@torch.no_grad()
def test_a_fresh_adapter_is_the_base_bit_for_bit(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    output = design.run(backbone, inputs)
    adapter = design.fresh(backbone, kind.blocks)
    with adapter.injected(backbone), adapter.conditioned(faces(2)):
        assert torch.equal(design.run(backbone, inputs), output)


@torch.no_grad()
@pytest.mark.parametrize("leaves", ["first", "second"])
def test_two_adapters_leave_in_either_order(kind: Kind, design: Design, leaves: str) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    before = fingerprint(backbone)
    pair = [design.awake(backbone, kind, seed=5), design.awake(backbone, kind, seed=6)]
    leaving, staying = pair if leaves == "first" else pair[::-1]
    with staying.injected(backbone), staying.conditioned(faces(2)):
        alone = design.run(backbone, inputs)
    for adapter in pair:
        adapter.inject(backbone)
    with leaving.conditioned(faces(2, seed=9)), staying.conditioned(faces(2)):
        assert not torch.allclose(design.run(backbone, inputs), alone, atol=1e-3)
        leaving.eject()
        with staying.conditioned(faces(2)):  # anew, since what was seen beside the other may be remembered
            assert torch.equal(design.run(backbone, inputs), alone)
    staying.eject()
    assert fingerprint(backbone) == before


def test_gradients_reach_the_adapter_only(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    backbone.requires_grad_(False)
    adapter = design.awake(backbone, kind).train()
    assert not {id(p) for p in adapter.parameters()} & {id(p) for p in backbone.parameters()}
    tokens = faces(2).requires_grad_()
    with adapter.injected(backbone), adapter.conditioned(tokens):
        design.run(backbone, inputs).square().mean().backward()
    assert all(parameter.grad is None for parameter in backbone.parameters())
    assert all(parameter.grad is not None for parameter in adapter.parameters())
    assert tokens.grad is not None
    assert tokens.grad.abs().sum() > 0


@torch.no_grad()
def test_an_exception_still_ejects(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    before, output = fingerprint(backbone), design.run(backbone, inputs)
    adapter = design.awake(backbone, kind)

    def use(rows: int) -> None:
        with adapter.injected(backbone), adapter.conditioned(faces(3)):
            design.run(backbone, kind.inputs(rows))
            raise KeyError("somebody else's error")

    for rows, error in [(3, KeyError), (2, LimnerError)]:  # the second is raised in the middle of the backbone
        with pytest.raises(error):
            use(rows)
        assert fingerprint(backbone) == before
        assert not adapter.is_injected
        assert torch.equal(design.run(backbone, inputs), output)


@torch.no_grad()
def test_no_state_is_left_after_a_scope(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    adapter = design.awake(backbone, kind)
    with adapter.injected(backbone):
        before = {**adapter.__dict__}
        tokens = faces(2)
        watched = weakref.ref(tokens)
        with adapter.record_increments(), adapter.conditioned(tokens, window=(0.0, 0.5)):
            design.run(backbone, inputs)
        assert adapter.__dict__ == before
        del tokens
        gc.collect()
        assert watched() is None


def test_save_and_load_are_bit_equal(kind: Kind, design: Design, tmp_path: Path) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    resampler = ResamplerConfig(
        feature_width=6, width=8, num_layers=1, num_heads=2, head_width=4, num_tokens=3, context_width=FACE_CHANNELS
    )
    config = AdapterDesign(
        backbone=kind.name,
        feature_space="test",
        template="t",
        licence="l",
        blocks=kind.blocks,
        resampler=resampler,
        **RECIPES.get(design.name, {}),
    )
    system = new_system(backbone, config).eval()
    randomise(system, 4)
    system.save(tmp_path / "adapter.safetensors")
    again = load_system(tmp_path / "adapter.safetensors", backbone)
    assert type(again) is type(system)
    features = torch.randn(2, 2, 7, 6)
    outputs = []
    for model in (system, again):
        with torch.no_grad(), model.adapter.injected(backbone), model.conditioned(features):
            outputs.append(design.run(backbone, inputs))
    assert torch.equal(*outputs)
    assert again.config == system.config


@torch.no_grad()
def test_people_in_one_batch_do_not_mix(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(3)
    adapter = design.awake(backbone, kind)
    people = faces(3)
    with adapter.injected(backbone):
        with adapter.conditioned(people):
            together = design.run(backbone, inputs)
        for row in range(3):
            with adapter.conditioned(people[row : row + 1]):
                alone = design.run(backbone, rows_of(inputs, [row]))
            torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_copy_of_an_injected_adapter_sits_in_no_backbone(kind: Kind, design: Design) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    adapter = design.awake(backbone, kind)
    with adapter.injected(backbone), adapter.conditioned(faces(2)):
        output = design.run(backbone, inputs)
        average = copy.deepcopy(adapter)
        assert not average.is_injected
    with average.injected(backbone), average.conditioned(faces(2)):
        assert torch.equal(design.run(backbone, inputs), output)
