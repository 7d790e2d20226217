"""The life of an adapter that sits in a backbone's transformer blocks: in and out without a trace, faces by scope.

What a layer computes and where its result is added is the subclass's; see ``adapter.py`` and ``decoupled.py``.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.hooks import RemovableHandle

from limner.adapters.attention import FaceKeys, Increments
from limner.adapters.condition import WHOLE_RUN, FaceCondition, IncrementRecord, laid_end_to_end
from limner.adapters.seam import Seam, Site, forget_compiled_code, locate, watch_timestep
from limner.core.errors import AdapterError, AlreadyInjectedError, NotInjectedError


class FaceLayer(Protocol):
    """One block's part of an adapter, a module."""

    @property
    def device(self) -> torch.device: ...

    def face_keys(self, face_tokens: Tensor) -> FaceKeys:
        """What the layer remembers of face tokens ``(batch, tokens, face_channels)``."""
        ...


class SeamAdapter(nn.Module, ABC):
    """One layer per site, and the life cycle that puts them into a backbone and takes them out.

    Keys of the state dict are ``layers.<path of the block>.<key of the layer>``.

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
            _plant(self.layers, site.name, self.new_layer(site))
        self._handles: list[RemovableHandle] = []
        self._condition: FaceCondition | None = None
        self._active: bool | Tensor = True
        self._records: list[IncrementRecord] | None = None

    @abstractmethod
    def new_layer(self, site: Site) -> nn.Module:
        """A fresh :class:`FaceLayer` that adds nothing yet."""

    @abstractmethod
    def attach(self, site: Site, seam: Seam) -> list[RemovableHandle]:
        """Hook this site's layer into its block."""

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
            self._handles += self.attach(site, seam)
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
        regions: Tensor | None = None,
        scale: float | None = None,
        block_scales: Mapping[str, float] | None = None,
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
            regions: ``(people, persons, rows, columns)`` in [0, 1] at the size of the latents, for several persons in
                one picture: the tokens of a row are then those of its persons, laid end to end, as many each; a
                position sees those whose region it touches, and outside all regions the adapter adds nothing.
            scale: instead of the adapter's own.
            block_scales: factors on the scale by the beginning of a block's path, such as ``up_blocks.1``; the longest
                that fits counts, and a block with factor 0 is skipped.
            window: (start, end) of the run in which the adapter acts, fractions of the noise schedule from pure noise
                to picture. It follows the timestep, so it holds for any scheduler and for image to image.

        Raises:
            AdapterError: the shapes do not fit, a block scale names no block, or another thread is in a scope. In the
                backbone's call: the rows do not fit the people.
        """
        self._check(face_tokens)
        if null_tokens is not None:
            null_tokens = laid_end_to_end(null_tokens, face_tokens.shape[1])
        scale = self.scale if scale is None else scale
        condition = FaceCondition(
            face_tokens, null_tokens, token_mask, guided, regions, scale, block_scales or {}, window
        )
        condition.require_blocks([site.name for site in self.sites])
        if not self.training:
            condition.remember({site.name: self._layer(site.name).face_keys for site in self.sites})
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

    def increment(
        self, name: str, layer: FaceLayer, block_input: Tensor, compute: Callable[..., Increments]
    ) -> Tensor | None:
        """What the layer at this path adds in this call, shaped as ``block_input``; None if nothing.

        Args:
            block_input: hidden states ``(batch, positions, channels)`` that the increment is added to.
            compute: called with the face's keys of each row, ``scale`` and ``face_mask``.

        Raises:
            AdapterError: adapter and backbone are on two devices, or the rows do not fit the people.
        """
        condition = self._condition
        scale = 0.0 if condition is None else condition.scale_of(name)
        if condition is None or scale == 0 or self._active is False:
            return None
        if block_input.device != layer.device:
            raise AdapterError(
                f"the backbone runs on {block_input.device}, the adapter is on {layer.device}; move it there "
                "with adapter.to(...). Offloading moves the backbone only"
            )
        num_rows, num_positions = block_input.shape[:2]
        keys, mask = condition.keys_of_rows(name, layer.face_keys, num_rows, num_positions)
        increments = compute(keys, scale=scale, face_mask=mask)
        if isinstance(self._active, Tensor):
            increments = increments.times(self._active[:, None, None])
        inside = condition.share_inside(num_rows, num_positions)
        if inside is not None:
            increments = increments.times(inside)
        record = IncrementRecord(name, block_input, increments)
        if self._records is not None and not _runs_again():
            self._records.append(record)
        return record.increment

    def keep(self, name: str, value: Tensor | None) -> None:
        """Remember something of this block's call until :meth:`taken`, within the scope."""
        if self._condition is not None and value is not None:
            self._condition.pending[name] = value

    def taken(self, name: str) -> Tensor | None:
        """What was kept for this block, once."""
        return None if self._condition is None else self._condition.pending.pop(name, None)

    def _layer(self, name: str) -> Any:
        return self.layers.get_submodule(name)

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
