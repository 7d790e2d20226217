"""A face adapter that is open: how it shows people to the base that it was made for."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from limner.adapters.memory import FaceMemory
from limner.adapters.projectors import stack_photos
from limner.adapters.sparse import Sparse
from limner.apps.bases import Base
from limner.core.checkpoint import read_header
from limner.core.errors import FeatureSpaceError
from limner.identity.encoder import EncoderRecognizer
from limner.identity.identity import Identity
from limner.identity.recognition import Recognizer
from limner.systems.designs import FaceSystem


@dataclass(frozen=True)
class Showing:
    """How people are shown to a base; see :class:`limner.apps.settings.Dials`.

    Attributes:
        guided: whether batches are [unconditional, conditional].
    """

    scale: float
    guided: bool
    block_scales: Mapping[str, float] = field(default_factory=dict)
    window: tuple[float, float] = (0.0, 1.0)
    face_guidance: Literal["dropped", "shared"] = "dropped"
    sparse: Sparse | None = None


@dataclass(frozen=True, eq=False)
class OpenedAdapter:
    """A trained system that shows people to one base.

    Attributes:
        system: on the base's device, in the base's precision.
        path: the file it was read from.
        encoder_path: the face encoder whose features it reads; None if no fitting one was given.
        memory: what it made of people shown before.
    """

    system: FaceSystem
    path: Path
    encoder_path: Path | None
    memory: FaceMemory = field(default_factory=FaceMemory)

    @property
    def feature_space(self) -> str:
        """The space of the face features it reads."""
        return self.system.config.feature_space

    @property
    def licences(self) -> tuple[str, ...]:
        """Names of licence records, or terms in words, of the adapter and its encoder."""
        encoder = () if self.encoder_path is None else (read_header(self.encoder_path).licence,)
        return (self.system.config.licence, *encoder)

    @cached_property
    def sha256(self) -> str:
        """Hash of the adapter's file, in hexadecimal."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def recognizer(self) -> Recognizer:
        """The face encoder, which turns photos into what the adapter reads.

        Raises:
            FeatureSpaceError: no fitting encoder was given.
        """
        if self.encoder_path is None:
            raise FeatureSpaceError(
                f"{self.path} reads faces in {self.feature_space!r} and no encoder of that space was given; "
                "give its file as encoder (--encoder), or an identity card made with it"
            )
        return EncoderRecognizer(self.encoder_path)

    @contextmanager
    def conditioned(self, base: Base, people: Sequence[Identity], showing: Showing) -> Iterator[None]:
        """Show the base these people for the length of a block; afterwards it is as before.

        Args:
            people: one for all pictures, or one each.

        Raises:
            FeatureSpaceError: an identity lacks the features that the adapter reads.
            AdapterError: a block scale names no block.
        """
        unet = base.pipeline.unet
        features, photo_mask = self._photos(unet, people)
        with self._shown(unet, features, photo_mask, None, showing):
            yield

    @contextmanager
    def conditioned_in_regions(
        self, base: Base, people: Sequence[Identity], regions: Tensor, showing: Showing
    ) -> Iterator[None]:
        """The same with all people in each picture, everybody in a region of their own.

        Args:
            regions: ``(people, rows, columns)`` in [0, 1], at the size of the latents.

        Raises:
            FeatureSpaceError, AdapterError: as :meth:`conditioned`.
        """
        unet = base.pipeline.unet
        features, photo_mask = self._photos(unet, people)
        # To the adapter the people of one picture are one row with all their photos.
        flat_mask = None if photo_mask is None else photo_mask.flatten()[None]
        with self._shown(unet, features.flatten(0, 1)[None], flat_mask, regions[None], showing):
            yield

    @contextmanager
    def _shown(
        self, unet: Any, features: Tensor, photo_mask: Tensor | None, regions: Tensor | None, showing: Showing
    ) -> Iterator[None]:
        adapter = self.system.adapter
        with (
            torch.no_grad(),
            nullcontext() if adapter.is_injected else adapter.injected(unet),
            self.system.conditioned(
                features,
                photo_mask=photo_mask,
                face_guidance=showing.face_guidance,
                guided=showing.guided,
                regions=regions,
                scale=showing.scale,
                block_scales=showing.block_scales,
                window=showing.window,
                sparse=showing.sparse,
                memory=self.memory,
            ),
        ):
            yield

    def _photos(self, unet: Any, people: Sequence[Identity]) -> tuple[Tensor, Tensor | None]:
        tokens = [self._tokens(person).to(unet.device, unet.dtype) for person in people]
        return stack_photos(tokens, [person.photo_weights for person in people])

    def _tokens(self, person: Identity) -> Tensor:
        features = person.features_in(self.feature_space)
        if features.tokens is None:
            raise FeatureSpaceError(
                f"the identity has no patch tokens in {self.feature_space!r}; make it again from the photos"
            )
        return features.tokens
