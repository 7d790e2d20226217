"""Weights and inputs of the golden vectors that are not stored: the fill rule of ../shared/golden/fact/README.md."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open


def uniform(key: str, count: int) -> np.ndarray:
    """``count`` float64 values in [-1, 1) that depend on nothing but ``key``."""
    hashed = np.arange(count, dtype=np.uint32)
    shifted = np.empty_like(hashed)
    # In place throughout: the largest weight has 38 million values.
    hashed *= np.uint32(0x9E3779B1)
    hashed += np.uint32(zlib.crc32(key.encode()))
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        hashed ^= np.right_shift(hashed, np.uint32(shift), out=shifted)
        hashed *= np.uint32(factor)
    values = hashed / 2.0**31
    values -= 1.0
    return values


def fill_tensor(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The weight named ``key``: float32, or int64 zero for ``num_batches_tracked``."""
    kind = key.rsplit(".", 1)[-1]
    if kind == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    values = uniform(key, math.prod(shape))
    if kind == "weight" and len(shape) >= 2:
        values *= math.sqrt(3 / math.prod(shape[1:]))
    else:
        offset, spread = {
            "weight": (1.0, 0.1),
            "bias": (0.0, 0.1),
            "running_mean": (0.0, 0.1),
            "running_var": (1.0, 0.5),
            "alpha_attn": (0.5, 0.25),
            "alpha_dense": (0.5, 0.25),
        }.get(kind, (0.0, 0.5))
        values = offset + spread * values
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def fill_input(name: str, shape: tuple[int, ...], amplitude: float = 1.0) -> torch.Tensor:
    """The input called ``name``, float32 in [-amplitude, amplitude)."""
    values = amplitude * uniform(f"input:{name}", math.prod(shape))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def load_golden(shared: Path, name: str) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors of ``golden/fact/<name>.safetensors`` and its metadata, each JSON value decoded."""
    with safe_open(shared / "golden" / "fact" / f"{name}.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (a safe_open handle is no mapping)
        metadata = file.metadata() or {}
    return tensors, {key: _decoded(value) for key, value in metadata.items()}


def weights_of(tensors: dict[str, torch.Tensor], prefix: str = "w.") -> dict[str, torch.Tensor]:
    """The stored weights under their plain state-dict keys."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _decoded(value: str):
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
