"""The face transformer in TransFace-S's layout: patch tokens for adapters, one embedding for recognition.

Layout after arXiv:2308.10133 as FaceChain-FACT (arXiv:2410.12312) uses it. The trunk is shared; what turns its tokens
into an embedding is a head given at construction: :class:`ReweightedHead` is TransFace's (48.7 M of 86.7 M parameters),
:class:`MeanHead` is Limner's light one. So is what cuts a face into patches: :class:`LinearPatches` is TransFace's,
:class:`limner.identity.conv_patches.ConvPatches` lets convolutions look first. Not as released: the training-only
``mask_token`` is left out, and the head's weights sit under ``head.``; :mod:`limner.identity.transface` translates.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limner.core.errors import ConfigError

BATCH_NORM_EPSILON = 2e-5


@dataclass(frozen=True)
class ViTConfig:
    """Sizes of a face transformer; the defaults are TransFace-S."""

    image_pixels: int = 112
    patch: int = 9
    width: int = 512
    depth: int = 12
    heads: int = 8
    embedding: int = 512
    mlp_ratio: int = 4

    def __post_init__(self) -> None:
        if self.width % self.heads or self.image_pixels < self.patch:
            raise ConfigError(
                f"a face transformer cannot be {self.width} wide with {self.heads} heads on {self.image_pixels} px in "
                f"patches of {self.patch} px; give a width that the heads divide and at least one patch"
            )

    @property
    def num_patches(self) -> int:
        """Whole patches only: with 9 px patches the right and bottom 4 px of a 112 px face are never seen."""
        return (self.image_pixels // self.patch) ** 2


class MeanHead(nn.Module):
    """Mean over tokens, then one linear layer. Shape: ``(batch, patches, width)`` -> ``(batch, dim)``."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.projection = nn.Linear(config.width, config.embedding)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.projection(tokens.mean(dim=1))


class ReweightedHead(nn.Module):
    """TransFace's head: each token is weighted by what all tokens say, then all are projected together.

    Shape: ``(batch, patches, width)`` -> ``(batch, dim)``.
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        flat = config.num_patches * config.width
        self.senet = nn.Sequential(
            nn.Linear(flat, config.num_patches, bias=False),
            nn.ReLU(),
            nn.Linear(config.num_patches, config.num_patches, bias=False),
            nn.Sigmoid(),
        )
        self.feature = nn.Sequential(
            nn.Linear(flat, config.width, bias=False),
            nn.BatchNorm1d(config.width, eps=BATCH_NORM_EPSILON),
            nn.Linear(config.width, config.embedding, bias=False),
            nn.BatchNorm1d(config.embedding, eps=BATCH_NORM_EPSILON),
        )

    def token_weights(self, tokens: Tensor) -> Tensor:
        """Weight of each token in (0, 1), shape ``(batch, patches)``."""
        return self.senet(tokens.flatten(1))

    def forward(self, tokens: Tensor) -> Tensor:
        reweighted = tokens * self.token_weights(tokens)[:, :, None]
        return self.feature(reweighted.flatten(1))


class FaceViT(nn.Module):
    """Aligned faces in, patch tokens and identity embeddings out.

    Images are ``(batch, 3, image_pixels, image_pixels)`` in [-1, 1], aligned to ``arcface-112``.
    """

    def __init__(
        self,
        config: ViTConfig,
        *,
        head: Callable[[ViTConfig], nn.Module] = MeanHead,
        patches: Callable[[ViTConfig], nn.Module] | None = None,
    ) -> None:
        """``patches``: builds what turns images into ``(batch, num_patches, width)``; linear if None."""
        super().__init__()
        self.config = config
        self.patch_embed = (patches or LinearPatches)(config)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.num_patches, config.width))
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.head = head(config)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.apply(_initialise)

    def hidden_states(self, images: Tensor) -> list[Tensor]:
        """Patches with position, then the output of each block: depth + 1 tensors ``(batch, patches, width)``."""
        return self._states(self.patch_embed(images))

    def tokens(self, images: Tensor) -> Tensor:
        """Face features after the final LayerNorm, ``(batch, patches, width)``."""
        return self.tokens_of(self.patch_embed(images))

    def tokens_of(self, patches: Tensor) -> Tensor:
        """The same, of what ``patch_embed`` made of the images."""
        return self.norm(self._states(patches)[-1])

    def _states(self, patches: Tensor) -> list[Tensor]:
        states = [patches + self.pos_embed]
        for block in self.blocks:
            states.append(block(states[-1]))
        return states

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings before normalising, ``(batch, dim)``; their length is a quality cue."""
        return self.head(self.tokens(images))

    def embed(self, images: Tensor) -> Tensor:
        """Identity embeddings of unit length, float32, ``(batch, dim)``."""
        return F.normalize(self(images).float(), dim=-1)


class LinearPatches(nn.Module):
    """Each patch by one linear layer: ``(batch, 3, side, side)`` -> ``(batch, patches, width)``."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.width, config.patch, stride=config.patch)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images).flatten(2).mT


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        qkv = self.qkv(tokens).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(batch, count, width))


class _MLP(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(F.relu6(self.fc1(tokens)))


class _Block(nn.Module):
    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width)
        self.attn = _Attention(config.width, config.heads)
        self.norm2 = nn.LayerNorm(config.width)
        self.mlp = _MLP(config.width, config.mlp_ratio * config.width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
