"""Rules of what protects a board and who carries it: static discharge, fuse, charging in heat and cold, the antenna's
room, capacitors, and parts that somebody can order.

What a bought board has inside nobody told us, so most of these are held against reference boards only: there a thing
that is not written down is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from livlina.hardware.board import Board
from livlina.hardware.supply_rules import peaks

Found = Iterator[tuple[str, str]]

MODEM_UF, PROCESSOR_UF = 100, 10
"""Least capacitance beside a modem and beside an ESP32 module. Makers' hardware designs, from memory, unconfirmed."""
SETTLE_MS = 20
"""How long a contact may bounce: what firmware/core/press.py waits for (a test compares)."""
CONTACTS = ("button", "duress", "cancel", "worn", "man_down")
LOADING_OHM, FILTER_NF = 10_000, 100
"""A divider of more ohms charges the converter's sampling capacitor too slowly, unless a capacitor of
so many nF is at the pin."""
SOLDERED = ("mff2", "integrated")


def _is_ours(board: Board) -> bool:
    return str(board.data["board"]["kind"]) == "reference"


def bulk_capacitance(board: Board) -> Found:
    """Too little capacitance beside modem or processor: a burst reaches the other one as a brown-out."""
    if not _is_ours(board):
        return
    modem = board.data.get("modem")
    wanted = [(modem["rail"], MODEM_UF, "modem")] if modem else []
    wanted += [(load["rail"], PROCESSOR_UF, "processor") for load in board.data["load"] if load["name"] == "esp32-s3"]
    for name, least, what in wanted:
        rail = board.rail(name)
        if rail is not None and rail["capacitance_uf"] < least:
            yield name, f"{rail['capacitance_uf']} uF beside the {what}, at least {least} uF are wanted"


def static_discharge(board: Board) -> Found:
    """What a hand touches and nothing protects: the holder of a card, the socket of the supply."""
    if not _is_ours(board):
        return
    for card in board.data.get("sim", []):
        if card["kind"] not in SOLDERED and "esd" not in card:
            yield f"sim {card['slot']}", f"the holder of card {card['slot']} has no protection against static discharge"
    charger = board.data.get("charger")
    rail = board.rail(charger["input_rail"]) if charger else None
    if rail is not None and "esd" not in rail:
        yield rail["name"], f"the socket of {rail['name']} has no protection against static discharge"


def battery_fuse(board: Board) -> Found:
    """A battery without a fuse, or with one that blows in use or never."""
    battery = board.data.get("battery")
    if battery is None:
        return
    if "fuse_ma" not in battery or "fuse" not in battery:
        if _is_ours(board):
            yield "battery", "no fuse stands behind the battery's own protection"
        return
    needed = peaks(board, battery["rail"])
    if battery["fuse_ma"] <= needed:
        yield "battery", f"its fuse holds {battery['fuse_ma']} mA, {needed} mA are wanted at worst"
    if battery["fuse_ma"] > 2 * battery["discharge_ma"]:
        yield "battery", f"its fuse of {battery['fuse_ma']} mA lets more than twice {battery['discharge_ma']} mA pass"


def charge_temperature(board: Board) -> Found:
    """Charging begins colder, or goes on hotter, than the cell may have it."""
    battery, charger = board.data.get("battery"), board.data.get("charger")
    if battery is None or charger is None:
        return
    limits = ("charge_min_c", "charge_max_c")
    if any(limit not in one for one in (battery, charger) for limit in limits):
        if _is_ours(board):
            yield "charger", "nobody says between which temperatures cell and charger may charge"
        return
    if charger["charge_min_c"] < battery["charge_min_c"]:
        yield "charger", f"it charges from {charger['charge_min_c']} C on, the cell from {battery['charge_min_c']} C"
    if charger["charge_max_c"] > battery["charge_max_c"]:
        yield "charger", f"it charges up to {charger['charge_max_c']} C, the cell takes {battery['charge_max_c']} C"


def input_voltage(board: Board) -> Found:
    """The supply's voltage is more than the charger stands, or not said."""
    charger = board.data.get("charger")
    rail = board.rail(charger["input_rail"]) if charger else None
    if charger is None or rail is None:
        return
    if "input_max_mv" not in charger:
        if _is_ours(board):
            yield "charger", "nobody says how much voltage the charger stands"
    elif rail["max_mv"] > charger["input_max_mv"]:
        yield "charger", f"{rail['name']} may be {rail['max_mv']} mV, the charger stands {charger['input_max_mv']} mV"


def antenna_room(board: Board) -> Found:
    """An antenna on or in the board's own case without the room around it that its maker asks for."""
    for antenna in board.data.get("antenna", []):
        if _is_ours(board) and "keepout_mm" not in antenna:
            yield antenna["radio"], f"no clearance is given for the antenna of {antenna['radio']}"


def bounce(board: Board) -> Found:
    """A contact that bounces longer than the firmware waits counts twice; one that nobody has looked up may."""
    for pin in board.pins:
        if pin["role"] not in CONTACTS or not _is_ours(board):
            continue
        if "bounce_ms" not in pin:
            yield f"GPIO{pin['gpio']}", f"nobody says how long the contact of {pin['role']} bounces"
        elif pin["bounce_ms"] > SETTLE_MS:
            yield (
                f"GPIO{pin['gpio']}",
                f"{pin['role']} bounces for {pin['bounce_ms']} ms, the firmware waits for {SETTLE_MS}",
            )


def adc_source(board: Board) -> Found:
    """A divider that is too weak for the converter, without a capacitor that helps it."""
    for pin in board.pins:
        if pin["direction"] != "analog" or not _is_ours(board):
            continue
        if pin.get("source_ohm", LOADING_OHM + 1) > LOADING_OHM and pin.get("filter_nf", 0) < FILTER_NF:
            yield (
                f"GPIO{pin['gpio']}",
                f"{pin['role']}: a divider of {pin.get('source_ohm', 'unknown')} ohms wants {FILTER_NF} nF at the pin",
            )


def order_number(board: Board) -> Found:
    """A part of a reference board that nobody can order: neither a maker's number nor another word for it."""
    for part in board.bom if _is_ours(board) else ():
        if not part.number:
            yield part.reference, f"bom.csv: {part.reference} ({part.part}) has no maker's number"


RULES: dict[str, Callable[[Board], Found]] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (
        bulk_capacitance, static_discharge, battery_fuse, charge_temperature, input_voltage, antenna_room, bounce,
        adc_source, order_number,
    )
}  # fmt: skip
