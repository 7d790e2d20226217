"""The life of an adapter that sits in a backbone's transformer blocks: in and out without a trace, faces by scope.

What a layer computes and where its result is added is the subclass's; see ``adapter.py`` and ``decoupled.py``.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.hooks import RemovableHandle

from limner.adapters.attention import FaceKeys
from limner.adapters.condition import WHOLE_RUN, FaceCondition, laid_end_to_end
from limner.adapters.memory import FaceMemory
from limner.adapters.place import Compute, IncrementRecord, Place, Scope, Shown
from limner.adapters.seam import Seam, Site, forget_compiled_code, locate, watch_timestep
from limner.adapters.sparse import Run, Sparse
from limner.core.errors import AdapterError, AlreadyInjectedError, NotInjectedError


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
        self._places: list[Place] = []
        self._scope: Scope | None = None
        self._records: list[IncrementRecord] | None = None

    @abstractmethod
    def new_layer(self, site: Site) -> nn.Module:
        """A fresh :class:`FaceLayer` that adds nothing yet."""

    @abstractmethod
    def attach(self, place: Place, seam: Seam) -> list[RemovableHandle]:
        """Hook this place's layer into its block."""

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
        self._places = [Place(site.name, self.layers.get_submodule(site.name)) for site in self.sites]
        for place, seam in zip(self._places, seams, strict=True):
            self._handles += self.attach(place, seam)
        self._show()
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
        self._handles, self._places = [], []
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
        sparse: Sparse | None = None,
        memory: FaceMemory | None = None,
    ) -> Iterator[None]:
        """Show the backbone these faces for the length of a block; an inner scope hides the outer one.

        Batches are read as diffusers' pipelines lay them out: the images of a person side by side, people in the order
        of the tokens, and with guidance the unconditional copy of all rows first. A batch with one row per person is
        unguided; with ``null_tokens`` any other is guided. In eval mode the weights are read once, on entering.

        Args:
            face_tokens: ``(people, tokens, face_channels)``.
            null_tokens: ``(1 or people, tokens, face_channels)`` for the unconditional rows, so that guidance amplifies
                the face; the tokens of one photo are repeated to the face's number. None: both halves see the face.
            token_mask: ``(people, tokens)`` bool, False where a person with fewer photos has no token; or how much each
                counts, in [0, 1], such as less for a bad photo's.
            guided: whether batches are [unconditional, conditional], where their size does not tell.
            regions: ``(people, persons, rows, columns)`` in [0, 1] at the size of the latents, for several persons in
                one picture: the tokens of a row are then those of its persons, laid end to end, as many each; a
                position sees those whose region it touches, and outside all regions the adapter adds nothing.
            scale: instead of the adapter's own.
            block_scales: factors on the scale by the beginning of a block's path, such as ``up_blocks.1``; the longest
                that fits counts, and a block with factor 0 is skipped.
            window: (start, end) of the run in which the adapter acts, fractions of the noise schedule from pure noise
                to picture. It follows the timestep, so it holds for any scheduler and for image to image.
            sparse: add to the face's positions only in late steps, an approximation; not while something is trained or
                recorded. Not for a backbone that is compiled as a whole.
            memory: keeps what the layers make of these faces for later scopes; not while training.

        Raises:
            AdapterError: the shapes do not fit, a block scale names no block, or another thread is in a scope. In the
                backbone's call: the rows do not fit the people.
        """
        self._check(face_tokens)
        if null_tokens is not None:
            null_tokens = laid_end_to_end(null_tokens, face_tokens.shape[1])
        scale = self.scale if scale is None else scale
        condition = FaceCondition(
            face_tokens, null_tokens, token_mask, guided, regions, scale, block_scales or {}, window, sparse
        )
        condition.require_blocks([site.name for site in self.sites])
        shown = self._layers_of(condition, memory)
        with self._in(Scope(condition, shown, run=None if sparse is None else Run(sparse))):
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
        # As it was at this call: the scope goes on to others before the backward pass comes.
        scope = None if self._scope is None else self._scope.as_it_is()

        def run(*inputs: Any) -> Any:
            with self._in(scope):
                return module(*inputs)

        return checkpoint(run, *args, use_reentrant=False)

    def increment(self, place: Place, block_input: Tensor, read: Tensor, compute: Compute) -> Tensor | None:
        """What the layer of this place adds in this call, shaped as ``block_input``; None if nothing.

        Args:
            block_input: hidden states ``(batch, positions, channels)`` that the increment is added to.
            read: what the layer reads, shaped likewise.
            compute: the layer's forward but for these.

        Raises:
            AdapterError: adapter and backbone are on two devices, or the rows do not fit the people.
        """
        scope, shown = place.scope, place.shown
        if scope is None or shown is None or scope.active is False:
            return None
        if block_input.device != place.layer.device:
            raise AdapterError(
                f"the backbone runs on {block_input.device}, the adapter is on {place.layer.device}; move it there "
                "with adapter.to(...). Offloading moves the backbone only"
            )
        if self._records is None and not torch.is_grad_enabled():
            return place.drawn(scope, shown, read, compute)
        increments = place.whole(scope, shown, read, compute)
        if self._records is not None and not _runs_again():
            self._records.append(IncrementRecord(place.name, block_input, increments))
        return increments.total

    def _layers_of(self, condition: FaceCondition, memory: FaceMemory | None) -> dict[str, Shown]:
        scales = {site.name: condition.scale_of(site.name) for site in self.sites}
        wanted = {name: scale for name, scale in scales.items() if scale != 0}
        # Numbers in tensors: compiled code would be made anew for other numbers of Python's.
        placed = torch.tensor(list(wanted.values())).to(condition.face_tokens.device).unbind()
        shown = {name: Shown(scale) for name, scale in zip(wanted, placed, strict=True)}
        if self.training or not shown:
            return shown
        faces = self._keys(condition.face_tokens, memory)
        nulls = None if condition.null_tokens is None else self._keys(condition.null_tokens, memory)
        for name, one in shown.items():
            one.remember(self._layer(name), faces[name], None if nulls is None else nulls[name])
        return shown

    @torch.no_grad()
    def _keys(self, tokens: Tensor, memory: FaceMemory | None) -> dict[str, FaceKeys]:
        names = [site.name for site in self.sites]

        def of_all_layers(rows: Tensor) -> tuple[Tensor, ...]:
            return tuple(part for name in names for part in self._layer(name).face_keys(rows))

        parts = of_all_layers(tokens) if memory is None else memory.rows(self, of_all_layers, tokens)
        return {
            name: FaceKeys(*pair) for name, pair in zip(names, zip(parts[::2], parts[1::2], strict=True), strict=True)
        }

    def _layer(self, name: str) -> Any:
        return self.layers.get_submodule(name)

    def _see_timestep(self, timestep: Tensor | float | None) -> None:
        if self._scope is not None:
            self._scope.begin(timestep, self.num_train_timesteps)

    def _check(self, face_tokens: Tensor) -> None:
        if self._scope is not None and self._scope.condition.thread != threading.get_ident():
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
    def _in(self, scope: Scope | None) -> Iterator[None]:
        outer, self._scope = self._scope, scope
        self._show()
        try:
            yield
        finally:
            self._scope = outer
            self._show()

    def _show(self) -> None:
        for place in self._places:
            place.enter(self._scope)

    def __getstate__(self) -> dict[str, Any]:
        # A copy, such as an average of weights, sits in no backbone.
        return {**self.__dict__, "_handles": [], "_places": [], "_scope": None, "_records": None}


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
