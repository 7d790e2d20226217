"""The rival to compare FACT with: one global face vector through decoupled attention, after IP-Adapter (2308.06721).

The vector is the mean of the encoder's patch tokens, from which the encoder's own embedding is one linear step, so
that it reads the same files and identities as FACT and is trained by the same objective.
"""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Self, Unpack

from pydantic import PositiveInt
from torch import Tensor, nn

from limner.adapters.decoupled import DecoupledFaceAdapter
from limner.adapters.memory import FaceMemory
from limner.adapters.projectors import EmbeddingProjector, pooled
from limner.adapters.seam import Site, find_sites
from limner.core.checkpoint import Header, save_checkpoint
from limner.systems.adapter_files import AdapterConfig, adapter_header, load_adapter, require_same_space
from limner.systems.showing import FaceGuidance, Showing, people_shown

SYSTEM = "decoupled"
VERSION = "1"


class DecoupledConfig(AdapterConfig):
    """What a decoupled adapter is made for and of.

    Attributes:
        num_tokens: face tokens made of one photo, 4 as in IP-Adapter.
        feature_width: width of the encoder's patch tokens.
        context_width: width of the face tokens.
    """

    num_tokens: PositiveInt = 4
    feature_width: PositiveInt = 512
    context_width: PositiveInt = 768


class Decoupled(nn.Module):
    """Projector and adapter that were trained together; used like :class:`limner.systems.fact.Fact`."""

    def __init__(self, config: DecoupledConfig, sites: Sequence[Site]) -> None:
        super().__init__()
        self.config = config
        self.projector = EmbeddingProjector(config.feature_width, config.num_tokens, config.context_width)
        self.adapter = DecoupledFaceAdapter(sites, config.context_width)

    @classmethod
    def for_backbone(cls, backbone: nn.Module, config: DecoupledConfig) -> Self:
        """A fresh model that leaves the backbone's output unchanged; the backbone is only looked at.

        Raises:
            TargetNotFoundError: the backbone has no block to enter.
        """
        return cls(config, find_sites(backbone, blocks=config.blocks))

    def face_tokens(self, face_features: Tensor) -> Tensor:
        """``(batch, photos, patches, width)`` -> ``(batch, photos * num_tokens, context_width)``; rows are people."""
        return self.projector(pooled(face_features))

    @property
    def null_tokens(self) -> Tensor:
        """The tokens of "no face", ``(1, num_tokens, context_width)``."""
        return self.projector.null_tokens()

    def conditioned(
        self,
        face_features: Tensor,
        *,
        photo_mask: Tensor | None = None,
        face_guidance: FaceGuidance = "dropped",
        memory: FaceMemory | None = None,
        **showing: Unpack[Showing],
    ) -> AbstractContextManager[None]:
        """Show the backbone these people; see :meth:`limner.systems.fact.Fact.conditioned`."""
        return people_shown(
            self,
            face_features,
            tokens_per_photo=self.config.num_tokens,
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
    def load(cls, path: str | os.PathLike[str], backbone: nn.Module) -> Self:
        """Read a model for this backbone, in eval mode.

        Raises:
            CheckpointError: the file is missing, broken, of another system or incomplete.
            AdapterError: it was made for another backbone.
        """
        return load_adapter(path, backbone, DecoupledConfig, cls, system=SYSTEM, version=VERSION)

    def header(self) -> Header:
        """What a file of these weights says about itself."""
        return adapter_header(SYSTEM, VERSION, self.config, self.adapter.sites)
