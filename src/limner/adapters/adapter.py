"""The face adapter: gated face attention in each text-attention block of a frozen backbone, in and out without a trace.

After FaceChain-FACT (arXiv:2410.12312). Use::

    adapter = GatedFaceAdapter.for_backbone(pipeline.unet, face_channels=768)
    with adapter.injected(pipeline.unet), adapter.conditioned(face_tokens, null_tokens):
        pipeline("a photo of a person, smiling")

Injected but not conditioned, or at scale 0, it does nothing at all. One adapter serves one call at a time.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.hooks import RemovableHandle

from limner.adapters.attention import GatedFaceAttention, Increments
from limner.adapters.condition import WHOLE_RUN, FaceCondition, IncrementRecord, laid_end_to_end
from limner.adapters.seam import Blocks, Site, find_sites, forget_compiled_code, locate, watch_timestep
from limner.core.errors import AdapterError, AlreadyInjectedError, NotInjectedError


class GatedFaceAdapter(nn.Module):
    """One :class:`GatedFaceAttention` per site, and the life cycle that puts them into a backbone and takes them out.

    Keys of the state dict are ``layers.<path of the block>.<key of the layer>``. A fresh adapter leaves the backbone's
    output unchanged, because its gates are shut.

    Attributes:
        sites: the blocks it enters.
        face_channels: width of the face tokens.
        scale: multiplier of every increment; 0 skips the adapter wholly.
        num_train_timesteps: length of the backbone's noise schedule, which a step window is measured on.
    """

    def __init__(self, sites: Sequence[Site], face_channels: int) -> None:
        super().__init__()
        self.sites = tuple(sites)
        self.face_channels = face_channels
        self.scale = 1.0
        self.num_train_timesteps = 1000
        self.layers = nn.Module()
        for site in self.sites:
            _plant(self.layers, site.name, GatedFaceAttention(site.channels, face_channels, heads=site.heads))
        self._handles: list[RemovableHandle] = []
        self._condition: FaceCondition | None = None
        self._active: bool | Tensor = True
        self._records: list[IncrementRecord] | None = None

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

    def layer(self, name: str) -> GatedFaceAttention:
        """The layer that enters the block at this path."""
        layer = self.layers.get_submodule(name)
        assert isinstance(layer, GatedFaceAttention)
        return layer

    @property
    def is_injected(self) -> bool:
        """Whether the adapter sits in a backbone."""
        return bool(self._handles)

    def inject(self, backbone: nn.Module) -> None:
        """Enter a backbone. All sites are looked up before anything is touched.

        Raises:
            AlreadyInjectedError: the adapter sits in a backbone.
            TargetNotFoundError: a site is not there.
            AdapterError: a site has another size.
        """
        if self.is_injected:
            raise AlreadyInjectedError("the adapter sits in a backbone already; eject it first, or load another copy")
        seams = locate(backbone, self.sites)
        self._handles = [watch_timestep(backbone, self._see_timestep)]
        for site, seam in zip(self.sites, seams, strict=True):
            enter = partial(self._enter, site.name, self.layer(site.name))
            self._handles += seam.attach(enter, partial(self._leave, site.name))
        forget_compiled_code()

    def eject(self) -> None:
        """Leave the backbone as it was found. Several adapters may leave in any order.

        Raises:
            NotInjectedError: the adapter sits in no backbone.
        """
        if not self.is_injected:
            raise NotInjectedError("the adapter sits in no backbone; inject it first")
        for handle in self._handles:
            handle.remove()
        self._handles = []
        forget_compiled_code()

    @contextmanager
    def injected(self, backbone: nn.Module) -> Iterator[Self]:
        """Inject for the length of a block; ejects on errors, too."""
        self.inject(backbone)
        try:
            yield self
        finally:
            if self.is_injected:
                self.eject()

    @contextmanager
    def conditioned(
        self,
        face_tokens: Tensor,
        null_tokens: Tensor | None = None,
        *,
        token_mask: Tensor | None = None,
        guided: bool | None = None,
        scale: float | None = None,
        window: tuple[float, float] = WHOLE_RUN,
    ) -> Iterator[None]:
        """Show the backbone these faces for the length of a block; an inner scope hides the outer one.

        Batches are read as diffusers' pipelines lay them out: the images of a person side by side, people in the order
        of the tokens, and with guidance the unconditional copy of all rows first. A batch with one row per person is
        unguided; with ``null_tokens`` any other is guided. In eval mode the weights are read once, on entering.

        Args:
            face_tokens: ``(people, tokens, face_channels)``.
            null_tokens: ``(1 or people, tokens, face_channels)`` for the unconditional rows, so that guidance amplifies
                the face; the tokens of one photo are repeated to the face's number. None: both halves see the face.
            token_mask: ``(people, tokens)`` bool, False where a person with fewer photos has no token.
            guided: whether batches are [unconditional, conditional], where their size does not tell.
            scale: instead of the adapter's own.
            window: (start, end) of the run in which the adapter acts, fractions of the noise schedule from pure noise
                to picture. It follows the timestep, so it holds for any scheduler and for image to image.

        Raises:
            AdapterError: the shapes do not fit, or another thread is in a scope. In the backbone's call: the rows do
                not fit the people.
        """
        self._check(face_tokens)
        if null_tokens is not None:
            null_tokens = laid_end_to_end(null_tokens, face_tokens.shape[1])
        scale = self.scale if scale is None else scale
        condition = FaceCondition(face_tokens, null_tokens, token_mask, guided, scale, window)
        if not self.training:
            condition.remember({site.name: self.layer(site.name).face_keys for site in self.sites})
        with self._state(condition, True):
            yield

    @contextmanager
    def record_increments(self) -> Iterator[list[IncrementRecord]]:
        """Collect what every layer adds, in the order of the calls; a block run again by checkpointing counts once."""
        outer = self._records
        self._records = records = []
        try:
            yield records
        finally:
            self._records = outer

    def checkpointed(self, module: nn.Module, *args: Any) -> Any:
        """Activation checkpointing that shows a block the same face when the backward pass runs it again.

        Use ``backbone.enable_gradient_checkpointing(adapter.checkpointed)``. With diffusers' own function the backward
        pass must be inside ``conditioned``.
        """
        condition, active = self._condition, self._active

        def run(*inputs: Any) -> Any:
            with self._state(condition, active):
                return module(*inputs)

        return checkpoint(run, *args, use_reentrant=False)

    def _enter(self, name: str, layer: GatedFaceAttention, hidden: Tensor) -> Tensor | None:
        condition = self._condition
        if condition is None or condition.scale == 0 or self._active is False:
            return None
        if hidden.device != layer.linear.weight.device:
            raise AdapterError(
                f"the backbone runs on {hidden.device}, the adapter is on {layer.linear.weight.device}; move it there "
                "with adapter.to(...). Offloading moves the backbone only"
            )
        keys, mask = condition.keys_of_rows(name, layer.face_keys, hidden.shape[0])
        increments = layer(hidden, keys, scale=condition.scale, face_mask=mask)
        if isinstance(self._active, Tensor):
            rows = self._active.to(hidden.device, hidden.dtype)[:, None, None]
            increments = Increments(increments.attention * rows, increments.feed_forward * rows)
        record = IncrementRecord(name, hidden, increments)
        if self._records is not None and not _runs_again():
            self._records.append(record)
        condition.pending[name] = record.increment
        return condition.pending[name]

    def _leave(self, name: str) -> Tensor | None:
        return None if self._condition is None else self._condition.pending.pop(name, None)

    def _see_timestep(self, timestep: Tensor | float | None) -> None:
        condition = self._condition
        if condition is None or condition.window == WHOLE_RUN:
            self._active = True
            return
        if timestep is None:
            raise AdapterError("a step window needs a backbone that takes a timestep; leave the window out")
        rows = condition.active_rows(timestep, self.num_train_timesteps)
        # Compiled code cannot branch on numbers, and a batch may mix active rows with others.
        split = torch.compiler.is_compiling() or bool(rows.any() != rows.all())
        self._active = rows if split else bool(rows.all())

    def _check(self, face_tokens: Tensor) -> None:
        if self._condition is not None and self._condition.thread != threading.get_ident():
            raise AdapterError(
                "another thread is using this adapter, which serves one call at a time; wait for it, or give each "
                "thread its own backbone and adapter"
            )
        if face_tokens.shape[-1] != self.face_channels:
            raise AdapterError(
                f"face tokens of width {face_tokens.shape[-1]}, the adapter reads {self.face_channels}; project the "
                "features with the projector that was trained with this adapter"
            )

    @contextmanager
    def _state(self, condition: FaceCondition | None, active: bool | Tensor) -> Iterator[None]:
        outer = self._condition, self._active
        self._condition, self._active = condition, active
        try:
            yield
        finally:
            self._condition, self._active = outer

    def __getstate__(self) -> dict[str, Any]:
        # A copy, such as an average of weights, sits in no backbone.
        return {**self.__dict__, "_handles": [], "_condition": None, "_active": True, "_records": None}


def _plant(root: nn.Module, path: str, leaf: nn.Module) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        if parent not in root._modules:
            root.add_module(parent, nn.Module())
        root = root.get_submodule(parent)
    root.add_module(name, leaf)


def _runs_again() -> bool:
    # Inside a backward pass a forward can only be activation checkpointing's.
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1
