"""The list before a weekend: whose battery is likely to be empty before Monday 08:00, in visiting order.

The forecasts are those of the last look (`store.look_at_batteries`); nothing is reckoned twice and nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fleet.attention import store
from fleet.store.pool import Connection
from fleet.supervision.battery_end import Stop, before, by_percent, monday_after


@dataclass(frozen=True, slots=True)
class Weekend:
    """``until``: the Monday. ``by_fixed_percent``: how many units the usual rule of 20 % would have listed."""

    until: datetime
    stops: tuple[Stop, ...]
    forecast_units: int
    by_fixed_percent: int


async def weekend(
    connection: Connection, at: datetime, zone: ZoneInfo, *, municipality: int | None = None, stops: int | None = None
) -> Weekend:
    """The list as of ``at``, for what the session sees. ``stops``: how many visits fit before the weekend."""
    here = at.astimezone(zone)
    until = monday_after(here)
    cells = await store.cells(connection, at, municipality=municipality)
    found = before(cells, (until - here) / timedelta(days=1), stops=stops)
    return Weekend(until, tuple(found), len(cells), len(by_percent(cells)))
