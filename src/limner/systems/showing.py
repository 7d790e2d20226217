"""Showing people to a backbone: what every system does between its features and its adapter."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, Protocol, TypedDict, Unpack

import torch
from torch import Tensor, nn

from limner.adapters.life_cycle import SeamAdapter
from limner.adapters.memory import FaceMemory, remembered
from limner.adapters.sparse import Sparse

FaceGuidance = Literal["shared", "dropped"]


class Showing(TypedDict, total=False):
    """How people are shown, see :meth:`limner.adapters.life_cycle.SeamAdapter.conditioned`."""

    guided: bool | None
    regions: Tensor | None
    scale: float | None
    block_scales: Mapping[str, float] | None
    window: tuple[float, float]
    sparse: Sparse | None


class ShowsPeople(Protocol):
    """What is asked of a system; see :class:`limner.systems.contract.FaceAdapterSystem`."""

    @property
    def adapter(self) -> SeamAdapter: ...

    @property
    def projector(self) -> nn.Module: ...

    @property
    def null_tokens(self) -> Tensor: ...

    def face_tokens(self, face_features: Tensor) -> Tensor: ...


@contextmanager
def people_shown(
    system: ShowsPeople,
    face_features: Tensor,
    *,
    tokens_per_photo: int,
    photo_mask: Tensor | None,
    face_guidance: FaceGuidance,
    memory: FaceMemory | None,
    **showing: Unpack[Showing],
) -> Iterator[None]:
    """Show the backbone these people; arguments as of :meth:`limner.systems.fact.Fact.conditioned`."""
    nulls = None
    if face_guidance == "dropped":
        nulls = remembered(memory, system.projector, lambda rows: system.null_tokens, torch.zeros(1, 1))
    with system.adapter.conditioned(
        remembered(memory, system.projector, system.face_tokens, face_features),
        nulls,
        token_mask=None if photo_mask is None else photo_mask.repeat_interleave(tokens_per_photo, dim=1),
        memory=memory,
        **showing,
    ):
        yield
