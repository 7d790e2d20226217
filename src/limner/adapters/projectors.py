"""Resampler that turns a face encoder's patch tokens into the few tokens an adapter reads.

After the projector of FaceChain-FACT (arXiv:2410.12312), a Perceiver resampler with learned queries. The null face is
the same network on all-zero patches, so it is a constant of the weights.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import PositiveInt
from torch import Tensor, nn

from limner.core.config import Config


class ResamplerConfig(Config):
    """Sizes of a :class:`Resampler`; the defaults are FACT's for Stable Diffusion 1.5."""

    feature_width: PositiveInt = 512
    width: PositiveInt = 1024
    num_layers: PositiveInt = 4
    num_heads: PositiveInt = 12
    head_width: PositiveInt = 64
    num_tokens: PositiveInt = 16
    context_width: PositiveInt = 768
    expansion: PositiveInt = 4


class ResamplerAttention(nn.Module):
    """Queries read patches and each other; both sides have their own norm.

    Shape: patches ``(photos, patches, width)``, queries ``(photos, tokens, width)`` -> ``(photos, tokens, width)``.
    """

    def __init__(self, width: int, num_heads: int, head_width: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        inner = num_heads * head_width
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, patches: Tensor, queries: Tensor) -> Tensor:
        normed_queries = self.norm2(queries)
        keys, values = self.to_kv(torch.cat([self.norm1(patches), normed_queries], dim=1)).chunk(2, dim=-1)
        query, key, value = (
            t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in (self.to_q(normed_queries), keys, values)
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.to_out(attended.transpose(1, 2).flatten(2))


class ResamplerLayer(nn.ModuleList):
    """Attention, then a feed-forward, each added to the queries. A list, so that keys equal the released ones."""

    def __init__(self, config: ResamplerConfig) -> None:
        inner = config.width * config.expansion
        super().__init__(
            [
                ResamplerAttention(config.width, config.num_heads, config.head_width),
                nn.Sequential(
                    nn.LayerNorm(config.width),
                    nn.Linear(config.width, inner, bias=False),
                    nn.GELU(),
                    nn.Linear(inner, config.width, bias=False),
                ),
            ]
        )

    def forward(self, patches: Tensor, queries: Tensor) -> Tensor:
        attention, feed_forward = self
        queries = queries + attention(patches, queries)
        return queries + feed_forward(queries)


class Resampler(nn.Module):
    """Face features of several photos -> face tokens, the photos of one person laid end to end.

    Rows are people and do not see each other, so a batch equals its rows run alone.
    """

    def __init__(self, config: ResamplerConfig) -> None:
        super().__init__()
        self.config = config
        self.latents = nn.Parameter(torch.randn(1, config.num_tokens, config.width) / config.width**0.5)
        self.proj_in = nn.Linear(config.feature_width, config.width)
        self.layers = nn.ModuleList(ResamplerLayer(config) for _ in range(config.num_layers))
        self.proj_out = nn.Linear(config.width, config.context_width)
        self.norm_out = nn.LayerNorm(config.context_width)
        self._null_cache: tuple[object, Tensor] | None = None

    def forward(self, face_features: Tensor) -> Tensor:
        """Project face features.

        Args:
            face_features: ``(batch, photos, patches, feature_width)``, or ``(batch, patches, feature_width)`` for one
                photo each.

        Returns:
            ``(batch, photos * num_tokens, context_width)``.

        Raises:
            ValueError: the shape is neither of the two.
        """
        if face_features.ndim == 3:
            face_features = face_features.unsqueeze(1)
        if face_features.ndim != 4 or face_features.shape[-1] != self.config.feature_width:
            raise ValueError(
                f"face features of shape {tuple(face_features.shape)}; expected (batch, photos, patches, "
                f"{self.config.feature_width}) or (batch, patches, {self.config.feature_width})"
            )
        batch, photos = face_features.shape[:2]
        patches = self.proj_in(face_features.flatten(0, 1))
        queries = self.latents.expand(batch * photos, -1, -1)
        for layer in self.layers:
            queries = layer(patches, queries)
        tokens = self.norm_out(self.proj_out(queries))
        return tokens.reshape(batch, photos * self.config.num_tokens, self.config.context_width)

    def null_tokens(self, num_patches: int) -> Tensor:
        """Tokens of "no face", ``(1, num_tokens, context_width)``.

        Outside training they are computed once and kept until a weight changes.

        Args:
            num_patches: patches a photo has in this feature space; it sets how far zeros dilute the queries.
        """
        zeros = self.proj_in.weight.new_zeros(1, num_patches, self.config.feature_width)
        if self.training or torch.is_grad_enabled():
            return self(zeros)
        state = (num_patches, [(p.data_ptr(), p._version, p.dtype) for p in self.parameters()])
        if self._null_cache is None or self._null_cache[0] != state:
            self._null_cache = (state, self(zeros))
        return self._null_cache[1]


class EmbeddingProjector(nn.Module):
    """One vector per photo -> ``num_tokens`` tokens by a linear layer and a norm, after IP-Adapter (arXiv:2308.06721).

    Rows are people and do not see each other. Shape: ``(batch, photos, 1, feature_width)`` ->
    ``(batch, photos * num_tokens, context_width)``.
    """

    def __init__(self, feature_width: int, num_tokens: int, context_width: int) -> None:
        super().__init__()
        self.num_tokens, self.context_width = num_tokens, context_width
        self.proj = nn.Linear(feature_width, num_tokens * context_width)
        self.norm = nn.LayerNorm(context_width)

    def forward(self, embeddings: Tensor) -> Tensor:
        tokens = self.proj(embeddings.squeeze(2)).unflatten(-1, (self.num_tokens, self.context_width))
        return self.norm(tokens).flatten(1, 2)

    def null_tokens(self) -> Tensor:
        """Tokens of an all-zero vector, ``(1, num_tokens, context_width)``."""
        return self(self.proj.weight.new_zeros(1, 1, 1, self.proj.in_features))


def pooled(face_features: Tensor) -> Tensor:
    """Mean over patches, ``(..., patches, width)`` -> ``(..., 1, width)``: all that a linear head on the mean sees."""
    return face_features.mean(dim=-2, keepdim=True)


def stack_photos(people: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Features of people with different numbers of photos as one batch.

    Args:
        people: per person ``(photos, patches, width)``.
        weights: per person ``(photos,)``, how much each photo counts, in (0, 1].

    Returns:
        ``(people, photos, patches, width)``, filled up with zeros, and ``(people, photos)`` the weights, 0 where there
        is no photo, or None where all count fully.
    """
    features = nn.utils.rnn.pad_sequence(list(people), batch_first=True)
    counted = nn.utils.rnn.pad_sequence([one.float() for one in weights], batch_first=True).to(features.device)
    return features, None if bool((counted == 1).all()) else counted
