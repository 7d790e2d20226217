"""Decoupled attention to the face, the common rival of FACT: beside each text attention one to the face, summed.

After IP-Adapter (arXiv:2308.06721): per block new keys and values for the face, while queries and output projection are
the text attention's own. One thing differs: the values start at zero instead of the text's weights, so that a fresh
adapter leaves the backbone's output unchanged, as every adapter here does.
"""

from functools import partial
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from limner.adapters.attention import FaceKeys, Increments, logit_bias
from limner.adapters.life_cycle import SeamAdapter
from limner.adapters.place import Place
from limner.adapters.seam import Blocks, Seam, Site, find_sites
from limner.adapters.sparse import at_positions


class DecoupledFaceAttention(nn.Module):
    """Keys and values of the face for one block's text attention."""

    def __init__(self, channels: int, face_channels: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_k = nn.Linear(face_channels, channels, bias=False)
        self.to_v = nn.Linear(face_channels, channels, bias=False)
        nn.init.zeros_(self.to_v.weight)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.to_k.weight.device

    def face_keys(self, face_tokens: Tensor) -> FaceKeys:
        """Keys and values of face tokens ``(batch, tokens, face_channels)``; they do not depend on the picture."""
        tokens = face_tokens.to(self.to_k.weight.dtype)
        return FaceKeys(self._split(self.to_k(tokens)), self._split(self.to_v(tokens)))

    def is_silent(self, face: FaceKeys) -> bool:
        """Whether these faces' increments are exactly zero: their values are."""
        return not bool(face.values.any())

    def forward(
        self,
        normed: Tensor,
        face: FaceKeys,
        *,
        text: nn.Module,
        scale: float | Tensor = 1.0,
        face_mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Increments:
        """Compute the increment.

        Args:
            normed: ``(batch, positions, channels)``, what the text attention reads.
            face: one row per row of ``normed``.
            text: the block's text attention, whose projections are used and not trained.
            scale: adapter scale.
            face_mask: ``(batch, tokens)``, False where a row has no face token, or ``(batch, positions, tokens)``,
                False where a position does not see it; or how much each counts, in [0, 1]; all take part if None.
            positions: int64 ``(batch, inside)``, the positions whose increments are wanted; all if None.

        Returns:
            Increments of the wanted positions.
        """
        projections: Any = text
        normed = at_positions(normed, positions)
        queries = self._split(projections.to_q(normed).to(face.keys.dtype))
        mask = None
        if face_mask is not None:
            by_position = at_positions(face_mask, positions) if face_mask.ndim == 3 else face_mask[:, None]
            mask = logit_bias(by_position[:, None], queries.dtype)
        seen = F.scaled_dot_product_attention(queries, face.keys, face.values, attn_mask=mask)
        seen = seen.transpose(1, 2).flatten(2).to(normed.dtype)
        output = projections.to_out[0]
        # The projection's bias belongs to the text's part; a call, unlike the weight, has a style LoRA in it.
        attended = scale * (output(seen) - output(torch.zeros_like(seen[:1, :1])))
        return Increments(attended, torch.zeros_like(attended))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class DecoupledFaceAdapter(SeamAdapter):
    """One :class:`DecoupledFaceAttention` per site. Fresh, it leaves the backbone's output unchanged."""

    @classmethod
    def for_backbone(cls, backbone: nn.Module, *, face_channels: int, blocks: Blocks = "all") -> Self:
        """A fresh adapter for a diffusers model; the model is only looked at.

        Args:
            backbone: any diffusers model with text-attention blocks.
            face_channels: width of the face tokens.
            blocks: "all", or "first" for the first block of each stack.

        Raises:
            TargetNotFoundError: the model has no such block.
        """
        return cls(find_sites(backbone, blocks=blocks), face_channels)

    def new_layer(self, site: Site) -> DecoupledFaceAttention:
        return DecoupledFaceAttention(site.channels, self.face_channels, heads=site.heads)

    def attach(self, place: Place, seam: Seam) -> list[RemovableHandle]:
        def on_entry(module: nn.Module, args: tuple[Any, ...]) -> None:
            place.pending = None if place.shown is None else args[0]

        def on_exit(text: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
            block_input = place.taken()
            if block_input is None:
                return None
            increment = self.increment(place, block_input, args[0], partial(place.layer, text=text))
            return None if increment is None else output + increment

        return [seam.entry.register_forward_pre_hook(on_entry), seam.exit.register_forward_hook(on_exit)]
