"""``livlina plan weekend``: the list before a weekend, out of this installation's database."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fleet.attention import store
from fleet.attention.weekend import weekend
from fleet.connectivity.sunset_store import HERE
from fleet.settings import Settings
from fleet.store.pool import Connection
from livlina.registry_connection import in_duty


def weekend_list(settings: Settings, municipality: int | None, stops: int | None) -> dict[str, Any]:
    """Takes the newest readings, forecasts, and lists; times in ISO 8601."""

    async def work(connection: Connection) -> dict[str, Any]:
        at = datetime.now(UTC)
        await store.look_at_batteries(connection, at)
        found = await weekend(connection, at, HERE, municipality=municipality, stops=stops)
        return {
            "until": found.until.isoformat(),
            "forecast_units": found.forecast_units,
            "by_fixed_percent": found.by_fixed_percent,
            "stops": [{**asdict(stop), "unit": f"{stop.unit:08x}"} for stop in found.stops],
        }

    return in_duty(settings, "supervise", work)


def lines(document: dict[str, Any]) -> list[str]:
    """For a person."""
    made = [f"{len(document['stops'])} units are likely to be empty before {document['until']}"]
    for stop in document["stops"]:
        mark = "" if stop["fits"] else "  does not fit"
        days = f"{stop['days']:5.1f} days ({stop['least']:.1f} to {stop['most']:.1f})"
        likely = f"{stop['likely'] * 100:3.0f} %"
        made.append(f"  {stop['order']:>3}  {stop['unit']}  {days}  {likely}  {stop['district']}{mark}")
    made.append(f"{document['forecast_units']} batteries forecast; at 20 % or less: {document['by_fixed_percent']}")
    return made
