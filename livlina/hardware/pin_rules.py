"""Rules of a board's pins: what the processor allows there, and what the firmware expects of each name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from livlina.hardware.board import Board

Found = Iterator[tuple[str, str]]

OUTPUTS = ("led_red", "led_green", "led_blue", "vibration", "speaker", "modem_power", "modem_key", "modem_mux")
"""Outputs that the firmware drives high to mean yes (firmware/ports/pins.py, firmware/ports/sleep.py, uart.py)."""
WANTED = ("button", "led_red", "led_green", "led_blue", "vibration")
"""Without these firmware/ports/pins.py does not start."""
ACTIVE = dict.fromkeys(OUTPUTS, "high") | {"mains": "high", "worn": "high", "charging": "low"}
ACTIVE |= dict.fromkeys(("button", "man_down", "duress", "cancel"), "low")
"""The level at which a name means yes, as the firmware reads and drives it (firmware/ports/sensors.py)."""
DIRECTIONS = dict.fromkeys(OUTPUTS, "out") | {"battery": "analog", "supply": "analog"}
DIRECTIONS |= dict.fromkeys(("button", "man_down", "duress", "cancel", "mains", "charging", "worn"), "in")
DIRECTIONS |= {"modem_tx": "out", "modem_rx": "in", "modem_rts": "out", "modem_cts": "in"}
PULL_UP_OHM = 45_000
"""Of a pin that the firmware reads with a pull-up: the chip's data sheet, typical value, from memory, unconfirmed."""
CROSSED = {"modem_tx": "RXD", "modem_rx": "TXD", "modem_rts": "RTS", "modem_cts": "CTS"}
"""Where a line of the processor must end at the modem. RTS and CTS bear the modem's names from its host's side, as
ITU-T V.24 names circuits 105 and 106: they are joined with their equals, RXD and TXD are crossed."""


def _subject(pin: dict[str, object]) -> str:
    return f"GPIO{pin['gpio']}"


def no_such_pin(board: Board) -> Found:
    """The processor has no pin of this number."""
    for pin in board.pins:
        if pin["gpio"] not in board.chip.gpio:
            yield _subject(pin), f"{board.chip.name} has no {_subject(pin)} ({pin['role']})"


def pin_clash(board: Board) -> Found:
    """Two things are wired to one pin."""
    seen: dict[int, str] = {}
    for pin in board.pins:
        if pin["gpio"] in seen:
            yield _subject(pin), f"{_subject(pin)} is {seen[pin['gpio']]} and {pin['role']}"
        seen.setdefault(pin["gpio"], pin["role"])


def role_twice(board: Board) -> Found:
    """One name stands for two pins: the firmware would know only one of them."""
    seen: set[str] = set()
    for pin in board.pins:
        if pin["role"] in seen and pin["role"] != "taken":
            yield pin["role"], f"{pin['role']} is there twice; the second is {_subject(pin)}"
        seen.add(pin["role"])


def flash_pin(board: Board) -> Found:
    """The pin is wired to the flash inside the module."""
    for pin in board.pins:
        if pin["gpio"] in board.chip.flash:
            yield _subject(pin), f"{_subject(pin)} ({pin['role']}) belongs to the flash"


def psram_pin(board: Board) -> Found:
    """The pin is wired to this module's PSRAM."""
    kind = board.data["chip"]["psram"]
    taken = {"octal": board.chip.psram_octal, "quad": board.chip.psram_quad}.get(kind, frozenset())
    for pin in board.pins:
        if pin["gpio"] in taken:
            yield _subject(pin), f"{_subject(pin)} ({pin['role']}) belongs to the module's {kind} PSRAM"


def usb_pin(board: Board) -> Found:
    """The pin is the processor's USB, by which it is flashed."""
    for pin in board.pins:
        if pin["gpio"] in board.chip.usb and pin["role"] != "taken":
            yield _subject(pin), f"{_subject(pin)} ({pin['role']}) is USB: the board could not be flashed through it"


def console_pin(board: Board) -> Found:
    """The pin is the ROM's console, which speaks at every start."""
    for pin in board.pins:
        if pin["gpio"] in board.chip.console and pin["role"] != "taken":
            yield _subject(pin), f"{_subject(pin)} ({pin['role']}) is the console: the ROM speaks there at every start"


def strapping_pin(board: Board) -> Found:
    """The pin's level at reset decides how the processor starts."""
    for pin in board.pins:
        if pin["gpio"] in board.chip.strapping:
            yield _subject(pin), f"{_subject(pin)} ({pin['role']}) decides at reset how the processor starts"


def input_only(board: Board) -> Found:
    """The pin has no output, or no pull-up for a contact."""
    for pin in board.pins:
        if pin["gpio"] in board.chip.input_only and (pin["direction"] in ("out", "both") or pin["role"] in ACTIVE):
            yield _subject(pin), f"{_subject(pin)} ({pin['role']}) is an input without a pull-up"


def not_analog(board: Board) -> Found:
    """A voltage is to be measured where there is no converter."""
    for pin in board.pins:
        if pin["direction"] == "analog" and pin["gpio"] not in board.chip.adc1 | board.chip.adc2:
            yield _subject(pin), f"{_subject(pin)} ({pin['role']}) has no converter"


def adc2_with_wifi(board: Board) -> Found:
    """The second converter cannot be read while Wi-Fi is on."""
    for pin in board.pins:
        if board.data["board"]["wifi"] and pin["direction"] == "analog" and pin["gpio"] in board.chip.adc2:
            yield _subject(pin), f"{_subject(pin)} ({pin['role']}) is of ADC2, which Wi-Fi keeps for itself"


def adc_range(board: Board) -> Found:
    """The divider lets through more than the converter can read, or its ratio is missing."""
    for pin in board.pins:
        if pin["direction"] == "analog":
            seen = pin["level_mv"] * pin.get("divide", 1) // pin.get("multiply", 1)
            if seen > board.chip.adc_full_mv:
                yield (
                    _subject(pin),
                    f"{pin['role']}: {seen} mV at the pin, the converter reads {board.chip.adc_full_mv}",
                )


def wake_pin(board: Board) -> Found:
    """A contact that has to end a deep sleep is on a pin that cannot."""
    for pin in board.pins:
        if pin["role"] in ("button", "worn") and pin["gpio"] not in board.chip.wake:
            yield _subject(pin), f"{_subject(pin)} ({pin['role']}) cannot wake the processor from deep sleep"


def missing_role(board: Board) -> Found:
    """The firmware does not start, or a profile cannot be had, without this pin."""
    there = {pin["role"] for pin in board.pins}
    for name in WANTED:
        if name not in there:
            yield name, f"the firmware needs a pin called {name}"
    if "modem" in board.data:
        for name in ("modem_tx", "modem_rx"):
            if name not in there:
                yield name, f"the modem cannot be spoken to without {name}"
    if {"social", "camera", "technical"} & set(board.data["board"]["profiles"]) and "mains" not in there:
        yield "mains", "a profile on mains cannot tell the loss of it without a pin called mains"
    if "personal" in board.data["board"]["profiles"]:
        for name in ("man_down", "duress", "worn"):
            if name not in there:
                yield name, f"the profile personal has no use of an input without a pin called {name}"


def direction(board: Board) -> Found:
    """The wire is declared to go the other way than the firmware uses it."""
    for pin in board.pins:
        wanted = DIRECTIONS.get(pin["role"])
        if wanted is not None and pin["direction"] != wanted:
            yield _subject(pin), f"{pin['role']} is {wanted} to the firmware, {pin['direction']} on the board"


def active_level(board: Board) -> Found:
    """Yes is the other level than the firmware takes for it."""
    for pin in board.pins:
        wanted = ACTIVE.get(pin["role"])
        if wanted is not None and pin.get("active") != wanted:
            yield (
                _subject(pin),
                f"{pin['role']} means yes when {wanted} to the firmware, on the board when {pin.get('active')}",
            )


def pull_up(board: Board) -> Found:
    """The firmware's pull-up keeps the pin above what counts as low, so that no is never seen."""
    for pin in board.pins:
        if pin["direction"] == "in" and ACTIVE.get(pin["role"]) == "high":
            ohm = pin.get("ground_ohm")
            low = None if ohm is None else board.chip.io_mv * ohm // (ohm + PULL_UP_OHM)
            if low is None or low * 4 > board.chip.io_mv:
                what = "nothing is said of what pulls it low" if low is None else f"no is {low} mV beside the pull-up"
                yield _subject(pin), f"{pin['role']}: {what}; low is a quarter of {board.chip.io_mv} mV at most"


def voltage_domain(board: Board) -> Found:
    """Both ends of a wire have different voltages, and nothing between them."""
    for pin in board.pins:
        if pin["direction"] != "analog" and pin["level_mv"] != board.chip.io_mv and "shifter" not in pin:
            yield (
                _subject(pin),
                f"{pin['role']}: {board.chip.io_mv} mV here, {pin['level_mv']} mV at {pin['to']}, no shifter",
            )


def uart_crossing(board: Board) -> Found:
    """A line of the UART ends at the modem's line of the wrong direction."""
    for pin in board.pins:
        wanted = CROSSED.get(pin["role"])
        if wanted is not None and pin["to"].rpartition(".")[2] != wanted:
            yield _subject(pin), f"{pin['role']} must end at the modem's {wanted}, not at {pin['to']}"


def sim_choice(board: Board) -> Found:
    """Two cards, and nothing by which the firmware's dialect can choose."""
    cards = board.data.get("sim", [])
    if len(cards) > 1 and "modem" in board.data:
        dialect = board.data["modem"]["dialect"]
        ways = {card["selected_by"] for card in cards}
        if "mux" in ways and board.pin("modem_mux") is None:
            yield "modem_mux", "two cards at a multiplexer, and no pin called modem_mux"
        if "mux" in ways and dialect == "bg95":
            yield "modem_mux", "the firmware chooses a BG95's card by a command, never by a pin"
        if "command" in ways and dialect != "bg95":
            yield "sim", f"the firmware knows no command by which a {dialect} changes its card"
        if "alone" in ways:
            yield "sim", "of two cards none is alone"


def modem_power_cut(board: Board) -> Found:
    """A modem that hangs could only be helped by hand."""
    if "modem" in board.data and board.pin("modem_power") is None:
        yield "modem_power", "the firmware cannot cut the modem's supply"
    if "modem" in board.data and board.data["modem"]["dialect"] != "gm02s" and board.pin("modem_key") is None:
        yield "modem_key", "the firmware cannot press the modem's key"


RULES: dict[str, Callable[[Board], Found]] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (
        no_such_pin, pin_clash, role_twice, flash_pin, psram_pin, usb_pin, console_pin, strapping_pin, input_only,
        not_analog, adc2_with_wifi, adc_range, wake_pin, missing_role, direction, active_level, pull_up, voltage_domain,
        uart_crossing, sim_choice, modem_power_cut,
    )
}  # fmt: skip
