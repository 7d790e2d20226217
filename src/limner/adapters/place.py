"""One block's part of an adapter in a backbone: what its layer shows in a scope, and what waits within a call.

Whatever compiled code reads hangs on these objects in the same way for every block, under no name of its own, so that
blocks of one kind share their compiled code and another face, scale or prompt needs none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from limner.adapters.attention import FaceKeys, Increments
from limner.adapters.condition import FaceCondition, RowPlan, progress_at
from limner.adapters.sparse import Region, Run
from limner.core.errors import AdapterError

Compute = Callable[..., Increments]
"""A layer's forward but for what it reads and is shown: called with rows of the former, ``face``, ``scale``,
``face_mask`` and ``positions``."""


class FaceLayer(Protocol):
    """One block's part of an adapter, a module."""

    @property
    def device(self) -> torch.device: ...

    def face_keys(self, face_tokens: Tensor) -> FaceKeys:
        """What the layer remembers of face tokens ``(batch, tokens, face_channels)``."""
        ...

    def is_silent(self, face: FaceKeys) -> bool:
        """Whether these faces' increments are exactly zero, whatever the picture."""
        ...


@dataclass(frozen=True, eq=False)
class IncrementRecord:
    """What one adapter layer added in one call, for objectives such as FAIR.

    Attributes:
        layer: path of the transformer block in the backbone.
        block_input: ``(batch, positions, channels)``, the hidden states the increment was added to.
        increments: the attention's part and the feed-forward's part, gates and scale included.
    """

    layer: str
    block_input: Tensor
    increments: Increments

    @property
    def increment(self) -> Tensor:
        """The whole increment, ``(batch, positions, channels)``."""
        return self.increments.total


@dataclass(eq=False)
class Shown:
    """What one layer shows in a scope, and remembers of it.

    Attributes:
        scale: multiplier of the increment, without dimensions.
        faces: keys and values of the faces; None where they are computed at each call, as in training.
        nulls: those of the null faces; None if there are none.
        is_silent: whether nothing is ever added.
        nulls_are_silent: whether nothing is ever added to the unconditional half.
        region: where the face was when all positions were last computed; None if that is not known.
    """

    scale: Tensor
    faces: FaceKeys | None = None
    nulls: FaceKeys | None = None
    is_silent: bool = False
    nulls_are_silent: bool = False
    region: Region | None = None

    def remember(self, layer: FaceLayer, faces: FaceKeys, nulls: FaceKeys | None) -> None:
        """Keep keys and values for all calls without gradients."""
        self.faces, self.nulls = faces, nulls
        if faces.keys.is_meta:  # without numbers nothing can be told from them
            return
        self.nulls_are_silent = nulls is not None and layer.is_silent(nulls)
        self.is_silent = layer.is_silent(faces) and (nulls is None or self.nulls_are_silent)


@dataclass(eq=False)
class Scope:
    """One scope of an adapter, all of whose memory dies with it.

    Attributes:
        shown: what each layer shows, by the path of its block; a block that is left out adds nothing.
        active: whether the adapter acts in this call of the backbone, or ``(1 or batch,)`` bool.
        run: follows the sampling where late steps are sparse.
    """

    condition: FaceCondition
    shown: Mapping[str, Shown] = field(default_factory=dict)
    active: bool | Tensor = True
    run: Run | None = None

    def begin(self, timestep: Tensor | float | None, num_train_timesteps: int) -> None:
        """Take note of a call of the backbone at this timestep.

        Raises:
            AdapterError: it has no timestep and something depends on that; or it is compiled and shall be sparse.
        """
        if not self.condition.is_windowed and self.run is None:
            return
        if timestep is None:
            raise AdapterError(
                "a step window and sparse steps need a backbone that takes a timestep; leave them out for this one"
            )
        if self.condition.is_windowed:
            rows = self.condition.active_rows(timestep, num_train_timesteps)
            # Compiled code cannot branch on numbers, and a batch may mix active rows with others.
            split = torch.compiler.is_compiling() or bool(rows.any() != rows.all())
            self.active = rows if split else bool(rows.all())
        if self.run is not None:
            self._follow(self.run, timestep, num_train_timesteps)

    def _follow(self, run: Run, timestep: Tensor | float, num_train_timesteps: int) -> None:
        if torch.compiler.is_compiling():
            raise AdapterError(
                "sparse steps cannot follow a backbone that is compiled as a whole; compile its blocks instead, with "
                "backbone.compile_repeated_blocks()"
            )
        # Of a batch whose rows are at different steps, the earliest counts.
        if run.see(float(progress_at(timestep, num_train_timesteps).min())):
            for shown in self.shown.values():
                shown.region = None

    def as_it_is(self) -> "Scope":
        """The scope as it stands in this call, whatever comes after."""
        return Scope(self.condition, self.shown, self.active, self.run)

    def factors(self, plan: RowPlan, num_positions: int) -> list[Tensor]:
        """Weights of the increments of a call, ``(1 or batch, 1 or positions, 1)``."""
        inside = self.condition.share_inside(plan, num_positions)
        factors = [self.active[:, None, None]] if isinstance(self.active, Tensor) else []
        return factors if inside is None else [*factors, inside]


@dataclass(eq=False)
class Place:
    """One block that an adapter sits in.

    Attributes:
        name: path of the block in the backbone.
        layer: what the adapter has there, a :class:`FaceLayer`.
        scope: the scope the adapter is in; None adds nothing.
        shown: what is shown here; None adds nothing.
        pending: what waits between the block's entry and its exit.
    """

    name: str
    layer: Any
    scope: Scope | None = None
    shown: Shown | None = None
    pending: Tensor | None = None

    def enter(self, scope: Scope | None) -> None:
        """Go to another scope, or out of all."""
        self.scope, self.pending = scope, None
        self.shown = None if scope is None else scope.shown.get(self.name)

    def taken(self) -> Tensor | None:
        """What waited, once."""
        value, self.pending = self.pending, None
        return value

    def whole(self, scope: Scope, shown: Shown, read: Tensor, compute: Compute) -> Increments:
        """Both parts of what is added to each position, for objectives; ``read`` is ``(batch, positions, channels)``.

        Raises:
            AdapterError: the rows do not fit the people, or the positions the regions.
        """
        plan = scope.condition.plan(len(read))
        increments = self._computed(scope, shown, read, compute, plan)
        for factor in scope.factors(plan, read.shape[1]):
            increments = increments.times(factor)
        return increments

    def drawn(self, scope: Scope, shown: Shown, read: Tensor, compute: Compute) -> Tensor | None:
        """What is added, with nothing computed that is known or may be left out; None if nothing is.

        Raises:
            AdapterError: as :meth:`whole`.
        """
        if shown.is_silent:
            return None
        plan = half = scope.condition.plan(len(read))
        spared = 0
        if shown.nulls_are_silent and plan.guided:
            spared, half = len(read) // 2, plan.conditional
        total = self._sparse(scope, shown, read[spared:], compute, half)
        if spared:
            total = F.pad(total, (0, 0, 0, 0, spared, 0))
        for factor in scope.factors(plan, read.shape[1]):
            total = total * factor.to(total)
        return total

    def _sparse(self, scope: Scope, shown: Shown, read: Tensor, compute: Compute, plan: RowPlan) -> Tensor:
        run, region = scope.run, shown.region
        if run is not None and run.is_late and region is not None and region.fits(read):
            return region.spread(self._computed(scope, shown, read, compute, plan, region.positions).total)
        total = self._computed(scope, shown, read, compute, plan).total
        if run is not None:
            shown.region = Region.predicted(total, run.sparse.share)
        return total

    def _computed(
        self,
        scope: Scope,
        shown: Shown,
        read: Tensor,
        compute: Compute,
        plan: RowPlan,
        positions: Tensor | None = None,
    ) -> Increments:
        faces, nulls = self._keys(scope.condition, shown)
        keys, mask = scope.condition.keys_of_rows(plan, faces, nulls, read.shape[1])
        return compute(read, face=keys, scale=shown.scale, face_mask=mask, positions=positions)

    def _keys(self, condition: FaceCondition, shown: Shown) -> tuple[FaceKeys, FaceKeys | None]:
        if shown.faces is not None and not torch.is_grad_enabled():
            return shown.faces, shown.nulls
        nulls = None if condition.null_tokens is None else self.layer.face_keys(condition.null_tokens)
        return self.layer.face_keys(condition.face_tokens), nulls
