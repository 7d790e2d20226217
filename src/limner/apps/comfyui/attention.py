"""FACT's attention as a patch of ComfyUI's own model, which is no diffusers UNet.

ComfyUI calls the patches named ``middle_patch`` in each transformer block between self-attention and text attention,
with the sum of the hidden states and of what self-attention gave, and goes on with what they return. That is exactly
where FACT's increment belongs: the text attention reads it, and the block's residual keeps it. The model itself is not
touched; ComfyUI clones the patcher, and the clone knows the patch.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from limner.adapters.adapter import GatedFaceAdapter
from limner.adapters.attention import FaceKeys
from limner.adapters.condition import laid_end_to_end
from limner.adapters.seam import Site
from limner.core.errors import AdapterError

Place = tuple[str, int, int]
"""ComfyUI's name of a transformer block: "input", "middle" or "output", the number in that list, the number within."""
Patch = Callable[[Tensor, dict[str, Any]], Tensor]
CONDITIONAL = 0
"""What ComfyUI writes into ``cond_or_uncond`` for rows that follow the prompt; 1 for those that do not."""
BLOCKS_PER_LEVEL = 3
"""Two residual blocks and a change of size (going down), or three residual blocks (going up), in Stable Diffusion 1.5
and XL alike."""
_SIDE = re.compile(r"(down|up)_blocks\.(\d+)\.attentions\.(\d+)\.transformer_blocks\.(\d+)")
_MIDDLE = re.compile(r"mid_block\.attentions\.0\.transformer_blocks\.(\d+)")
_LISTS = {"input": "input_blocks.{}.1", "middle": "middle_block.1", "output": "output_blocks.{}.1"}


def place_of(path: str) -> Place:
    """ComfyUI's name of the block that diffusers calls by this path.

    Raises:
        AdapterError: Stable Diffusion 1.5 and XL have no such block.
    """
    if found := _MIDDLE.fullmatch(path):
        return "middle", 0, int(found[1])
    if found := _SIDE.fullmatch(path):
        level, number, inner = (int(digits) for digits in found.groups()[1:])
        # The first of the input blocks is the convolution that everything begins with.
        first, kind = (1, "input") if found[1] == "down" else (0, "output")
        return kind, first + level * BLOCKS_PER_LEVEL + number, inner
    raise AdapterError(f"the adapter enters {path}, which is no block of Stable Diffusion 1.5 or XL")


def require_blocks(diffusion_model: nn.Module, sites: Sequence[Site]) -> dict[Place, str]:
    """Paths of the adapter's layers by ComfyUI's name of the block.

    Raises:
        AdapterError: the model lacks one of the blocks, or it has another width.
    """
    places = {place_of(site.name): site.name for site in sites}
    for (kind, number, inner), site in zip(places, sites, strict=True):
        path = f"{_LISTS[kind].format(number)}.transformer_blocks.{inner}"
        try:
            width = diffusion_model.get_submodule(path).get_parameter("norm2.weight").shape[0]
        except AttributeError:
            width = None
        if width != site.channels:
            has = "no such block" if width is None else f"{width} channels there"
            raise AdapterError(
                f"the adapter was made for a model with {site.channels} channels in {path}, this one has {has}; use an "
                "adapter that was trained for this model"
            )
    return places


@dataclass(frozen=True, eq=False)
class Showing:
    """A person as shown to a model.

    Attributes:
        face_tokens: ``(1, tokens, face_channels)``.
        null_tokens: ``(1, tokens or a divisor, face_channels)`` for rows without the prompt; None: they see the face.
        scale: multiplier of the increment.
        sigmas: (highest, lowest) noise at which it acts; lowest excluded, as in ComfyUI.
    """

    face_tokens: Tensor
    null_tokens: Tensor | None
    scale: float
    sigmas: tuple[float, float]


@dataclass(eq=False)
class _Memory:
    """The adapter where the model computes, and the keys of the face and of no face, layer by layer."""

    adapter: GatedFaceAdapter
    tokens: Tensor
    made_for: tuple[torch.device, torch.dtype] | None = None
    keys: dict[str, FaceKeys] = field(default_factory=dict)

    def of(self, layer: str, hidden: Tensor) -> FaceKeys:
        """Keys and values ``(2, heads, tokens, head_width)``: the face, then no face."""
        where = hidden.device, hidden.dtype
        if where != self.made_for:
            self.adapter.to(*where)
            self.made_for, self.keys = where, {}
        if layer not in self.keys:
            self.keys[layer] = self.adapter.layer(layer).face_keys(self.tokens.to(*where))
        return self.keys[layer]


def face_patch(adapter: GatedFaceAdapter, places: Mapping[Place, str], showing: Showing) -> Patch:
    """A ``middle_patch`` that adds what the adapter sees of a person.

    It is a plain function, because ComfyUI copies the options of a model deeply, and functions are not copied.
    """
    nulls = showing.face_tokens if showing.null_tokens is None else showing.null_tokens
    tokens = torch.cat([showing.face_tokens, laid_end_to_end(nulls, showing.face_tokens.shape[1])])
    memory = _Memory(adapter, tokens)

    def patch(hidden: Tensor, options: dict[str, Any]) -> Tensor:
        layer = places.get((*options["block"], options.get("block_index", 0)))
        if layer is None or not _acts(options, showing):
            return hidden
        with torch.no_grad():
            both = memory.of(layer, hidden)
            rows = _rows(options["cond_or_uncond"], hidden)
            face = FaceKeys(both.keys[rows], both.values[rows])
            increments = adapter.layer(layer)(hidden, face, scale=showing.scale)
            return hidden + (increments.attention + increments.feed_forward)

    return patch


def _acts(options: Mapping[str, Any], showing: Showing) -> bool:
    highest, lowest = showing.sigmas
    return showing.scale != 0 and lowest < float(options["sigmas"].max()) <= highest


def _rows(cond_or_uncond: Sequence[int], hidden: Tensor) -> Tensor:
    """For each row 0, the face, or 1, no face; each entry stands for as many rows, one behind the other."""
    each = hidden.shape[0] // len(cond_or_uncond)
    kinds = [0 if kind == CONDITIONAL else 1 for kind in cond_or_uncond]
    return torch.tensor(kinds, device=hidden.device).repeat_interleave(each)
