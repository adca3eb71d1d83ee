"""``livlina battery``: days of battery per profile beside the heartbeat interval, from the unit's own model.

The figures are computed from other people's measurements (docs/energy.md lists them); none was measured on a unit of
ours. The command line enters the checkout first (`livlina.checkout`): the model is the firmware's.
"""

from __future__ import annotations

from typing import Any

from firmware.core import power, profiles

HEARTBEATS_S = (60, 300, 900, 3600, 14_400, 86_400)
MISSES = 3
"""Heartbeats in a row after which a unit counts as silent, for the column beside the days."""


class BatteryError(ValueError):
    """What was asked for cannot be computed; the message says what to give."""


def days(profile: str, heartbeat_s: int, celsius: int = 20) -> dict[str, Any]:
    """How long a unit of this profile lasts without mains, and by when its silence is noticed.

    Returns profile, heartbeat_s, days (one decimal), detected_after_s, mains (whether that is a bridge over a loss of
    mains), sleeps (whether the modem is in PSM between heartbeats) and joules_a_day by what they are spent on. Raises
    BatteryError for a profile that is not there or an interval that the profile does not take.
    """
    try:
        kind = profiles.named(profile)
    except ValueError as error:
        raise BatteryError(str(error)) from error
    if not profiles.LEAST_HEARTBEAT <= heartbeat_s <= power.DAY_S:
        raise BatteryError(f"a heartbeat comes every {profiles.LEAST_HEARTBEAT} s to {power.DAY_S} s")
    return {
        "profile": profile,
        "heartbeat_s": heartbeat_s,
        "days": power.days(kind, heartbeat_s, celsius) / 10,
        "detected_after_s": MISSES * heartbeat_s,
        "mains": kind.battery[3],
        "sleeps": power.asleep(kind, heartbeat_s),
        "joules_a_day": {what: round(spent / 1e6, 2) for what, spent in power.daily(kind, heartbeat_s)},
    }


def table(celsius: int = 20) -> dict[str, Any]:
    """Days of every profile beside every interval of `HEARTBEATS_S`: {profile: {heartbeat in s: days}}."""
    rows = {
        kind.name: {str(interval): days(kind.name, interval, celsius)["days"] for interval in HEARTBEATS_S}
        for kind in profiles.PROFILES
    }
    return {"celsius": celsius, "heartbeats_s": list(HEARTBEATS_S), "days": rows}


def lines(celsius: int = 20) -> list[str]:
    """The same table for a person to read, as Markdown; docs/energy.md holds it as made here."""
    found = table(celsius)["days"]
    names = [f"{name}{' (bridge)' if profiles.named(name).battery[3] else ''}" for name in found]
    head = ["heartbeat", "silence noticed", *names]
    made = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for interval in HEARTBEATS_S:
        cells = [_span(interval), _span(MISSES * interval), *(f"{row[str(interval)]:g}" for row in found.values())]
        made.append("| " + " | ".join(cells) + " |")
    return made


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
