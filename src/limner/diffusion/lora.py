"""A style LoRA in a base for the length of a block: put in by diffusers and peft, taken out without a trace.

Whether it was made for this base is found out before anything is touched: peft itself leaves out parts that find no
place, with a remark in the log.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from torch import Tensor, nn

from limner.core.checkpoint import Header, quantize, read_foreign_state_dict, save_checkpoint, widen
from limner.core.errors import AdapterError, CheckpointError

_NAME = "limner_style"
_ENDS = {".lora_A.weight": 1, ".lora_B.weight": 0}  # which axis of the module's own weight each half meets


@contextmanager
def worn(pipeline: Any, path: str | os.PathLike[str], *, weight: float = 1.0) -> Iterator[None]:
    """Put a LoRA into a stock pipeline's denoiser and text encoders; afterwards they are as before, on errors, too.

    Args:
        pipeline: Stable Diffusion in diffusers, or anything with its loader.
        path: safetensors, in diffusers', peft's or kohya's layout, or of :func:`save_lora`.
        weight: multiplier of the LoRA.

    Raises:
        CheckpointError: the file is missing, broken, no safetensors or no LoRA.
        AdapterError: it was made for another base.
    """
    path = Path(path)
    parts = _parts(pipeline)
    tensors = _read(path)
    require_fitting(pipeline, tensors, path)
    before = [_Snapshot(part) for part in parts.values()]
    try:
        try:
            pipeline.load_lora_weights(dict(tensors), adapter_name=_NAME)
            pipeline.set_adapters([_NAME], [weight])
        except Exception as error:  # diffusers and peft raise anything on what they cannot place
            told = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise AdapterError(f"{path} cannot be put into this base ({told}); use a LoRA made for it") from error
        yield
    finally:
        pipeline.unload_lora_weights()
        for snapshot in before:
            snapshot.restore()


def require_fitting(pipeline: Any, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse a LoRA of which any part has no place, or another size, in this base; nothing is touched.

    Raises:
        CheckpointError: it is no LoRA.
        AdapterError: it was made for another base.
    """
    unet_config = pipeline.unet.config
    try:
        state = pipeline.lora_state_dict(dict(tensors), unet_config=unet_config)[0]
    except Exception as error:  # the converters raise anything on names they do not know
        raise AdapterError(
            f"{path} has parts that this base does not know ({error}); use a LoRA made for it"
        ) from error
    parts, checked = _parts(pipeline), 0
    for name, tensor in state.items():
        part, _, key = name.partition(".")
        if part not in parts:
            raise AdapterError(f"{path} is for a {part!r}, which this base does not have; use a LoRA made for it")
        checked += _check(parts[part], _as_peft(part, key, tensor, parts[part]), tensor, path)
    if not checked:
        raise CheckpointError(f"{path} holds no LoRA; give a file with lora_A and lora_B, or down and up, weights")


def save_lora(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    system: str,
    licence: str,
    config: Mapping[str, JsonValue] | None = None,
) -> None:
    """Write a LoRA in 8 bits a weight, as :func:`worn` reads it.

    Args:
        tensors: ``lora_A`` and ``lora_B`` weights under diffusers' names, their product not to be scaled.
        system: what it is, for the file's header.
        licence: name of a record in ``limner licences``.
        config: what else whoever wears it must know, for the header.

    Raises:
        InputError: the file cannot be written.
    """
    save_checkpoint(
        path, quantize(tensors), Header(system=system, version="1", licence=licence, config=dict(config or {}))
    )


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path} is no .safetensors file; Limner runs no code from weights: convert it")
    tensors = read_foreign_state_dict(path)
    if any("dora_scale" in name for name in tensors):
        raise CheckpointError(f"{path} is a DoRA, whose magnitudes diffusers leaves out; use a plain LoRA")
    return widen(tensors)


def _parts(pipeline: Any) -> dict[str, nn.Module]:
    """The modules a LoRA may enter, by the names that files use."""
    names = pipeline._lora_loadable_modules
    return {name: getattr(pipeline, name) for name in names if getattr(pipeline, name, None) is not None}


def _as_peft(part: str, key: str, tensor: Tensor, module: nn.Module) -> str:
    from diffusers.utils.state_dict_utils import (
        convert_state_dict_to_diffusers,
        convert_state_dict_to_peft,
        convert_unet_state_dict_to_peft,
    )

    if "lora_A" in key or "lora_B" in key:
        name = key
    elif part == "unet":
        [name] = convert_unet_state_dict_to_peft({key: tensor})
    else:
        [name] = convert_state_dict_to_peft(convert_state_dict_to_diffusers({key: tensor}))
    return name if hasattr(module, "text_model") else name.removeprefix("text_model.")


def _check(part: nn.Module, name: str, tensor: Tensor, path: Path) -> int:
    """1 if this tensor meets a module's weight, 0 if it is no half of a LoRA."""
    end = next((end for end in _ENDS if name.endswith(end)), None)
    if end is None:
        return 0
    place = name.removesuffix(end)
    try:
        own = part.get_submodule(place).get_parameter("weight")
    except AttributeError as error:
        raise AdapterError(
            f"{path} was made for another base: there is no {place!r} in this {type(part).__name__}; use a LoRA made "
            "for it"
        ) from error
    axis = _ENDS[end]
    if own.shape[axis] != tensor.shape[axis]:
        raise AdapterError(
            f"{path} was made for another base: its {place!r} has width {tensor.shape[axis]}, here it is "
            f"{own.shape[axis]}; use a LoRA made for this base"
        )
    return 1


class _Snapshot:
    """What loading a LoRA changes besides adding its layers: modules replaced, flags of parameters, new attributes."""

    def __init__(self, part: nn.Module) -> None:
        self.part = part
        self.children = [(module, dict(module.named_children())) for module in part.modules()]
        self.trained = [(parameter, parameter.requires_grad) for parameter in part.parameters()]
        self.attributes = dict(vars(part))

    def restore(self) -> None:
        for module, children in self.children:
            for name, child in children.items():
                setattr(module, name, child)
        for parameter, trained in self.trained:
            parameter.requires_grad_(trained)
        for name in vars(self.part).keys() - self.attributes.keys():
            delattr(self.part, name)
