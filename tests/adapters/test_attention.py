"""Gated face attention: parity with the reference inside a diffusers block, gates, masks, half precision."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn

from limner.adapters.adapter import GatedFaceAdapter
from limner.adapters.attention import GatedFaceAttention
from tests.contracts.backbones import randomise
from tests.golden import fill_input, fill_tensor, load_golden, weights_of

STORED = ["attn_small", "attn_small_2faces"]
FILLED = {"attn_full320": (2, 64, 320), "attn_full1280": (1, 16, 1280)}


class OneBlock(nn.Module):
    """A backbone of one diffusers block, of which only the text attention is run, as in the golden files."""

    def __init__(self, channels: int, heads: int, text_channels: int) -> None:
        super().__init__()
        self.block = BasicTransformerBlock(channels, heads, channels // heads, cross_attention_dim=text_channels)

    def forward(self, hidden: Tensor, text: Tensor) -> Tensor:
        norm, attention = self.block.norm2, self.block.attn2
        assert norm is not None
        assert attention is not None
        return attention(norm(hidden), encoder_hidden_states=text)


def golden_case(shared: Path, name: str) -> tuple[dict[str, Tensor], OneBlock, GatedFaceAdapter]:
    tensors, metadata = load_golden(shared, name)
    backbone = OneBlock(metadata["hidden"], metadata["heads"], metadata["cross_attention_dim"]).eval()
    adapter = GatedFaceAdapter.for_backbone(backbone, face_channels=metadata["cross_attention_dim"]).eval()
    parts = {"ln.": backbone.block.norm2, "attn2.": backbone.block.attn2, "processor.": adapter.layer("block")}
    for prefix, part in parts.items():
        assert part is not None
        if name in STORED:
            part.load_state_dict(weights_of(tensors, f"w.{prefix}"))
        else:
            part.load_state_dict({k: fill_tensor(prefix + k, tuple(v.shape)) for k, v in part.state_dict().items()})
    if name in FILLED:
        rows = FILLED[name][0]
        tensors["hidden_states"] = fill_input(f"{name}.hidden_states", FILLED[name])
        tensors["text"] = fill_input(f"{name}.text", (rows, 77, 768))
        tensors["face"] = fill_input(f"{name}.face", (rows, 16, 768))
    return tensors, backbone, adapter


@pytest.mark.shared
@pytest.mark.parametrize("name", [*STORED, *FILLED])
@torch.no_grad()
def test_the_adapted_layer_equals_the_reference(shared: Path, name: str) -> None:
    tensors, backbone, adapter = golden_case(shared, name)
    base = backbone(tensors["hidden_states"], tensors["text"])
    torch.testing.assert_close(base, tensors["base_cross_attention_out"], atol=1e-4, rtol=0)
    for scale in (0.0, 0.5, 1.0):
        key = f"out.scale{scale}"
        if key not in tensors:
            continue
        with (
            adapter.injected(backbone),
            adapter.conditioned(tensors["face"], scale=scale),
            adapter.record_increments() as records,
        ):
            out = backbone(tensors["hidden_states"], tensors["text"])
        torch.testing.assert_close(out, tensors[key], atol=1e-4, rtol=0)
        if scale == 0:
            assert torch.equal(out, base)
        assert len(records) == (scale != 0)


@pytest.mark.shared
@pytest.mark.parametrize("name", [*STORED, *FILLED])
@torch.no_grad()
def test_recorded_increments_equal_the_reference(shared: Path, name: str) -> None:
    tensors, backbone, adapter = golden_case(shared, name)
    with adapter.injected(backbone), adapter.conditioned(tensors["face"]), adapter.record_increments() as records:
        backbone(tensors["hidden_states"], tensors["text"])
    (record,) = records
    assert record.layer == "block"
    assert torch.equal(record.block_input, tensors["hidden_states"])
    near: dict[str, Any] = {"atol": 1e-4, "rtol": 0}
    torch.testing.assert_close(record.increments.attention, tensors["gsa_attn_increment.scale1"], **near)
    torch.testing.assert_close(record.increments.feed_forward, tensors["gsa_ff_increment.scale1"], **near)
    torch.testing.assert_close(record.block_input + record.increment, tensors["after_gsa.scale1"], **near)


def random_layer(channels: int = 8, face_channels: int = 6) -> GatedFaceAttention:
    layer = GatedFaceAttention(channels, face_channels, heads=2)
    randomise(layer, 0)
    return layer


@torch.no_grad()
def test_a_fresh_layer_adds_nothing() -> None:
    layer = GatedFaceAttention(8, 6, heads=2)
    parts = layer(torch.randn(2, 5, 8), layer.face_keys(torch.randn(2, 3, 6)))
    assert all(part.abs().max() == 0 for part in parts)


@torch.no_grad()
def test_masked_tokens_are_as_if_absent() -> None:
    layer, visual, face = random_layer(), torch.randn(2, 5, 8), torch.randn(2, 4, 6)
    mask = torch.tensor([[True, True, False, False], [True] * 4])
    masked = layer(visual, layer.face_keys(face), face_mask=mask)
    short = layer(visual[:1], layer.face_keys(face[:1, :2]))
    whole = layer(visual[1:], layer.face_keys(face[1:]))
    for part, row0, row1 in zip(masked, short, whole, strict=True):
        torch.testing.assert_close(part, torch.cat([row0, row1]))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_increment_has_the_dtype_of_the_picture(dtype: torch.dtype) -> None:
    layer, visual, face = random_layer(), torch.randn(2, 5, 8), torch.randn(2, 4, 6)
    exact = layer(visual, layer.face_keys(face))
    mixed = layer(visual.to(dtype), layer.face_keys(face.to(dtype)))
    low = layer.to(dtype)(visual.to(dtype), layer.face_keys(face.to(dtype)))
    for parts in (mixed, low):
        assert all(part.dtype == dtype for part in parts)
        for part, wanted in zip(parts, exact, strict=True):
            torch.testing.assert_close(part.float(), wanted, atol=0.1, rtol=0.1)


@torch.no_grad()
def test_half_precision_keeps_small_increments() -> None:
    """x2 + attention - x, as the reference forms it, would lose an increment of 1e-3 beside hidden states of 100."""
    layer = random_layer()
    layer.alpha_attn.fill_(1e-4)
    layer.alpha_dense.fill_(1e-4)
    visual, face = 100 * torch.randn(2, 5, 8), torch.randn(2, 4, 6)
    exact = torch.stack(layer(visual, layer.face_keys(face)))
    halved = torch.stack(layer(visual.half(), layer.face_keys(face)))
    assert (halved.float() - exact).norm() / exact.norm() < 0.01
