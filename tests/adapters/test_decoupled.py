"""Decoupled attention against its formula, and what the text attention reads in each order."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from limner.adapters.adapter import GatedFaceAdapter, Order
from limner.adapters.decoupled import DecoupledFaceAdapter, DecoupledFaceAttention
from tests.contracts.backbones import FACE_CHANNELS, KINDS, Kind, faces, randomise, run, sd15

SD15 = KINDS[0]


def heads(tokens: Tensor, count: int) -> Tensor:
    return tokens.unflatten(-1, (count, -1)).transpose(1, 2)


@torch.no_grad()
def test_text_and_face_are_attended_apart_and_summed() -> None:
    """IP-Adapter's formula, written out: out(A(q, text) + scale A(q, face))."""
    backbone, inputs = sd15(), SD15.inputs(2)
    adapter = DecoupledFaceAdapter.for_backbone(backbone, face_channels=FACE_CHANNELS)
    randomise(adapter, 3)
    site = adapter.sites[0]
    attention: Any = backbone.get_submodule(f"{site.name}.attn2")
    layer = adapter.layers.get_submodule(site.name)
    assert isinstance(layer, DecoupledFaceAttention)
    seen: dict[str, Tensor] = {}

    def note(module: object, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: Tensor) -> None:
        seen.update(normed=args[0], text=kwargs["encoder_hidden_states"], plain=output)

    handle = attention.register_forward_hook(note, with_kwargs=True)  # before the adapter's, so it sees the text's part
    tokens = faces(2)
    with adapter.injected(backbone), adapter.conditioned(tokens, scale=0.7), adapter.record_increments() as records:
        run(backbone, inputs)
    handle.remove()
    query = heads(attention.to_q(seen["normed"]), site.heads)
    parts = [
        F.scaled_dot_product_attention(query, heads(keys, site.heads), heads(values, site.heads))
        for keys, values in (
            (attention.to_k(seen["text"]), attention.to_v(seen["text"])),
            (layer.to_k(tokens), layer.to_v(tokens)),
        )
    ]
    joined = attention.to_out[0]((parts[0] + 0.7 * parts[1]).transpose(1, 2).flatten(2))
    torch.testing.assert_close(seen["plain"] + records[0].increment, joined, atol=1e-5, rtol=1e-4)
    assert records[0].block_input.shape == records[0].increment.shape


@torch.no_grad()
@pytest.mark.parametrize(("order", "reads"), [("sequential", True), ("parallel", False)])
def test_what_the_text_attention_reads(order: Order, reads: bool) -> None:
    backbone, inputs = sd15(), SD15.inputs(2)
    adapter = GatedFaceAdapter.for_backbone(backbone, face_channels=FACE_CHANNELS, order=order)
    randomise(adapter, 3)
    name = f"{adapter.sites[0].name}.attn2"
    seen: list[Tensor] = []
    handle = backbone.get_submodule(name).register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    plain = run(backbone, inputs)
    with adapter.injected(backbone), adapter.conditioned(faces(2)), adapter.record_increments() as records:
        changed = run(backbone, inputs)
    handle.remove()
    assert torch.equal(seen[0], seen[1]) is not reads
    assert not torch.allclose(plain, changed, atol=1e-3)
    assert len(records) == len(adapter.sites)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_missing_token_changes_nothing(kind: Kind) -> None:
    backbone, inputs = kind.build(), kind.inputs(2)
    adapter = DecoupledFaceAdapter.for_backbone(backbone, face_channels=FACE_CHANNELS, blocks=kind.blocks)
    randomise(adapter, 3)
    adapter.eval()
    tokens, mask = faces(2), torch.ones(2, 5, dtype=torch.bool)
    mask[:, 3:] = False
    with adapter.injected(backbone):
        with adapter.conditioned(tokens, token_mask=mask):
            masked = run(backbone, inputs)
        with adapter.conditioned(tokens[:, :3]):
            torch.testing.assert_close(masked, run(backbone, inputs), atol=1e-5, rtol=1e-5)
        with adapter.conditioned(tokens.repeat(1, 2, 1), token_mask=torch.full((2, 10), 0.5)):
            halves = run(backbone, inputs)
        with adapter.conditioned(tokens):
            torch.testing.assert_close(halves, run(backbone, inputs), atol=1e-5, rtol=1e-5)
