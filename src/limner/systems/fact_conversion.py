"""FaceChain-FACT's adapter files into Limner's format and back, every tensor accounted for."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from limner.adapters import foreign
from limner.adapters.seam import Site
from limner.core.checkpoint import Header, load_checkpoint, load_into, read_foreign_state_dict
from limner.core.files import replacing
from limner.identity.recognition import TRANSFACE_SPACE
from limner.systems.fact import SYSTEM, Fact, FactConfig

Layout = Literal["released", "training"]

_READ: dict[Layout, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = {
    "released": foreign.from_released,
    "training": foreign.from_training,
}
_WRITE: dict[Layout, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = {
    "released": foreign.to_released,
    "training": foreign.to_training,
}

SD15 = FactConfig(
    backbone="sd15",
    feature_space=TRANSFACE_SPACE,
    template="arcface-112",
    licence="facechain-fact",
)
"""What the released adapters are made for."""


def empty_fact(config: FactConfig, sites: Sequence[Site]) -> Fact:
    """A model whose weights are not set; it costs the memory, not the time."""
    with torch.device("meta"):
        fact = Fact(config, sites)
    return fact.to_empty(device="cpu").eval()


def convert_fact(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    layout: Layout,
    config: FactConfig = SD15,
    sites: Sequence[Site] = foreign.SD15_SITES,
) -> Header:
    """Turn an adapter file of FaceChain-FACT into a Limner checkpoint.

    Args:
        source: a pickle, read as plain tensors and nothing else, or safetensors.
        target: the safetensors file to write.
        layout: "released" for the published files, "training" for those the training code writes.
        config: sizes and names, if not the published ones.
        sites: blocks it enters, if not those of Stable Diffusion 1.5.

    Raises:
        CheckpointError: the source is no such file, or a tensor is missing, unexpected or of another shape.
        InputError: the target cannot be written.
    """
    fact = empty_fact(config, sites)
    load_into(fact, _READ[layout](read_foreign_state_dict(source)), source)
    fact.save(target)
    return fact.header()


def export_fact(source: str | os.PathLike[str], target: str | os.PathLike[str], *, layout: Layout) -> int:
    """Write a Limner checkpoint under the names of FaceChain-FACT, as plain safetensors.

    Returns:
        The number of tensors written.

    Raises:
        CheckpointError: the source is no FACT checkpoint.
        InputError: the target cannot be written.
    """
    from safetensors.torch import save_file

    tensors, _ = load_checkpoint(source, expect_system=SYSTEM)
    renamed = _WRITE[layout](tensors)
    with replacing(target) as temporary:
        save_file(renamed, temporary)
    return len(renamed)
