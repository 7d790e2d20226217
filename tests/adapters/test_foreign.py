"""Names of FaceChain-FACT's adapter files, both layouts, both ways."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from limner.adapters.foreign import (
    LAYERS,
    RESAMPLER,
    SD15_SITES,
    from_released,
    from_training,
    to_released,
    to_training,
)
from limner.core.errors import CheckpointError

OURS = [
    "resampler.latents",
    "resampler.layers.0.1.3.weight",
    "adapter.layers.mid_block.attentions.0.transformer_blocks.0.alpha_attn",
    "adapter.layers.down_blocks.2.attentions.1.transformer_blocks.0.ff.net.0.proj.weight",
    "adapter.layers.up_blocks.3.attentions.2.transformer_blocks.0.attn.to_out.0.bias",
]
RELEASED = [
    "local_fac_prj.latents",
    "local_fac_prj.layers.0.1.3.weight",
    "mid_block.attentions.0.transformer_blocks.0.attn2.processor.alpha_attn",
    "down_blocks.2.attentions.1.transformer_blocks.0.attn2.processor.ff.net.0.proj.weight",
    "up_blocks.3.attentions.2.transformer_blocks.0.attn2.processor.attn.to_out.0.bias",
]
TRAINING = [
    "local_fac_prj.latents",
    "local_fac_prj.layers.0.1.3.weight",
    "middle_block.1.transformer_blocks.0.fuser.alpha_attn",
    "input_blocks.8.1.transformer_blocks.0.fuser.ff.net.0.proj.weight",
    "output_blocks.11.1.transformer_blocks.0.fuser.attn.to_out.0.bias",
]


def tensors(names: list[str]) -> dict[str, Tensor]:
    return {name: torch.tensor(float(index)) for index, name in enumerate(names)}


@pytest.mark.parametrize(
    ("names", "read", "write"), [(RELEASED, from_released, to_released), (TRAINING, from_training, to_training)]
)
def test_names_go_both_ways(names: list[str], read: Any, write: Any) -> None:
    assert read(tensors(names)) == tensors(OURS)
    assert write(tensors(OURS)) == tensors(names)


def listing(shared: Path) -> dict[str, dict[str, Any]]:
    return json.loads((shared / "golden" / "fact" / "keys_adapter_sd15.json").read_text())


@pytest.mark.shared
@pytest.mark.parametrize("layout", ["released", "training"])
def test_the_whole_listing_goes_both_ways(shared: Path, layout: str) -> None:
    read, write = (from_released, to_released) if layout == "released" else (from_training, to_training)
    names = {
        name if layout == "released" else entry.get("ldm_name", name): entry["shape"]
        for name, entry in listing(shared).items()
    }
    assert len(names) == 51 + 272
    theirs = {name: torch.empty(shape, device="meta") for name, shape in names.items()}
    ours = read(theirs)
    assert sum(name.startswith(RESAMPLER) for name in ours) == 51
    assert {name.removeprefix(LAYERS).rpartition(".transformer_blocks.0.")[0] for name in ours if LAYERS in name} == {
        site.name.removesuffix(".transformer_blocks.0") for site in SD15_SITES
    }
    assert {name: list(tensor.shape) for name, tensor in write(ours).items()} == names


def test_copies_of_the_base_models_norm_are_left_out() -> None:
    norm = "mid_block.attentions.0.transformer_blocks.0.attn2.processor.ln.weight"
    assert from_released({norm: torch.ones(1)}) == {}


@pytest.mark.shared
@pytest.mark.parametrize("variant", ["wofc_196_tokens", "with_face_batch_fc"])
@pytest.mark.parametrize("read", [from_released, from_training])
def test_the_first_generation_is_refused(shared: Path, variant: str, read: Any) -> None:
    keys = json.loads((shared / "golden" / "fact" / "keys_legacy_v0.json").read_text())[variant]
    with pytest.raises(CheckpointError, match="first generation"):
        read({name: torch.empty(shape, device="meta") for name, shape in keys.items()})


@pytest.mark.parametrize(
    ("translate", "name"),
    [
        (from_released, "unet.conv_in.weight"),
        (from_released, "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q.weight"),
        (from_released, TRAINING[2]),
        (from_training, RELEASED[2]),
        (to_released, "local_fac_prj.latents"),
        (to_training, RELEASED[3]),
    ],
)
def test_a_name_without_a_place_is_told(translate: Any, name: str) -> None:
    with pytest.raises(CheckpointError, match="has no place in an adapter of this layout"):
        translate({name: torch.ones(1)})
