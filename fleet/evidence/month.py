"""The month report of a municipality: alarms, both response times, availability, tests, late alarms, costs.

Response times have two definitions, and both are given: from our receiving a press until a centre has accepted it, and
from the finger on the button until a person has taken the case. The yardsticks are 97.5 % within 60 s and 99 % within
180 s. A press that nobody has answered yet counts as not answered, never as not there.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from fleet.evidence.decide import instant
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.evidence", "month.sql")

FIRST_S: Final = 60
SECOND_S: Final = 180
FIRST_SHARE: Final = 97.5
SECOND_SHARE: Final = 99.0
GRACE_S: Final = 30
"""A heartbeat that is so late is still in time: networks queue."""

_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


class ReportError(ValueError):
    """What was asked for cannot be reported; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What a municipality pays: whole units of its currency. Both may be left out."""

    unit_a_month: int | None = None
    alarm_each: int | None = None
    currency: str = "SEK"


def bounds(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """First moment of a month, and of the next one, by the clocks of the zone. Raises ReportError."""
    found = _MONTH.fullmatch(month)
    if found is None:
        raise ReportError(f"{month[:20]!a} is no month: write for example 2026-11")
    year, number = int(found[1]), int(found[2])
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    return datetime(year, number, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone)


async def month_report(
    connection: Connection,
    municipality: int,
    month: str,
    at: datetime,
    *,
    prices: Prices | None = None,
    availability: bool = True,
) -> dict[str, Any]:
    """The report as plain values. It holds what the connection may see. Raises LookupError, ReportError.

    Availability is reckoned from every heartbeat of the month; without it the rest takes milliseconds.
    """
    rows = await fetch_all(connection, SQL["municipality"], {"municipality": municipality})
    if not rows:
        raise LookupError(f"municipality {municipality} is unknown")
    since, until = bounds(month, ZoneInfo(rows[0]["zone"]))
    values: dict[str, Any] = {
        "municipality": municipality, "since": since, "until": until, "first_s": FIRST_S, "second_s": SECOND_S,
        "grace_s": GRACE_S, "first_day": (since - timedelta(days=1)).date(),
        "last_day": (until + timedelta(days=1)).date(),
    }  # fmt: skip
    found = {
        name: await fetch_all(connection, SQL[name], values)
        for name in ("alarms", "outcomes", "responses", "late", "tests", "units")
    }
    units = found["units"][0]["units"]
    cases = sum(row["cases"] for row in found["alarms"])
    return {
        "municipality": municipality,
        "name": rows[0]["name"],
        "month": month,
        "zone": rows[0]["zone"],
        "made_at": instant(at),
        "complete": at >= until,
        "alarms": {
            "cases": cases,
            "presses": sum(row["presses"] for row in found["alarms"]),
            "acute": sum(row["acute"] for row in found["alarms"]),
            "untaken": sum(row["untaken"] for row in found["alarms"]),
            "by_type": {row["unit_type"]: row["cases"] for row in found["alarms"]},
            "by_outcome": {row["outcome"]: row["cases"] for row in found["outcomes"]},
        },
        "response": {row["way"]: _response(row) for row in found["responses"]},
        "late": {"presses": found["late"][0]["presses"], "longest_s": _seconds(found["late"][0]["longest_s"])},
        "tests": _tests(found["tests"], units),
        "availability": await _availability(connection, values) if availability else None,
        "units": units,
        "costs": _costs(prices, units, cases),
    }


def _response(row: Mapping[str, Any]) -> dict[str, Any]:
    presses = row["presses"]
    first, second = _share(row["within_first"], presses), _share(row["within_second"], presses)
    return {
        "presses": presses,
        "answered": row["answered"],
        "within_60_s": row["within_first"],
        "within_60_s_percent": first,
        "within_180_s": row["within_second"],
        "within_180_s_percent": second,
        "reaches_97_5_percent_in_60_s": first is not None and first >= FIRST_SHARE,
        "reaches_99_percent_in_180_s": second is not None and second >= SECOND_SHARE,
        "median_s": _seconds(row["median_s"]),
        "p95_s": _seconds(row["p95_s"]),
        "longest_s": _seconds(row["longest_s"]),
    }


def _tests(rows: list[dict[str, Any]], units: int) -> dict[str, Any]:
    return {
        "tests": sum(row["tests"] for row in rows),
        "buttons": len(rows),
        "units": len({row["unit_id"] for row in rows}),
        "units_percent": _share(len({row["unit_id"] for row in rows}), units),
        "by_button": [
            {
                "unit": f"{row['unit_id']:08x}",
                "input": row["input"],
                "tests": row["tests"],
                "newest": instant(row["newest"]),
            }
            for row in rows
        ],
    }


async def _availability(connection: Connection, values: Mapping[str, Any]) -> dict[str, Any]:
    row = (await fetch_all(connection, SQL["availability"], values))[0]
    judged = row["judged_s"]
    return {
        "units": row["units"],
        "judged_s": round(judged),
        "away_s": round(row["away_s"]),
        "percent": None if judged <= 0 else round(100 * (1 - row["away_s"] / judged), 3),
        "units_away": row["units_away"],
        "longest_away_s": round(row["longest_s"]),
    }


def _costs(prices: Prices | None, units: int, cases: int) -> dict[str, Any] | None:
    if prices is None or (prices.unit_a_month is None and prices.alarm_each is None):
        return None
    parts = {
        "units": None if prices.unit_a_month is None else units * prices.unit_a_month,
        "alarms": None if prices.alarm_each is None else cases * prices.alarm_each,
    }
    return {**parts, "sum": sum(part or 0 for part in parts.values()), "currency": prices.currency}


def _share(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(float(value), 3)


def month_csv(report: Mapping[str, Any]) -> str:
    """The report as lines of section, name, value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["section", "name", "value"])
    for section, value in report.items():
        if not isinstance(value, Mapping):
            writer.writerow(["report", section, "" if value is None else value])
            continue
        for name, part in value.items():
            if isinstance(part, Mapping):
                writer.writerows([section, f"{name}.{key}", "" if item is None else item] for key, item in part.items())
            elif isinstance(part, list):
                writer.writerows([section, f"{item['unit']}/{item['input']}", item["tests"]] for item in part)
            else:
                writer.writerow([section, name, "" if part is None else part])
    return out.getvalue()
