"""What bench.soak holds against the fleet's books: the finger's truth, the lamp, and what was wrong when. Pure.

A press may take as long as something is in its way. It may not be missing, come twice, or be shown as stored before it
is, nor take long once everything has been well for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ARRIVED = ("stored", "accepted", "taken")
RECOVERED_S = 300.0
"""So long after the last fault a press may still be on its way: a return to a card that was searched for in vain."""
QUIET_S = 600.0
"""A press is without any fault when nothing has been wrong for so long."""
QUICK_S = 20.0
LONG_S = 22.0
"""Presses that take longer are told with what was wrong meanwhile."""
SETTLED_S = 1.0
"""The lamp may show an older press's stage for so long after a further one has begun."""

Broken = tuple[float, float, str]
"""From when to when (s) something was wrong, and what."""


@dataclass(frozen=True)
class Pressed:
    """One press as the finger knows it: when (s), and on which input."""

    at: float
    input: int


def judge(
    pressed: Sequence[Pressed],
    came: Sequence[float],
    lamps: Sequence[tuple[float, str]],
    broken: Sequence[Broken],
    mended: float,
) -> list[str]:
    """Sentences about what is wrong. `came` is when each press that the fleet knows was stored, in the unit's own
    order; `lamps` are (when, stage); `mended` is when all was well for good."""
    if len(came) != len(pressed):
        return [f"{len(pressed)} presses, {len(came)} came"]
    wrong = []
    for place, (one, stored) in enumerate(zip(pressed, came, strict=True)):
        until = pressed[place + 1].at if place + 1 < len(pressed) else float("inf")
        wrong += [
            f"press at {one.at:.1f}: the lamp said {stage} at {at:.1f}, it was stored at {stored:.1f}"
            for at, stage in lamps
            if stage in ARRIVED and one.at + SETTLED_S < at < min(until, stored)
        ]
        took = stored - one.at
        if took > QUICK_S and all(end + QUIET_S < one.at or start > stored for start, end, _ in broken):
            wrong.append(f"press at {one.at:.1f}: {took:.1f} s without any fault")
        well = max([one.at, *(min(end, mended) for start, end, _ in broken if start < stored)])
        if stored - well > RECOVERED_S:
            wrong.append(f"press at {one.at:.1f}: stored {stored - well:.0f} s after the last fault")
    return wrong


def late(pressed: Sequence[Pressed], came: Sequence[float], broken: Sequence[Broken]) -> tuple[float, list[str]]:
    """The longest wait (s), and a line for each press that took long: when, how long, and what was wrong (from, to)."""
    lines = []
    worst = 0.0
    for one, stored in zip(pressed, came, strict=False):
        worst = max(worst, stored - one.at)
        if stored - one.at > LONG_S:
            names = [
                f"{name} {start - one.at:+.0f}..{end - one.at:+.0f}"
                for start, end, name in broken
                if end > one.at - 60 and start < stored
            ]
            lines.append(f"{one.at:.0f} +{stored - one.at:.0f} s: " + ", ".join(names))
    return worst, lines
