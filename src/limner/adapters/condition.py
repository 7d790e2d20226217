"""The face a backbone is conditioned on for the length of a scope, and how it falls on the rows of a batch."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from limner.adapters.attention import FaceKeys
from limner.adapters.regions import fitted, visible
from limner.adapters.sparse import Sparse
from limner.core.errors import AdapterError

WHOLE_RUN = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class RowPlan:
    """How people fall on the rows of one batch, in the order diffusers' pipelines lay rows out.

    A pipeline repeats each prompt for its images, one person after the other, and with classifier-free guidance puts
    the unconditional copy of all rows first.
    """

    num_people: int
    images_per_person: int
    guided: bool

    @property
    def conditional(self) -> "RowPlan":
        """The plan of the conditional half alone."""
        return replace(self, guided=False)

    def lay_out(self, faces: Tensor, nulls: Tensor | None) -> Tensor:
        """Spread ``(people, ...)`` over the batch; ``nulls``, ``(1 or people, ...)``, go to the unconditional rows."""
        rows = faces.repeat_interleave(self.images_per_person, dim=0) if self.images_per_person > 1 else faces
        if not self.guided:
            return rows
        if nulls is None:
            return torch.cat([rows, rows])
        nulls = nulls.expand(self.num_people, *nulls.shape[1:])
        return torch.cat([nulls.repeat_interleave(self.images_per_person, dim=0), rows])


@dataclass(frozen=True, eq=False)
class FaceCondition:
    """Face tokens of one scope, and how they are shown.

    Attributes:
        face_tokens: ``(people, tokens, face_channels)``.
        null_tokens: ``(1 or people, tokens, face_channels)`` for the unconditional rows, or None to show them the face.
        token_mask: ``(people, tokens)`` bool, False where a person has no token, or how much each counts, in [0, 1];
            None if all count alike.
        guided: whether batches are [unconditional, conditional]; None to tell from their size.
        regions: ``(people, persons, rows, columns)`` in [0, 1], where each of several persons of one picture is seen;
            the tokens of a row are then those of its persons, as many each. None to show the face everywhere.
        scale: multiplier of every increment.
        block_scales: factors on ``scale`` by the beginning of a block's path; the longest that fits counts.
        window: (start, end) of the run in which the adapter acts, fractions of the noise schedule from pure noise to
            picture.
        sparse: how much is left out of late steps; None computes all.
        thread: the thread the scope was entered in.
        is_windowed: whether there are steps at which the adapter does not act.
        limits: ``(2,)``, the window for comparisons.

    Raises:
        AdapterError: tokens, null tokens, mask or regions do not fit each other, or the window is empty or outside
            [0, 1].
    """

    face_tokens: Tensor
    null_tokens: Tensor | None = None
    token_mask: Tensor | None = None
    guided: bool | None = None
    regions: Tensor | None = None
    scale: float = 1.0
    block_scales: Mapping[str, float] = field(default_factory=dict)
    window: tuple[float, float] = WHOLE_RUN
    sparse: Sparse | None = None
    thread: int = field(default_factory=threading.get_ident)
    is_windowed: bool = field(init=False)
    limits: Tensor = field(init=False)

    def __post_init__(self) -> None:
        shape = tuple(self.face_tokens.shape)
        if len(shape) != 3:
            raise AdapterError(f"face tokens of shape {shape}; expected (people, tokens, channels), one row per person")
        people, tokens, channels = shape
        nulls = None if self.null_tokens is None else tuple(self.null_tokens.shape)
        if nulls not in (None, (1, tokens, channels), (people, tokens, channels)):
            raise AdapterError(
                f"null tokens of shape {nulls} beside face tokens of shape {shape}; expected (1 or {people}, "
                f"{tokens} or a divisor of it, {channels})"
            )
        if self.token_mask is not None and self.token_mask.shape != (people, tokens):
            raise AdapterError(f"token mask of shape {tuple(self.token_mask.shape)}; expected {(people, tokens)}")
        if self.regions is not None and (
            self.regions.ndim != 4 or self.regions.shape[0] != people or tokens % self.regions.shape[1]
        ):
            raise AdapterError(
                f"regions of shape {tuple(self.regions.shape)} beside face tokens of shape {shape}; expected "
                f"({people}, persons, rows, columns) with as many tokens for each person"
            )
        if not 0.0 <= self.window[0] < self.window[1] <= 1.0:
            raise AdapterError(f"step window {self.window}; expected two fractions with 0 <= start < end <= 1")
        # Numbers in a tensor: compiled code would be made anew for other numbers of Python's.
        object.__setattr__(self, "is_windowed", self.window != WHOLE_RUN)
        object.__setattr__(self, "limits", torch.tensor(self.window) - 1e-6)

    def scale_of(self, layer: str) -> float:
        """Multiplier of one layer's increment."""
        fitting = [start for start in self.block_scales if _leads_to(start, layer)]
        return self.scale * self.block_scales[max(fitting, key=len)] if fitting else self.scale

    def require_blocks(self, layers: Sequence[str]) -> None:
        """Refuse block scales that have no effect.

        Raises:
            AdapterError: one names none of these layers.
        """
        for start in self.block_scales:
            if not any(_leads_to(start, layer) for layer in layers):
                raise AdapterError(
                    f"the adapter enters no block that begins with {start!r}; its blocks are {', '.join(layers)}"
                )

    def keys_of_rows(
        self, plan: RowPlan, faces: FaceKeys, nulls: FaceKeys | None, num_positions: int
    ) -> tuple[FaceKeys, Tensor | None]:
        """Keys and values for each row of a batch, and which of them are seen.

        The latter is ``(batch, tokens)``, with regions ``(batch, positions, tokens)``, or None where all are alike.

        Raises:
            AdapterError: the regions cannot be laid on so many positions.
        """
        keys = plan.lay_out(faces.keys, nulls.keys if nulls else None)
        values = plan.lay_out(faces.values, nulls.values if nulls else None)
        # The null face stands in exactly the places of the person's tokens, so both halves share the mask.
        mask = self.token_mask
        if self.regions is not None:
            seen = visible(fitted(self.regions, num_positions), self.face_tokens.shape[1])
            mask = seen if mask is None else seen * mask[:, None]
        return FaceKeys(keys, values), None if mask is None else plan.lay_out(mask, None)

    def share_inside(self, plan: RowPlan, num_positions: int) -> Tensor | None:
        """How much of each position lies in any region, ``(batch, positions, 1)`` in [0, 1]; None without regions."""
        if self.regions is None:
            return None
        covered = fitted(self.regions, num_positions).sum(dim=1).clamp_max(1.0)
        return plan.lay_out(covered, None)[..., None]

    def plan(self, num_rows: int) -> RowPlan:
        """How the people fall on a batch of this size.

        Raises:
            AdapterError: the rows cannot be shared out evenly, or in two ways and the scope does not say which.
        """
        num_people = self.face_tokens.shape[0]
        guided = self._is_guided(num_rows, num_people)
        unit = num_people * (2 if guided else 1)
        images, rest = divmod(num_rows, unit)
        if rest or not images:
            raise AdapterError(
                f"the backbone was called with {num_rows} rows for {num_people} people "
                f"{'with' if guided else 'without'} guidance; expected a multiple of {unit}. Give one prompt per "
                "person, in the order of the face tokens, and guided=False to `conditioned` where guidance is off"
            )
        return RowPlan(num_people, images, guided)

    def active_rows(self, timestep: Tensor | float, num_train_timesteps: int) -> Tensor:
        """Whether the adapter acts, ``(1 or batch,)`` bool, at timesteps that fall from the schedule's length to 0."""
        start, end = self.limits.to(timestep.device if isinstance(timestep, Tensor) else "cpu")
        progress = progress_at(timestep, num_train_timesteps)
        return (progress >= start) & (progress < end)

    def _is_guided(self, num_rows: int, num_people: int) -> bool:
        if self.guided is not None:
            return self.guided
        if num_rows == num_people:
            return False
        if self.null_tokens is not None or num_people == 1:
            return self.null_tokens is not None
        raise AdapterError(
            f"{num_rows} rows for {num_people} people can be read two ways: with guidance, or several images per "
            "person. Say guided=True or guided=False to `conditioned`"
        )


def progress_at(timestep: Tensor | float, num_train_timesteps: int) -> Tensor:
    """Which part of a run lies behind each timestep, ``(1 or batch,)``, from 0 at pure noise towards 1."""
    # Step t stands for the stretch of noise from t + 1 down to t, so the first step counts as progress 0.
    return 1.0 - (torch.as_tensor(timestep).float().reshape(-1) + 1.0) / num_train_timesteps


def _leads_to(start: str, layer: str) -> bool:
    return layer == start or layer.startswith(f"{start}.")


def laid_end_to_end(null_tokens: Tensor, num_tokens: int) -> Tensor:
    """Null tokens of one photo repeated until they are as many as the face's, as the reference has them."""
    return null_tokens.repeat(1, max(num_tokens // null_tokens.shape[1], 1), 1)
