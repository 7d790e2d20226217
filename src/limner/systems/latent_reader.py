"""Draws latents from a row of tokens, so that lessons can ask tokens what they say about a picture; never kept."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LatentReader(nn.Module):
    """Tokens ``(batch, tokens, token_width)`` -> latents ``(batch, channels, rows, columns)``.

    As many place queries as the latents have positions read the tokens.
    """

    def __init__(self, token_width: int, latent_shape: Sequence[int], *, num_heads: int = 4) -> None:
        super().__init__()
        channels, self.rows, self.columns = latent_shape
        self.places = nn.Parameter(0.1 * torch.randn(1, self.rows * self.columns, token_width))
        self.norm = nn.LayerNorm(token_width)
        self.attention = nn.MultiheadAttention(token_width, num_heads, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(token_width),
            nn.Linear(token_width, 2 * token_width),
            nn.GELU(),
            nn.Linear(2 * token_width, token_width),
        )
        self.to_latents = nn.Linear(token_width, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        places = self.places.expand(len(tokens), -1, -1)
        hidden = places + self.attention(self.norm(places), tokens, tokens, need_weights=False)[0]
        hidden = hidden + self.feed_forward(hidden)
        return self.to_latents(hidden).transpose(1, 2).unflatten(2, (self.rows, self.columns))
