"""Curves as inline SVG: no script, no package, readable in any browser."""

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 560, 200
_LEFT, _BOTTOM, _TOP, _RIGHT = 64, 24, 10, 10
_MAX_POINTS = 400


def line_chart(title: str, points: Sequence[tuple[float, float]]) -> str:
    """One curve with its extremes written on the axes; points that are no numbers are left out.

    Args:
        title: what the curve shows.
        points: (step, value), by step.
    """
    kept = _thinned([point for point in points if math.isfinite(point[1])])
    if not kept:
        return f"<figure><figcaption>{escape(title)}: no values yet</figcaption></figure>"
    steps, values = [step for step, _ in kept], [value for _, value in kept]
    low, high = min(values), max(values)
    first, last = steps[0], steps[-1]

    def place(step: float, value: float) -> str:
        across = (step - first) / (last - first) if last > first else 0.5
        up = (value - low) / (high - low) if high > low else 0.5
        x = _LEFT + across * (WIDTH - _LEFT - _RIGHT)
        y = HEIGHT - _BOTTOM - up * (HEIGHT - _BOTTOM - _TOP)
        return f"{x:.1f},{y:.1f}"

    curve = " ".join(place(step, value) for step, value in kept)
    floor = HEIGHT - _BOTTOM
    return (
        f"<figure><figcaption>{escape(title)}: last {values[-1]:.4g}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">'
        f'<path d="M{_LEFT},{_TOP}V{floor}H{WIDTH - _RIGHT}" fill="none" stroke="#999"/>'
        f'<polyline points="{curve}" fill="none" stroke="#1664a8" stroke-width="1.5"/>'
        f'<text x="{_LEFT - 4}" y="{_TOP + 8}" text-anchor="end">{high:.4g}</text>'
        f'<text x="{_LEFT - 4}" y="{floor}" text-anchor="end">{low:.4g}</text>'
        f'<text x="{_LEFT}" y="{HEIGHT - 6}">{first:g}</text>'
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{last:g}</text>'
        "</svg></figure>"
    )


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means of neighbours, so that a long run's page stays small."""
    size = -(-len(points) // _MAX_POINTS) or 1
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in parts]
