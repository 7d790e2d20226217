"""Tiny LoRA files, written in the layouts that are met outside."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

RANK = 2


def lora_of(pipeline: Any, *, parts: Sequence[str] = ("unet",)) -> dict[str, Tensor]:
    """Random halves for every attention projection, in peft's layout."""
    random = torch.Generator().manual_seed(7)
    tensors: dict[str, Tensor] = {}
    for part in parts:
        for name, module in getattr(pipeline, part).named_modules():
            if isinstance(module, nn.Linear) and name.rpartition(".")[2] in ("to_q", "to_v", "q_proj", "v_proj"):
                rows, columns = module.weight.shape
                tensors[f"{part}.{name}.lora_A.weight"] = torch.randn(RANK, columns, generator=random)
                tensors[f"{part}.{name}.lora_B.weight"] = torch.randn(rows, RANK, generator=random)
    return tensors


def kohya(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same in kohya's layout, with alphas that change nothing."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        module, half = rest.rsplit(".lora_", 1)
        start = f"lora_unet_{module.replace('.', '_')}"
        assert part == "unet"
        renamed[f"{start}.lora_{'down' if half.startswith('A') else 'up'}.weight"] = tensor
        renamed[f"{start}.alpha"] = torch.tensor(float(RANK))
    return renamed


def save(path: Path, tensors: dict[str, Tensor]) -> Path:
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, path)
    return path
