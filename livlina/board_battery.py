"""Days of battery of one board: the firmware's model (core/power.py) with the currents of the board's power.csv.

With the figures that the firmware itself has, it gives what the firmware's model gives (tested for every profile and
interval). Imports the firmware: the command line enters the checkout first.
"""

from __future__ import annotations

from typing import Any

from firmware.core import ledger, power, profiles
from firmware.core.setup import Profile
from livlina.hardware.board import Board

_CHEMISTRY = {"li-ion": profiles.LI_ION, "li-mno2": profiles.LI_MNO2}
CONSUMERS = ("cpu", "modem", "ble", "gnss", "signal")
"""First words of the model's states; the other lines of power.csv are figures of the model itself."""


def model_figures() -> dict[str, int]:
    """power.csv as the firmware's own constants would have it, in uA, the exchange in uWh."""
    figures = {name: state[0] for name, state in ledger.STATES.items()}
    own = {"floor": power.FLOOR_UA, "sim": power.SIM_UA, "exchange": power.EXCHANGE_ACTIVE // power.UWH}
    return figures | own


def on_battery(kind: Profile, mah: int, mv: int, chemistry: int) -> Profile:
    """The profile with another battery."""
    return Profile(
        kind.code, kind.name, kind.inputs, kind.pendants, kind.heartbeat, kind.off_duty, kind.psm, kind.position,
        (mah, mv, chemistry, kind.battery[3]),
    )  # fmt: skip


def _exchange(figures: dict[str, int], mv: int) -> tuple[int, int]:
    """uJ of one exchange over the air, and of the processor beside it."""
    awake = figures["cpu awake"] * power.AWAKE_MS + figures["cpu light sleep"] * power.DOZING_MS
    return figures["exchange"] * power.UWH, awake * mv // 1_000_000


def heartbeat_uj(board: Board) -> int:
    """uJ of one heartbeat, sent once: `power.heartbeat_uj` with the board's figures."""
    figures = {name: draw.value for name, draw in board.power.items()}
    return sum(_exchange(figures, board.data["battery"]["nominal_mv"]))


def daily(kind: Profile, heartbeat: int, figures: dict[str, int]) -> list[tuple[str, int]]:
    """`power.daily` with these figures in place of the firmware's: (what, uJ a day)."""
    mv = kind.battery[1]
    exchange, processor = _exchange(figures, mv)
    changed = {
        "floor": power.steady(figures["floor"], mv),
        "heartbeats": power.exchanges(heartbeat, exchange),
        "processor": power.exchanges(heartbeat, processor),
        "spare SIM and presses": sum(
            often * (each - each // power.EXCHANGE_ACTIVE * (power.EXCHANGE_ACTIVE - exchange)) // 1000
            for often, each, _ in power.HABITS
        ),
        "listening to the network": power.steady(figures["modem edrx"] + figures["sim"], mv),
        "listening to pendants": power.steady(
            figures["cpu light sleep"] + figures["ble listening"] * power.BLE_PERMILLE // 1000, mv
        ),
    }
    return [(what, changed.get(what, spent)) for what, spent in power.daily(kind, heartbeat)]


def days(board: Board, profile: str, heartbeat_s: int, celsius: int = 20) -> dict[str, Any]:
    """How long this board's own battery lasts. Raises ValueError for a board without one, or an unknown profile."""
    battery = board.data.get("battery")
    if battery is None:
        raise ValueError(f"{board.name} has no battery of its own")
    figures = {name: draw.value for name, draw in board.power.items()}
    missing = sorted(set(model_figures()) - set(figures))
    if missing:
        raise ValueError(f"hardware/{board.name}/power.csv has no line for {', '.join(missing)}")
    chemistry = _CHEMISTRY[battery["chemistry"]]
    kind = on_battery(profiles.named(profile), battery["mah"], battery["nominal_mv"], chemistry)
    rows = daily(kind, heartbeat_s, figures)
    usable = power.capacity(battery["mah"], battery["nominal_mv"], chemistry, celsius)
    return {
        "board": board.name,
        "profile": profile,
        "heartbeat_s": heartbeat_s,
        "days": usable * 10 // sum(spent for _, spent in rows) / 10,
        "mains": kind.battery[3],
        "joules_a_day": {what: round(spent / 1e6, 2) for what, spent in rows},
    }
