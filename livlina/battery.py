"""``livlina cost battery``: days of battery per profile beside the heartbeat interval, from the unit's own model.

The figures are computed from other people's measurements (`SOURCES`); none was measured on a unit of ours. The command
line enters the checkout first (`livlina.checkout`): the model is the firmware's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from firmware.core import power, profiles
from livlina import board_battery
from livlina.hardware.board import Board, HardwareError, names, read

HEARTBEATS_S = (60, 300, 900, 3600, 14_400, 86_400)
MISSES = 3
"""Heartbeats in a row after which a unit counts as silent, for the column beside the days."""


UJ_A_MWH = 3_600_000

SOURCES = (
    ("floor", "14 uA", "whole board asleep, modem in PSM: boaks, nRF9160 feather, Nordic's power profiler"),
    ("self-discharge", "40 uA Li-ion; 1.5 % a year Li-MnO2", "boaks; Rayovac"),
    ("heartbeat", "0.35 mWh each, 8 s of active time included", "boaks, Thingy:91, 22 s awake"),
    ("sent again", "108 attempts more in 2,517 heartbeats", "boaks, 104 days hourly"),
    ("processor", "2 s at 40 mA and 20 s at 2 mA in each exchange", "ESP32-S3, from memory, **unconfirmed**"),
    (
        "spare SIM",
        "twice a day 0.06 + 0.35 mWh",
        "boaks; that a change of SIM costs no more than off and on is **unconfirmed**",
    ),
    ("presses", "one a month, 60 exchanges until taken", "ours, **unconfirmed**"),
    ("listening to the network", "1 mA + 25 uA for the SIM", "SIM7000 data sheet; boaks"),
    ("listening to pendants", "2 mA + 20 % of 95 mA", "ESP32-S3, from memory, **unconfirmed**"),
    (
        "tracking area update, if the granted period is shorter than the heartbeat",
        "0.10 mWh each",
        "boaks",
    ),
    ("usable part", "80 % Li-ion; 85 % Li-MnO2", "device notes; the latter from memory, **unconfirmed**"),
    (
        "cold",
        "Li-ion 82 % at 0 °C, 69 % at -20 °C",
        "a maker's page on ML2032 and LIR2032 cells, **unconfirmed** for larger ones",
    ),
    (
        "battery",
        "1350 mAh, tracker and camera 500 mAh, 3.9 V",
        "the sizes that the device notes compute with; the hardware decides",
    ),
)
"""What a day is made of: (part, figure, source). boaks is the zephyr-coaps-client project (nRF9160, Germany, 2022)."""


class BatteryError(ValueError):
    """What was asked for cannot be computed; the message says what to give."""


def days(profile: str, heartbeat_s: int, celsius: int = 20) -> dict[str, Any]:
    """How long a unit of this profile lasts without mains, and by when its silence is noticed.

    Returns profile, heartbeat_s, days (one decimal), days_without_coverage at 20 degrees (None where the unit does not
    rest without it), detected_after_s, mains (whether that is a bridge over a loss of
    mains), sleeps (whether the modem is in PSM between heartbeats), mwh_a_heartbeat, mwh_a_press and joules_a_day by
    what they are spent on. Raises BatteryError for a profile that is not there or an interval or temperature that
    cannot be meant.
    """
    try:
        kind = profiles.named(profile)
    except ValueError as error:
        raise BatteryError(str(error)) from error
    if not profiles.LEAST_HEARTBEAT <= heartbeat_s <= power.DAY_S:
        raise BatteryError(f"a heartbeat comes every {profiles.LEAST_HEARTBEAT} s to {power.DAY_S} s")
    if not -40 <= celsius <= 85:
        raise BatteryError("a unit is used between -40 and 85 degrees C")
    mv = kind.battery[1]
    return {
        "profile": profile,
        "heartbeat_s": heartbeat_s,
        "days": power.days(kind, heartbeat_s, celsius) / 10,
        "days_without_coverage": power.barren(kind, heartbeat_s) / 10 if power.asleep(kind) else None,
        "detected_after_s": MISSES * heartbeat_s,
        "mains": kind.battery[3],
        "sleeps": power.asleep(kind),
        "mwh_a_heartbeat": round(power.heartbeat_uj(mv) / UJ_A_MWH, 3),
        "mwh_a_press": round(power.press_uj(mv) / UJ_A_MWH, 1),
        "joules_a_day": {what: round(spent / 1e6, 2) for what, spent in power.daily(kind, heartbeat_s)},
    }


def table(celsius: int = 20) -> dict[str, Any]:
    """Days of every profile beside every interval of `HEARTBEATS_S`: {profile: {heartbeat in s: days}}."""
    rows = {
        kind.name: {str(interval): days(kind.name, interval, celsius)["days"] for interval in HEARTBEATS_S}
        for kind in profiles.PROFILES
    }
    return {"celsius": celsius, "heartbeats_s": list(HEARTBEATS_S), "days": rows}


def report(profile: str | None, heartbeat_s: int | None, celsius: int) -> dict[str, Any]:
    """What was asked for: one profile at one interval, one or all profiles at all, with where the figures come from."""
    names = [profile] if profile else [kind.name for kind in profiles.PROFILES]
    intervals = [heartbeat_s] if heartbeat_s else list(HEARTBEATS_S)
    return {
        "celsius": celsius,
        "rows": [days(name, interval, celsius) for name in names for interval in intervals],
        "sources": [{"part": part, "figure": figure, "source": source} for part, figure, source in SOURCES],
    }


def of_board(
    root: Path, name: str, profile: str | None, heartbeat_s: int | None, celsius: int
) -> dict[str, Any]:  # fmt: skip
    """`report` with a board's own battery and the currents of its power.csv, for the profiles that it is made for.

    Raises BatteryError, also for a board that cannot be read or has no battery.
    """
    try:
        board = read(root, name)
        made_for = board.data["board"]["profiles"]
        if profile is not None and profile not in made_for:
            raise BatteryError(f"{name} is made for {', '.join(made_for)}, not for {profile}")
        if "battery" not in board.data:
            raise BatteryError(f"{name} has no battery of its own")
        asked = [profile] if profile else made_for
        intervals = [heartbeat_s] if heartbeat_s else list(HEARTBEATS_S)
        rows = [_of_board(board, one, interval, celsius) for one in asked for interval in intervals]
    except HardwareError as error:
        raise BatteryError(str(error)) from error
    sources = [
        {"part": one.state, "figure": f"{one.value} {one.unit}", "source": f"{one.basis}: {one.source}"}
        for one in board.power.values()
    ]
    return {"celsius": celsius, "board": name, "rows": rows, "sources": sources}


def _of_board(board: Board, profile: str, heartbeat_s: int, celsius: int) -> dict[str, Any]:
    """`days`, with what the board changes. The energy of a heartbeat and a press are of the board's figures too."""
    row = days(profile, heartbeat_s, celsius)
    own = board_battery.days(board, profile, heartbeat_s, celsius)
    each = board_battery.heartbeat_uj(board)
    row |= {key: own[key] for key in ("days", "joules_a_day")}
    row["days_without_coverage"] = None
    row["mwh_a_heartbeat"] = round(each / UJ_A_MWH, 3)
    row["mwh_a_press"] = round(each * power.PRESS_EXCHANGES / UJ_A_MWH, 1)
    return row


def board_lines(root: Path) -> list[str]:
    """Days of each board's battery beside the model's own, as Markdown; docs/energy.md holds it as made here."""
    made = ["| board | profile | battery | floor | heartbeat | days, by the board | days, by the model |"]
    made.append("|" + "---|" * 7)
    for name in names(root):
        board = read(root, name)
        for profile in board.data["board"]["profiles"] if "battery" in board.data else ():
            usual = profiles.named(profile).heartbeat[0]
            own, model = board_battery.days(board, profile, usual)["days"], days(profile, usual)["days"]
            made.append(
                f"| {name} | {profile} | {board.data['battery']['mah']} mAh | {board.power['floor'].value} uA | "
                f"{_span(usual)} | {own:g} | {model:g} |"
            )
    return made


def source_lines() -> list[str]:
    """`SOURCES` as Markdown; docs/energy.md holds it as made here."""
    return ["| part | figure | source |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in SOURCES)]


def lines(celsius: int = 20) -> list[str]:
    """`table` for a person to read, as Markdown; docs/energy.md holds it as made here."""
    found = table(celsius)["days"]
    names = [f"{name}{' (bridge)' if profiles.named(name).battery[3] else ''}" for name in found]
    head = ["heartbeat", "silence noticed", *names]
    made = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for interval in HEARTBEATS_S:
        cells = [_span(interval), _span(MISSES * interval), *(f"{row[str(interval)]:g}" for row in found.values())]
        made.append("| " + " | ".join(cells) + " |")
    return made


def barren_lines() -> list[str]:
    """Days of a tracker without any coverage, as Markdown; docs/energy.md holds it as made here."""
    kind = profiles.named("tracker")
    made = ["| heartbeat | tracker without coverage, days |", "|---|---|"]
    for interval in HEARTBEATS_S[3:]:
        made.append(f"| {_span(interval)} | {power.barren(kind, interval) / 10:g} |")
    return made


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
