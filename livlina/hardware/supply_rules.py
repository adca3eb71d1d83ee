"""Rules of a board's supply, battery and papers: who feeds whom, whether it is enough, and where a figure comes from.

All sums are of peaks at the same moment, which is worse than what happens. Capacitors are counted at their face value;
their loss at voltage and cold is for the page to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from livlina.hardware.board import Board

Found = Iterator[tuple[str, str]]

STATES = (
    "floor", "cpu deep sleep", "cpu awake", "cpu light sleep", "modem off", "modem psm", "modem edrx", "modem idle",
    "modem connected", "modem tx", "sim", "ble listening", "ble off", "gnss on", "gnss off", "signal vibration",
    "signal speaker", "signal off", "exchange",
)  # fmt: skip
"""What power.csv must give: the consumers' states of firmware/core/power.py, and three figures of its model."""


def unknown_name(board: Board) -> Found:
    """A rail or source is named that board.toml does not have."""
    rails = {rail["name"] for rail in board.data["rail"]}
    sources = {source["id"] for source in board.data["source"]}
    for place, row in _tables(board.data):
        for key in ("rail", "from", "input_rail"):
            if key in row and row[key] not in rails:
                yield place, f"{place}: there is no rail {row[key]}"
        if "source" in row and row["source"] not in sources:
            yield place, f"{place}: there is no source {row['source']}"


def _tables(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in data.items():
        rows = value if isinstance(value, list) else [value]
        for number, row in enumerate(rows, 1):
            if isinstance(row, dict) and key != "source":
                yield (f"{key} {number}" if isinstance(value, list) else key), row


def unknown_part(board: Board) -> Found:
    """A reference of board.toml that the bill of materials does not have."""
    there = {part.reference for part in board.bom}
    for place, row in _tables(board.data):
        for key in ("part", "shifter", "esd", "fuse"):
            if key in row and row[key] not in there:
                yield row[key], f"{place}: bom.csv has no {row[key]}"


def peaks(board: Board, name: str, seen: tuple[str, ...] = ()) -> int:
    """mA that a rail must give at worst: its own loads, the modem, and the rails that it feeds."""
    rail = board.rail(name)
    if rail is None or name in seen:
        return 0
    own: int = sum(load["peak_ma"] for load in board.data["load"] if load["rail"] == name)
    if board.data.get("modem", {}).get("rail") == name:
        own += board.data["modem"]["peak_ma"]
    for below in board.data["rail"]:
        if below.get("from") == name:
            needed = peaks(board, below["name"], (*seen, name))
            if "efficiency" in below and rail["min_mv"] and not below.get("linear", False):
                needed = -(-needed * below["max_mv"] * 100 // (rail["min_mv"] * below["efficiency"]))
            own += needed
    return own


def rail_loop(board: Board) -> Found:
    """A rail feeds itself."""
    for rail in board.data["rail"]:
        seen = [rail["name"]]
        above = rail.get("from")
        while above is not None and above not in seen:
            seen.append(above)
            above = (board.rail(above) or {}).get("from")
        if above == rail["name"]:
            yield rail["name"], f"{rail['name']} feeds itself by way of {', '.join(seen[1:]) or 'nothing'}"


def rail_current(board: Board) -> Found:
    """A rail must give more than it can; the modem's burst apart, which capacitors may carry (modem-peak)."""
    modem = board.data.get("modem", {})
    for rail in board.data["rail"]:
        needed = peaks(board, rail["name"])
        if rail["name"] == modem.get("rail"):
            needed -= modem["peak_ma"]
        if needed > rail["limit_ma"]:
            yield rail["name"], f"{rail['name']} gives {rail['limit_ma']} mA, {needed} mA are wanted at worst"


def modem_peak(board: Board) -> Found:
    """The burst of the modem is more than its rail gives, and its capacitors sag below what it needs."""
    modem = board.data.get("modem")
    rail = board.rail(modem["rail"]) if modem else None
    if not modem or rail is None:
        return
    excess = peaks(board, rail["name"]) - rail["limit_ma"]
    if excess <= 0:
        return
    capacitance = rail["capacitance_uf"]
    # mA times us are nC, and nC by uF are mV.
    sag = excess * modem["burst_us"] // capacitance if capacitance else 1 << 30
    if rail["min_mv"] - sag < modem["min_mv"]:
        what = f"its {capacitance} uF sag by {sag} mV" if capacitance else "it has no capacitor"
        yield (
            rail["name"],
            f"a burst of {modem['peak_ma']} mA is {excess} mA more than {rail['name']} gives; {what} from "
            f"{rail['min_mv']} mV, below the modem's {modem['min_mv']} mV",
        )


def modem_voltage(board: Board) -> Found:
    """The modem's rail is outside what the modem may have."""
    modem = board.data.get("modem")
    rail = board.rail(modem["rail"]) if modem else None
    if modem and rail and not modem["min_mv"] <= rail["min_mv"] <= rail["max_mv"] <= modem["max_mv"]:
        yield (
            rail["name"],
            f"{rail['name']} is {rail['min_mv']} to {rail['max_mv']} mV, the modem takes {modem['min_mv']} to "
            f"{modem['max_mv']} mV",
        )


def linear_drop(board: Board) -> Found:
    """A linear regulator or a switch cannot give more voltage than it gets."""
    for rail in board.data["rail"]:
        above = board.rail(rail.get("from", ""))
        if above is not None and rail.get("linear", False) and rail["min_mv"] > above["min_mv"]:
            yield rail["name"], f"{rail['name']} is to be {rail['min_mv']} mV at least, out of {above['min_mv']} mV"


def battery_sag(board: Board) -> Found:
    """At its end, under the worst load, the battery gives too little voltage, or more current than it may."""
    battery = board.data.get("battery")
    if battery is None:
        return
    needed = peaks(board, battery["rail"])
    if needed > battery["discharge_ma"]:
        yield "battery", f"the battery may give {battery['discharge_ma']} mA, {needed} mA are wanted at worst"
    left = battery["empty_mv"] - needed * battery["resistance_mohm"] // 1000
    rail = board.rail(battery["rail"])
    if rail is not None and left < rail["min_mv"]:
        yield (
            "battery",
            f"empty and under load the battery gives {left} mV, {rail['name']} is said to have {rail['min_mv']}",
        )


def charger_against_battery(board: Board) -> Found:
    """The charger is not made for this battery."""
    battery, charger = board.data.get("battery"), board.data.get("charger")
    if charger is None:
        return
    if battery is None:
        yield "charger", "there is a charger and no battery"
        return
    if charger["chemistry"] != battery["chemistry"]:
        yield "charger", f"a {battery['chemistry']} battery must not be charged as {charger['chemistry']}"
    if charger["charge_mv"] > battery["full_mv"]:
        yield "charger", f"it charges to {charger['charge_mv']} mV, the cell is full at {battery['full_mv']} mV"
    if charger["charge_ma"] > battery["charge_ma"]:
        yield "charger", f"it charges with {charger['charge_ma']} mA, the cell takes {battery['charge_ma']} mA"
    source = board.rail(charger["input_rail"])
    if source is not None and source["limit_ma"] < charger["charge_ma"]:
        yield (
            "charger",
            f"{source['name']} gives {source['limit_ma']} mA, the charger alone takes {charger['charge_ma']}",
        )


def battery_safety(board: Board) -> Found:
    """A lithium cell without protection, or charged by a charger that does not feel how warm it is."""
    battery, charger = board.data.get("battery"), board.data.get("charger")
    if battery is not None and battery["chemistry"] == "li-ion" and not battery["protected"]:
        yield "battery", "a Li-ion cell without a protection circuit"
    if charger is not None and not charger["temperature_watched"]:
        yield "charger", "nobody feels how warm the cell is while it is charged"


def power_states(board: Board) -> Found:
    """power.csv lacks a state of the battery's model, or has one that nobody reads."""
    for name in STATES:
        if name not in board.power:
            yield name, f"power.csv has no line for {name}"
        elif (board.power[name].unit == "uWh") != (name == "exchange"):
            yield name, f"power.csv: {name} is not given in {board.power[name].unit}"
    for name in board.power:
        if name not in STATES:
            yield name, f"power.csv: nobody reads {name}"


def battery_measured(board: Board) -> Found:
    """A battery whose voltage the firmware cannot read: its owner is never warned."""
    if "battery" in board.data and board.pin("battery") is None:
        yield "battery", "the firmware has no converter called battery: nobody is warned before it is empty"


RULES: dict[str, Callable[[Board], Found]] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (
        unknown_name, unknown_part, rail_loop, rail_current, modem_peak, modem_voltage, linear_drop, battery_sag,
        charger_against_battery, battery_safety, power_states, battery_measured,
    )
}  # fmt: skip
