"""Gated self-attention over visual and face tokens: the layer FACT puts before a block's text attention.

After FaceChain-FACT (arXiv:2410.12312) and GLIGEN (arXiv:2301.07093). Queries are formed for the visual rows only,
since the face's are thrown away, and the face's keys and values can be kept while the face stays the same. On request
they are formed for some of the visual rows only, see ``sparse.py``.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limner.adapters.sparse import at_positions


class FaceKeys(NamedTuple):
    """What one layer remembers of a face: keys and values, each ``(batch, heads, tokens, head_width)``."""

    keys: Tensor
    values: Tensor


class Increments(NamedTuple):
    """What one layer adds to its input: the gated attention's part and the gated feed-forward's part.

    Each is ``(batch, positions, channels)``.
    """

    attention: Tensor
    feed_forward: Tensor

    @property
    def total(self) -> Tensor:
        """The whole increment."""
        return self.attention + self.feed_forward

    def times(self, factor: Tensor) -> "Increments":
        """Both parts weighted; ``factor`` is ``(batch, 1 or positions, 1)``."""
        factor = factor.to(self.attention)
        return Increments(self.attention * factor, self.feed_forward * factor)


def logit_bias(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """What attention is told of its keys: bool as it is, and shares in [0, 1] as logarithms on the logits.

    A key with the share w weighs as much as w of a key, so two equal ones of half a share are one, and 0 is no key.
    """
    return seen if seen.dtype == torch.bool else seen.float().log().to(dtype)


class SplitAttention(nn.Module):
    """Multi-head attention whose keys and values come in two parts, visual and face."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(channels, channels, bias=False)
        self.to_v = nn.Linear(channels, channels, bias=False)
        self.to_out = nn.Sequential(nn.Linear(channels, channels))

    def keys_and_values(self, normed: Tensor) -> FaceKeys:
        return FaceKeys(self._split(self.to_k(normed)), self._split(self.to_v(normed)))

    def forward(
        self, normed: Tensor, face: FaceKeys, face_mask: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        visual = self.keys_and_values(normed)
        mask = None
        if face_mask is not None:
            by_position = at_positions(face_mask, positions) if face_mask.ndim == 3 else face_mask[:, None]
            visual_mask = by_position.new_ones(*by_position.shape[:2], normed.shape[1])
            mask = logit_bias(torch.cat([visual_mask, by_position], dim=2)[:, None], normed.dtype)
        attended = F.scaled_dot_product_attention(
            self._split(self.to_q(at_positions(normed, positions))),
            torch.cat([visual.keys, face.keys.to(visual.keys.dtype)], dim=2),
            torch.cat([visual.values, face.values.to(visual.values.dtype)], dim=2),
            attn_mask=mask,
        )
        return self.to_out(attended.transpose(1, 2).flatten(2))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class GatedLinearUnit(nn.Module):
    """Linear to twice the width; one half, through the exact GELU, gates the other (arXiv:2002.05202)."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, 2 * inner)

    def forward(self, hidden: Tensor) -> Tensor:
        # Two products of half the width: to split one would have the backward pass copy both halves together again.
        weights, biases = self.proj.weight.chunk(2), self.proj.bias.chunk(2)
        value, gate = (F.linear(hidden, *half) for half in zip(weights, biases, strict=True))
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """Gated linear unit of four times the width, then back. The empty place keeps the released key ``net.2``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = 4 * channels
        self.net = nn.Sequential(GatedLinearUnit(channels, inner), nn.Identity(), nn.Linear(inner, channels))

    def forward(self, hidden: Tensor) -> Tensor:
        return self.net(hidden)


class GatedFaceAttention(nn.Module):
    """What the face adds to one block's hidden states, behind two gates that start shut.

    A fresh layer returns zeros, because ``tanh(0) = 0``. The increment is formed as a sum and never as a difference of
    large numbers, so half precision keeps its low bits. It has the dtype of ``visual``, whatever the weights have.
    """

    def __init__(self, channels: int, face_channels: int, *, heads: int) -> None:
        super().__init__()
        self.linear = nn.Linear(face_channels, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.attn = SplitAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)
        self.alpha_attn = nn.Parameter(torch.zeros(()))
        self.alpha_dense = nn.Parameter(torch.zeros(()))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.linear.weight.device

    def face_keys(self, face_tokens: Tensor) -> FaceKeys:
        """Keys and values of face tokens ``(batch, tokens, face_channels)``; they do not depend on the picture."""
        return self.attn.keys_and_values(self.norm1(self.linear(face_tokens.to(self.linear.weight.dtype))))

    def is_silent(self, face: FaceKeys) -> bool:
        """Whether every increment is zero, whatever the face: the gates are shut."""
        return not bool(self.alpha_attn.tanh() != 0) and not bool(self.alpha_dense.tanh() != 0)

    def forward(
        self,
        visual: Tensor,
        face: FaceKeys,
        *,
        scale: float | Tensor = 1.0,
        face_mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Increments:
        """Compute the two increments.

        Args:
            visual: ``(batch, positions, channels)``, the hidden states after self-attention.
            face: one row per row of ``visual``.
            scale: adapter scale; it multiplies both gates.
            face_mask: ``(batch, tokens)``, False where a row has no face token, or ``(batch, positions, tokens)``,
                False where a position does not see it; or how much each counts, in [0, 1]; all take part if None.
            positions: int64 ``(batch, inside)``, the positions whose increments are wanted; all if None.

        Returns:
            Increments of the wanted positions.
        """
        hidden = visual.to(self.linear.weight.dtype)
        attended = (scale * self.alpha_attn.tanh()) * self.attn(self.norm1(hidden), face, face_mask, positions)
        wanted = at_positions(hidden, positions)
        dense = (scale * self.alpha_dense.tanh()) * self.ff(self.norm2(wanted + attended))
        return Increments(attended.to(visual.dtype), dense.to(visual.dtype))
