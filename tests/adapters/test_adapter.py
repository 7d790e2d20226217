"""Life cycle, scopes and recorded increments of the face adapter."""

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
    wide = UNet2DConditionModel(**{**sd15().config, "block_out_channels": (8, 32)})
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
@pytest.mark.parametrize("regions", [None, torch.ones(1, 1, 8, 8)], ids=["everywhere", "in-a-region"])
def test_a_token_of_a_share_counts_as_that_much_of_a_token(regions: Tensor | None) -> None:
    backbone, inputs = sd15(), SD15.inputs(1)
    adapter, one, two = awake(backbone), faces(1, seed=1), faces(1, seed=2)
    each = one.shape[1]

    def shown(tokens: Tensor, shares: list[float] | None) -> Tensor:
        mask = None if shares is None else torch.tensor([shares]).repeat_interleave(each, dim=1)
        with adapter.conditioned(tokens, token_mask=mask, regions=regions):
            return run(backbone, inputs)

    with adapter.injected(backbone):
        alone, other = shown(one, None), shown(two, None)
        # Twice the same photo at half a share is the photo; a share of 0 is none; all of 1 is no shares at all.
        torch.testing.assert_close(shown(torch.cat([one, one], 1), [0.5, 0.5]), alone, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(shown(torch.cat([one, two], 1), [1.0, 0.0]), alone, atol=1e-5, rtol=1e-5)
        both = shown(torch.cat([one, two], 1), None)
        torch.testing.assert_close(shown(torch.cat([one, two], 1), [1.0, 1.0]), both, atol=1e-5, rtol=1e-5)
        # In between, the less it counts the nearer is the picture to the other photo's alone.
        near = [float((shown(torch.cat([one, two], 1), [1.0, share]) - alone).norm()) for share in (1.0, 0.5, 0.1)]
        assert near[0] > near[1] > near[2] > 0
        assert not torch.allclose(alone, other)


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


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_text_attention_and_feed_forward_both_see_the_sum(kind: Kind) -> None:
    """x + increment is what the text attention reads, and what its output is added to."""
    backbone = kind.build()
    adapter = awake(backbone, kind)
    block: Any = backbone.get_submodule(adapter.sites[0].name)
    bare = kind.name == "pixart"
    seen: dict[str, Tensor] = {}

    def note(name: str, tensor: Tensor) -> None:
        seen[name] = tensor

    with adapter.injected(backbone):
        block.attn2.to_q.register_forward_pre_hook(lambda module, args: note("read", args[0]))
        block.attn2.to_out[1].register_forward_hook(lambda module, args, output: note("text", output))
        before_feed_forward = block.norm2 if bare else block.norm3
        before_feed_forward.register_forward_pre_hook(lambda module, args: note("summed", args[0]))
        with adapter.conditioned(faces(2)), adapter.record_increments() as records:
            run(backbone, kind.inputs(2))
    (record,) = [record for record in records if record.layer == adapter.sites[0].name]
    total = record.block_input + record.increment
    norm = torch.nn.Identity() if bare else torch.nn.LayerNorm(total.shape[-1])
    torch.testing.assert_close(seen["read"], norm(total), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(seen["summed"], total + seen["text"], atol=1e-5, rtol=1e-5)


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
