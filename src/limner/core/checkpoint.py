"""Files of weights that say what they are: safetensors with a declared header, read strictly.

Weights may be stored small, 8 bits per weight with a scale per output channel (``quantize``); reading always gives
float32. Foreign pickles are read with ``weights_only=True`` and nothing else.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from limner.core.errors import CheckpointError
from limner.core.files import replacing

if TYPE_CHECKING:
    from torch import Tensor, nn

HEADER_KEY = "limner"
SCALE_SUFFIX = ".scale"
"""An int8 tensor ``name`` has its scales in ``name.scale``."""
MIN_QUANTIZED_ELEMENTS = 1024
MIN_ELEMENTS_PER_CHANNEL = 16
"""Below these sizes the scales would eat what 8 bits save."""


class Header(BaseModel):
    """What a checkpoint says about itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    """What the weights are of, e.g. ``"fact"``, ``"face-vit"``."""
    version: str
    """Version of that system's layout of tensors."""
    backbone: str | None = None
    """The frozen generator it belongs to, e.g. ``"sd15"``; ``None`` when there is none."""
    feature_space: str | None = None
    """Name of recogniser, weights and template whose features it reads or makes."""
    template: str | None = None
    """Alignment template of the faces it expects, e.g. ``"arcface-112"``."""
    licence: str
    """Name of a record in ``limner licences``, or the terms in words for weights made elsewhere."""
    config: dict[str, JsonValue] = {}
    """What its constructor needs."""
    recognizers: dict[str, str] = {}
    """Feature space -> what that recogniser did in training, such as "teacher of the encoder"; empty if not recorded.
    Evaluation refuses them as judges."""


def save_checkpoint(path: str | os.PathLike[str], tensors: "Mapping[str, Tensor]", header: Header) -> None:
    """Write tensors and header, whole or not at all; the same input gives the same bytes.

    Raises:
        InputError: the file cannot be written.
    """
    from safetensors.torch import save_file

    owned = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        # One key only: safetensors writes several in an order that changes from run to run.
        save_file(owned, temporary, metadata={HEADER_KEY: header.model_dump_json()})


def load_checkpoint(
    path: str | os.PathLike[str], *, expect_system: str | None = None
) -> "tuple[dict[str, Tensor], Header]":
    """Read tensors (floats as float32, on the CPU) and header.

    Raises:
        CheckpointError: the file is missing, broken, foreign or of another system than ``expect_system``.
    """
    header = read_header(path)
    if expect_system is not None and header.system != expect_system:
        raise CheckpointError(
            f"{path} holds weights of {header.system!r}, expected {expect_system!r}; give a file of that kind"
        )
    return widen(_read_safetensors(Path(path))), header


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read only what a checkpoint says about itself.

    Raises:
        CheckpointError: the file is missing, broken or foreign.
    """
    from safetensors import SafetensorError, safe_open

    _require_file(Path(path))
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error}); fetch it again") from error
    if HEADER_KEY not in metadata:
        raise CheckpointError(f"{path} has no Limner header; bring foreign weights in with `limner convert`")
    try:
        return Header.model_validate_json(metadata[HEADER_KEY])
    except ValidationError as error:
        raise CheckpointError(f"{path} has a header this version cannot read ({_first(error)})") from error


def load_into(module: "nn.Module", tensors: "Mapping[str, Tensor]", source: str | os.PathLike[str]) -> None:
    """Copy tensors into a module, every name and shape matching.

    Args:
        source: where the tensors come from, for the message.

    Raises:
        CheckpointError: names or shapes differ; the module is then unchanged.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if expected == given:
        module.load_state_dict(dict(tensors), strict=True)
        return
    reshaped = [
        f"{name} {given[name]} instead of {expected[name]}"
        for name in sorted(expected.keys() & given.keys())
        if expected[name] != given[name]
    ]
    problems = {
        "missing": sorted(expected.keys() - given.keys()),
        "unknown": sorted(given.keys() - expected.keys()),
        "of another shape": reshaped,
    }
    told = "; ".join(f"{len(names)} {kind} ({_some(names)})" for kind, names in problems.items() if names)
    raise CheckpointError(f"{source} does not fit {type(module).__name__}: {told}; give the file made for it")


def quantize(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Store weights small: big matrices in 8 bits with a float32 scale per output channel, other floats in 16 bits.

    A weight is off by at most half a step, that is 1/254 of the largest weight of its output channel (axis 0).
    A small tensor that 16 bits cannot hold within 0.1 % stays as it is; integers are left alone.

    Raises:
        CheckpointError: a tensor is not finite, or ``name.scale`` is taken.
    """
    import torch

    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            stored[name] = tensor
            continue
        values = tensor.detach().float()
        if not torch.isfinite(values).all():
            raise CheckpointError(f"{name} holds infinite or undefined values; train or convert these weights again")
        if _worth_eight_bits(values):
            if name + SCALE_SUFFIX in tensors:
                raise CheckpointError(f"{name + SCALE_SUFFIX} is needed for the scales of {name}; rename the module")
            stored[name], stored[name + SCALE_SUFFIX] = _to_eight_bits(values)
        else:
            stored[name] = _to_sixteen_bits(values)
    return stored


def widen(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Undo ``quantize``: floats as float32, integers that have no scales as they are."""
    import torch

    scaled = {name for name, tensor in tensors.items() if tensor.dtype == torch.int8 and name + SCALE_SUFFIX in tensors}
    wide: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name in scaled:
            wide[name] = tensor.float() * tensors[name + SCALE_SUFFIX].float()
        elif name.removesuffix(SCALE_SUFFIX) not in scaled or not name.endswith(SCALE_SUFFIX):
            wide[name] = tensor.float() if tensor.is_floating_point() else tensor
    return wide


def read_foreign_state_dict(path: str | os.PathLike[str]) -> "dict[str, Tensor]":
    """Read somebody else's weights: ``.safetensors``, or a torch file that holds nothing but named tensors.

    Raises:
        CheckpointError: the file is missing or broken, or holds something else than named tensors.
    """
    import torch

    source = Path(path)
    if source.suffix == ".safetensors":
        return _read_safetensors(source)
    _require_file(source)
    try:
        content: Any = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises anything on strange bytes
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{source} cannot be read as plain tensors ({told}); Limner runs no code from weights: "
            "save it as safetensors where you trust it"
        ) from error
    if isinstance(content, Mapping) and all(isinstance(tensor, torch.Tensor) for tensor in content.values()):
        return {str(name): tensor for name, tensor in content.items()}
    what = f"the entries {_some(sorted(map(str, content)))}" if isinstance(content, Mapping) else type(content).__name__
    raise CheckpointError(f"{source} holds {what}, expected named tensors; save the bare state dict")


def _read_safetensors(path: Path) -> "dict[str, Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _require_file(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error}); fetch it again") from error


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file of weights; check the name")


def _worth_eight_bits(values: "Tensor") -> bool:
    return (
        values.ndim >= 2 and values.numel() >= MIN_QUANTIZED_ELEMENTS and values[0].numel() >= MIN_ELEMENTS_PER_CHANNEL
    )


def _to_eight_bits(values: "Tensor") -> "tuple[Tensor, Tensor]":
    import torch

    largest = values.abs().amax(dim=tuple(range(1, values.ndim)), keepdim=True)
    scale = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
    return (values / scale).round().clamp(-127, 127).to(torch.int8), scale


def _to_sixteen_bits(values: "Tensor") -> "Tensor":
    import torch

    half = values.half()
    return half if torch.allclose(half.float(), values, rtol=1e-3, atol=0) else values


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
