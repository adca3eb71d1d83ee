"""A press as the front doors hand it to the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fleet.alarms.model import Press, PressKey


def press(unit: int, seq: int, **more: Any) -> Press:
    """An ordinary press of a social alarm, just received, of the unit's first boot; ``more`` is what differs."""
    now = datetime.now(UTC)
    ordinary = Press(
        key=PressKey(unit, 1, seq), municipality=1, unit_type="social", received_at=now, pressed_at=now,
        transport="coap", generation=1, counter=seq, kind=1, input=0, count=1, age_s=0, attempt=1, bearer=3,
        battery=90, flags=0, clock=None, marks=(), priority=2, raw=b"\x00",
    )  # fmt: skip
    return replace(ordinary, **more)
