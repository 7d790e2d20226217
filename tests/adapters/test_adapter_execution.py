"""The adapter under activation checkpointing, mixed precision, foreign devices and compilation."""

import shutil
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend

from limner.adapters.adapter import GatedFaceAdapter
from limner.adapters.memory import FaceMemory
from limner.adapters.sparse import Sparse
from limner.core.errors import AdapterError
from tests.contracts.backbones import KINDS, Kind, awake, faces, run, sd15

SD15, PIXART = KINDS[0], KINDS[-1]


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


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")  # inductor's own
@torch.no_grad()
@pytest.mark.parametrize(
    ("kind", "backend"),
    [(PIXART, "eager"), pytest.param(SD15, "inductor", marks=pytest.mark.slow)],
    ids=["eager", "real"],
)
def test_a_compiled_backbone_follows_the_adapter(kind: Kind, backend: str) -> None:
    """One graph without a break; nothing stale after inject, other faces, eject."""
    if backend == "inductor" and not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("needs a C++ compiler")
    backbone, inputs = kind.build(), kind.inputs(2)
    adapter = awake(backbone)
    compiled: Any = torch.compile(backbone, backend=backend, fullgraph=True)
    base = run(backbone, inputs)
    near: dict[str, Any] = {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(run(compiled, inputs), base, **near)
    with adapter.injected(compiled):
        for seed in (1, 5):
            with adapter.conditioned(faces(1, seed=seed), faces(1, seed=8)):
                wanted = run(backbone, inputs)
                torch.testing.assert_close(run(compiled, inputs), wanted, **near)
                assert not torch.allclose(wanted, base, atol=1e-3)
    torch.testing.assert_close(run(compiled, inputs), base, **near)


@pytest.mark.parametrize(
    ("kind", "whole"), [(SD15, True), (SD15, False), (PIXART, True)], ids=["whole", "by block", "pixart"]
)
@torch.no_grad()
def test_another_face_scale_or_prompt_needs_no_new_code(kind: Kind, whole: bool) -> None:
    """Compiled as a whole, and by block, where all blocks of a kind share their code."""
    torch.compiler.reset()
    backbone, other = kind.build(), kind.build()
    adapter, plain, memory = awake(backbone, kind), awake(other, kind), FaceMemory()
    counter = CompileCounterWithBackend("eager" if whole else "aot_eager")
    plain.inject(other)
    adapter.inject(backbone)
    called: Any = torch.compile(backbone, backend=counter, fullgraph=True) if whole else backbone
    if not whole:
        backbone.compile_repeated_blocks(backend=counter, fullgraph=True)
    graphs = []
    cases = [(1.0, {}), (0.5, {}), (0.7, {"mid_block": 0.5}), (0.8, {"mid_block": 0.6})]
    for seed, (scale, blocks) in enumerate(cases):
        blocks = blocks if kind is SD15 else {}
        options: dict[str, Any] = {
            "scale": scale,
            "block_scales": blocks,
            "memory": memory,
            "window": (0.0, 0.9 + seed / 99),
        }
        inputs, people = kind.inputs(2, seed), (faces(1, seed=seed), faces(1, seed=8))
        with adapter.conditioned(*people, **options), plain.conditioned(*people, **options):
            torch.testing.assert_close(run(called, inputs), run(other, inputs), atol=1e-5, rtol=1e-5)
        graphs.append(counter.frame_count)
    assert graphs == graphs[:1] * len(cases)


@torch.no_grad()
def test_sparse_steps_follow_compiled_blocks_and_no_compiled_whole() -> None:
    torch.compiler.reset()
    backbone, other = sd15(), sd15()
    adapter, plain = awake(backbone), awake(other)
    plain.inject(other)
    adapter.inject(backbone)
    counter = CompileCounterWithBackend("aot_eager")
    backbone.compile_repeated_blocks(backend=counter, fullgraph=True)
    early, late = ({**SD15.inputs(2, seed), "timestep": torch.tensor(step)} for seed, step in [(1, 900), (2, 100)])
    sparse = Sparse(share=0.5, start=0.5)
    for _ in range(2):
        with adapter.conditioned(faces(2), sparse=sparse), plain.conditioned(faces(2), sparse=sparse):
            for inputs in (early, late, late):
                torch.testing.assert_close(run(backbone, inputs), run(other, inputs), atol=1e-5, rtol=1e-5)
    assert counter.frame_count <= 3  # whole steps, whole steps beside an older region, sparse ones
    whole: Any = torch.compile(other, backend="eager", fullgraph=True)
    with plain.conditioned(faces(2), sparse=sparse), pytest.raises(Exception, match="sparse steps cannot follow"):
        run(whole, early)
