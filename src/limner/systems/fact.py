"""FACT: a person's face tokens in the blocks of a frozen backbone (arXiv:2410.12312).

A face encoder's patch tokens go through a resampler; a gated adapter reads the result between self- and text attention.
This file composes the two, and saves and loads them as one.
"""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Self, Unpack

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from limner.adapters.adapter import GatedFaceAdapter, Order
from limner.adapters.memory import FaceMemory
from limner.adapters.projectors import Resampler, ResamplerConfig, pooled
from limner.adapters.seam import Site, find_sites
from limner.core.checkpoint import Header, save_checkpoint
from limner.systems.adapter_files import AdapterConfig, adapter_header, load_adapter, require_same_space
from limner.systems.showing import FaceGuidance, Showing, people_shown

SYSTEM = "fact"
VERSION = "1"


class FactConfig(AdapterConfig):
    """What a FACT model is made for and of.

    Attributes:
        num_patches: patch tokens of one photo.
        order: "sequential", FACT's, or "parallel" to the block's text attention.
        tokens: "patches", FACT's, or "global": the mean of a photo's patch tokens, one per photo.
        nuisance: in so many directions of a photo's patch tokens, those in which photos of one person differ most
            (:mod:`limner.identity.nuisance`), nothing is seen; FACT's 0 sees all, smile and head direction among it.
        resampler: sizes of the projector; its ``context_width`` is what the adapter reads.
    """

    num_patches: PositiveInt = 144
    order: Order = "sequential"
    tokens: Literal["patches", "global"] = "patches"
    nuisance: NonNegativeInt = 0
    resampler: ResamplerConfig = ResamplerConfig()


class Fact(nn.Module):
    """Resampler and adapter that were trained together.

    Use: ``with fact.adapter.injected(pipeline.unet), fact.conditioned(features): pipeline(prompt)``.
    """

    def __init__(self, config: FactConfig, sites: Sequence[Site]) -> None:
        super().__init__()
        self.config = config
        self.resampler = Resampler(config.resampler)
        self.adapter = GatedFaceAdapter(sites, config.resampler.context_width, order=config.order)
        self.nuisance: Tensor | None
        told = config.num_patches * config.resampler.feature_width
        self.register_buffer("nuisance", torch.zeros(config.nuisance, told) if config.nuisance else None)

    @classmethod
    def for_backbone(cls, backbone: nn.Module, config: FactConfig) -> Self:
        """A fresh model that leaves the backbone's output unchanged; the backbone is only looked at.

        Raises:
            TargetNotFoundError: the backbone has no block to enter.
        """
        return cls(config, find_sites(backbone, blocks=config.blocks))

    @property
    def projector(self) -> nn.Module:
        """The part that makes face tokens of features."""
        return self.resampler

    def face_tokens(self, face_features: Tensor) -> Tensor:
        """``(batch, photos, patches, width)`` -> ``(batch, photos * num_tokens, context_width)``; rows are people."""
        if self.nuisance is not None:
            told, unheard = face_features.flatten(-2), self.nuisance.to(face_features)
            face_features = (told - told @ unheard.T @ unheard).unflatten(-1, face_features.shape[-2:])
        return self.resampler(pooled(face_features) if self.config.tokens == "global" else face_features)

    @property
    def null_tokens(self) -> Tensor:
        """The tokens of "no face", ``(1, num_tokens, context_width)``."""
        return self.resampler.null_tokens(1 if self.config.tokens == "global" else self.config.num_patches)

    def conditioned(
        self,
        face_features: Tensor,
        *,
        photo_mask: Tensor | None = None,
        face_guidance: FaceGuidance = "dropped",
        memory: FaceMemory | None = None,
        **showing: Unpack[Showing],
    ) -> AbstractContextManager[None]:
        """Show the backbone these people; see :meth:`GatedFaceAdapter.conditioned`.

        Args:
            face_features: ``(people, photos, patches, width)``.
            photo_mask: ``(people, photos)``, how much each photo counts, 0 where there is none, as
                ``projectors.stack_photos`` gives it.
            face_guidance: what the unconditional rows see: the null face, or the person's.
            memory: keeps the tokens as well.
            showing: as there.
        """
        return people_shown(
            self,
            face_features,
            tokens_per_photo=self.config.resampler.num_tokens,
            photo_mask=photo_mask,
            face_guidance=face_guidance,
            memory=memory,
            **showing,
        )

    def require_space(self, feature_space: str) -> None:
        """Refuse features of another recogniser.

        Raises:
            FeatureSpaceError: they are of another space than this model was trained on.
        """
        require_same_space(feature_space, self.config.feature_space)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one file that says what it is for."""
        save_checkpoint(path, self.state_dict(), self.header())

    @classmethod
    def load(cls, path: str | os.PathLike[str], backbone: nn.Module | None) -> Self:
        """Read a model for this backbone, in eval mode; None where it is no diffusers model, as in ComfyUI.

        Raises:
            CheckpointError: the file is missing, broken, of another system or incomplete.
            AdapterError: it was made for another backbone.
        """
        return load_adapter(path, backbone, FactConfig, cls, system=SYSTEM, version=VERSION)

    def header(self) -> Header:
        """What a file of these weights says about itself."""
        return adapter_header(SYSTEM, VERSION, self.config, self.adapter.sites)
