"""Curves of two measured numbers, with the interval of each point in both directions, as SVG without a package."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from limner.evaluation.intervals import Measured

WIDTH, HEIGHT = 720, 480
LEFT, RIGHT, TOP, BOTTOM = 64, 210, 16, 48
COLOURS = ("#1664a8", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#be123c", "#0f766e", "#525252")
TICKS = 5


@dataclass(frozen=True)
class Point:
    """One measured setting."""

    name: str
    across: Measured
    up: Measured


class _Axes:
    """From numbers to places."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.across = _range([one.across for one in points])
        self.up = _range([one.up for one in points])

    def x(self, value: float) -> float:
        return round(LEFT + (value - self.across[0]) / np.ptp(self.across) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - self.up[0]) / np.ptp(self.up) * (HEIGHT - TOP - BOTTOM), 1)


def plot(curves: Mapping[str, Sequence[Point]], *, across: str, up: str) -> str:
    """One curve a name, its points with crosses as long as their intervals and their names beside them."""
    axes = _Axes([point for points in curves.values() for point in points])
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_frame(axes, across, up),
    ]
    for number, (name, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        lines += _curve(axes, points, colour)
        lines.append(
            f'<text x="{WIDTH - RIGHT + 16}" y="{TOP + 12 + 20 * number}" fill="{colour}">{escape(name)}</text>'
        )
    return "\n".join([*lines, "</svg>\n"])


def _frame(axes: _Axes, across: str, up: str) -> Iterator[str]:
    floor, wall = HEIGHT - BOTTOM, WIDTH - RIGHT
    yield f'<path d="M{LEFT},{TOP}V{floor}H{wall}" fill="none" stroke="#999"/>'
    for value in np.linspace(*axes.across, TICKS):
        yield f'<text x="{axes.x(value)}" y="{floor + 18}" text-anchor="middle">{value:.2f}</text>'
    for value in np.linspace(*axes.up, TICKS):
        yield f'<text x="{LEFT - 8}" y="{axes.y(value) + 4}" text-anchor="end">{value:.3g}</text>'
    yield f'<text x="{(LEFT + wall) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>'
    middle = (TOP + floor) / 2
    yield f'<text transform="translate(14,{middle}) rotate(-90)" text-anchor="middle">{escape(up)}</text>'


def _curve(axes: _Axes, points: Sequence[Point], colour: str) -> Iterator[str]:
    places = " ".join(f"{axes.x(one.across.value)},{axes.y(one.up.value)}" for one in points)
    yield f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    for one in points:
        x, y = axes.x(one.across.value), axes.y(one.up.value)
        yield (
            f'<path d="M{axes.x(one.across.low)},{y}H{axes.x(one.across.high)}M{x},{axes.y(one.up.low)}'
            f'V{axes.y(one.up.high)}" stroke="{colour}" stroke-opacity="0.35"/>'
        )
        yield f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
        yield f'<text x="{x + 5}" y="{y - 5}" font-size="10" fill="{colour}">{escape(one.name)}</text>'


def _range(values: Sequence[Measured]) -> tuple[float, float]:
    ends = [end for one in values for end in (one.low, one.high, one.value) if np.isfinite(end)]
    low, high = min(ends), max(ends)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
