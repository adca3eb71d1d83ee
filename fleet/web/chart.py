"""Small line charts as numbers for an SVG: where a line goes, where it breaks, what stands beside its axis. Pure.

A chart is a picture beside a table that says the same; nothing is only in the chart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 600.0
HEIGHT: Final = 132.0
LEFT: Final = 56.0
BOTTOM: Final = 22.0
TOP: Final = 16.0


@dataclass(frozen=True, slots=True)
class Chart:
    """``lines`` are SVG paths; ``ticks`` are (height, label) of the axis; ``ends`` the labels below, left and right."""

    lines: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]
    ends: tuple[str, str]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    floor: float = HEIGHT - BOTTOM


def line_chart(
    series: Sequence[Sequence[tuple[float, float | None]]],
    *,
    span: tuple[float, float],
    low: float,
    high: float,
    ends: tuple[str, str],
    apart: float | None = None,
) -> Chart:
    """Lines through (where, value) within ``span``. A value of None, or a gap wider than ``apart``, breaks a line.

    ``low`` and ``high`` are the axis's ends; values beyond them stand at the edge.
    """
    first, last = span
    wide, tall = max(last - first, 1e-9), max(high - low, 1e-9)

    def place(where: float, value: float) -> str:
        across = LEFT + (WIDTH - LEFT - 4) * (min(max(where, first), last) - first) / wide
        down = TOP + (HEIGHT - BOTTOM - TOP) * (1 - (min(max(value, low), high) - low) / tall)
        return f"{across:.1f} {down:.1f}"

    lines = []
    for points in series:
        parts: list[list[str]] = [[]]
        before: float | None = None
        for where, value in points:
            if value is None:
                parts.append([])
            else:
                if before is not None and apart is not None and where - before > apart:
                    parts.append([])
                parts[-1].append(place(where, value))
                before = where
        lines.append("".join(_path(part) for part in parts if part))
    middle = (low + high) / 2
    heights = ((high, TOP), (middle, (TOP + HEIGHT - BOTTOM) / 2), (low, HEIGHT - BOTTOM))
    return Chart(tuple(lines), tuple((height, f"{value:g}") for value, height in heights), ends)


def _path(points: Sequence[str]) -> str:
    # A single point would be no line: it becomes a short dash.
    if len(points) == 1:
        across, down = points[0].split()
        return f"M{float(across) - 2:.1f} {down}L{float(across) + 2:.1f} {down}"
    return "M" + "L".join(points)
