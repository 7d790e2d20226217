"""What the dials likeness and variety set: interpolated in a table that was measured with the very adapter in use.

`benchmarks/dials.py` measures it and lays it beside the adapter's file. A dial without a table would be a guess, so it
is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from limner.apps.settings import Dials
from limner.core.config import Config
from limner.core.errors import ConfigError

if TYPE_CHECKING:
    from limner.apps.assembly import Assembly

FILE = "dials.toml"
"""Beside the adapter's file."""


class Way(Config):
    """One way of showing a person, measured at several scales.

    Attributes:
        window, face_guidance, guidance_scale: see :class:`limner.apps.settings.Dials`.
        scales: rising from 0, the model without the face.
        likeness: at each scale how far from strangers (0) to photos of one person (1), by the judge.
        variety: at each scale how far the pictures of one sentence lie apart.
    """

    window: tuple[float, float]
    face_guidance: Literal["dropped", "shared"]
    guidance_scale: float = Field(ge=1, allow_inf_nan=False)
    scales: tuple[float, ...] = Field(min_length=2)
    likeness: tuple[float, ...]
    variety: tuple[float, ...]

    @model_validator(mode="after")
    def _is_a_curve(self) -> Self:
        if not len(self.scales) == len(self.likeness) == len(self.variety):
            raise ValueError("expected a likeness and a variety for each scale")
        if self.scales[0] != 0 or any(before >= after for before, after in pairwise(self.scales)):
            raise ValueError("expected scales that rise from 0")
        if not np.isfinite([*self.likeness, *self.variety]).all():
            raise ValueError("expected numbers; a scale at which no face was found cannot be in a table")
        return self

    @property
    def most(self) -> float:
        """The largest likeness."""
        return max(self.likeness)

    def likeness_at(self, scale: float) -> float:
        """Interpolated; beyond the largest scale what was measured there."""
        return float(np.interp(scale, self.scales, self.likeness))

    def variety_at(self, scale: float) -> float:
        """Interpolated likewise."""
        return float(np.interp(scale, self.scales, self.variety))

    def scale_for(self, likeness: float) -> float | None:
        """The smallest scale that reaches a likeness, None if none does.

        What falls between two scales, by chance or past the peak, is passed over: more of the dial is never less scale.
        """
        risen = np.maximum.accumulate(self.likeness)
        if likeness > risen[-1]:
            return None
        above = int(np.searchsorted(risen, likeness))
        if above == 0:
            return self.scales[0]
        return float(np.interp(likeness, risen[above - 1 : above + 1], self.scales[above - 1 : above + 1]))


@dataclass(frozen=True)
class _Candidate:
    way: Way
    scale: float

    @property
    def variety(self) -> float:
        return self.way.variety_at(self.scale)


class DialTable(Config):
    """What likeness and variety cost each other, of one base with one adapter.

    Attributes:
        adapter: sha256 of the adapter's file.
        about: when and how it was measured, in words.
        variety_by: name of the measure of variety.
        ways: the base's usual one first.
    """

    adapter: str
    about: str
    variety_by: str
    ways: tuple[Way, ...] = Field(min_length=1)

    def settings(self, likeness: float | None, variety: float | None) -> dict[str, Any]:
        """What to draw with.

        Args:
            likeness: 0 is the model without the face, 1 the most that was measured; the likeness at the default scale
                if None.
            variety: 0 is the least and 1 the most that was measured at that likeness; the usual way of showing a person
                if None, wherever it is that alike.

        Returns:
            adapter_scale, window, face_guidance and guidance_scale.
        """
        candidates = list(self._alike(self._wanted(likeness)))
        if variety is None:
            chosen = candidates[0]
        else:
            found = [one.variety for one in candidates]
            aim = min(found) + variety * (max(found) - min(found))
            chosen = min(candidates, key=lambda one: abs(one.variety - aim))
        return {
            "adapter_scale": round(chosen.scale, 4),
            "window": chosen.way.window,
            "face_guidance": chosen.way.face_guidance,
            "guidance_scale": chosen.way.guidance_scale,
        }

    def _wanted(self, likeness: float | None) -> float:
        if likeness is None:
            usual = self.ways[0]
            return min(usual.likeness_at(Dials.model_fields["adapter_scale"].default), usual.most)
        least = min(way.likeness[0] for way in self.ways)
        # The ends exactly: a sum in floating point may end a little beyond the most, which no way would reach.
        most = max(way.most for way in self.ways)
        return min(least + likeness * (most - least), most)

    def _alike(self, likeness: float) -> Iterator[_Candidate]:
        for way in self.ways:
            scale = way.scale_for(likeness)
            if scale is not None:
                yield _Candidate(way, scale)


def table_of(assembly: "Assembly") -> DialTable:
    """The table of a base and its adapter.

    Raises:
        ConfigError: nobody has measured it, or the file is malformed or of another adapter.
    """
    name = assembly.base.name
    path = None if assembly.adapter is None else assembly.adapter.path.with_name(FILE)
    if assembly.adapter is None or path is None or not path.is_file():
        raise ConfigError(
            f"{name} has no {FILE} beside its adapter, so nobody knows what likeness and variety are with it; turn "
            "--scale, --window and --guidance yourself, or measure: python benchmarks/dials.py (docs/howto-dials.md)"
        )
    table = DialTable.read(path)
    if table.adapter != assembly.adapter.sha256:
        raise ConfigError(
            f"{path} was measured with another adapter than {assembly.adapter.path.name}; measure again: python "
            "benchmarks/dials.py (docs/howto-dials.md), or turn --scale, --window and --guidance yourself"
        )
    return table


def write_table(path: Path, table: DialTable) -> None:
    """Lay a table beside the adapter's file ``path``."""
    table.write(path.with_name(FILE))
