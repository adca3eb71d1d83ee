"""Scenario files (TOML): the modem, the networks and cards around it, and what happens when.

Everything has a default; an unknown key or a value that cannot be is an error, so that no misspelt fault passes for one
that was survived.
Times are in ms of the emulator's clock. README.md lists the steps.
"""

from __future__ import annotations

import math
import re
import tomllib
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "scenarios"


class ScenarioError(Exception):
    """A scenario file says something that nobody understands; the message says what and where."""


@dataclass(frozen=True)
class Serial:
    """How bytes come out: `chunk` bytes at a time (0: what is there at once), `gap_ms` apart. `echo_data`: the modem
    echoes payloads too while its echo is on."""

    chunk: int = 0
    gap_ms: float = 0.0
    echo_data: bool = False


@dataclass(frozen=True)
class Timing:
    """What takes how long. The defaults are the figures that were measured with a warm cell."""

    boot_ms: float = 5000
    card_ms: float = 500
    register_ms: float = 1800
    cfun_on_ms: float = 800
    cfun_off_ms: float = 4500
    pdp_ms: float = 900
    open_ms: float = 300
    send_ms: float = 10
    command_ms: float = 3
    resume_ms: float = 1200
    cops_ms: float = 3000
    sms_ms: float = 400


@dataclass(frozen=True)
class PathSettings:
    """Of the way between modem and server; UDP only, since TCP repairs itself."""

    latency_ms: float = 40
    jitter_ms: float = 20
    loss_up: float = 0.0
    loss_down: float = 0.0


@dataclass(frozen=True)
class Network:
    """A radio network: masts. Several operators may share one. `register_ms` in place of the timing's."""

    name: str
    up: bool = True
    tac: int = 0xE485
    cell: int = 0x093F9E11
    rsrp: int = -87
    earfcn: int = 6300
    band: int = 20
    radio: str = "eMTC"
    register_ms: float | None = None


@dataclass(frozen=True)
class Operator:
    name: str
    plmn: str
    networks: tuple[str, ...]


@dataclass(frozen=True)
class Card:
    """A SIM. `cause`: the network refuses it so (TS 24.301 EMM cause); `roams`: operators that take it as a guest;
    `shape`: how the modem shows its ICCID (plain, padded, swapped, quoted; empty for the modem's own way); `places`:
    how many SMS it holds; `loss` of datagrams each way while it is in use."""

    iccid: str
    imsi: str
    operator: str
    roams: tuple[str, ...] = ()
    present: bool = True
    cause: int = 0
    shape: str = ""
    places: int = 20
    loss: float = 0.0


@dataclass(frozen=True)
class Grant:
    """What the network grants of what is asked for: PSM timers as eight binary digits each, the eDRX cycle and its
    window as four; empty for none. `idle_ms`: from the last traffic until the radio lets go of the connection."""

    active: str = ""
    tau: str = ""
    edrx: str = ""
    window: str = "0011"
    idle_ms: float = 10000


@dataclass(frozen=True)
class Gnss:
    """Where the modem is, and what its receiver makes of it: `sees` fresh (a fix, `first_ms` after the start), stale
    (an old position with an empty fix flag) or nothing."""

    latitude: str = "59.332580"
    longitude: str = "18.064900"
    satellites: int = 7
    dilution: str = "1.2"
    first_ms: float = 20000
    sees: str = "fresh"


@dataclass(frozen=True)
class Calendar:
    """What the network says that it is: unix seconds at the emulator's start, zone in quarters of an hour."""

    unix: int = 1795299631
    zone: int = 4


@dataclass(frozen=True)
class Interrupts:
    """URCs between a command and its answer, and between its lines."""

    probability: float = 0.0
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One thing that happens: `at_ms` after the start, and every `every_ms` from then on, or when a command that begins
    with `on` comes the `count`th time, before it is carried out."""

    do: str
    at_ms: float | None = None
    every_ms: float = 0
    on: str = ""
    count: int = 1
    ms: float = 0
    name: str = ""
    up: bool = True
    quiet: bool = False
    cause: int = 0
    slot: int = -1
    times: int = 1
    lines: tuple[str, ...] = ()
    payload: str = ""
    coding: str = "8-bit"
    sender: str = "46701234567"
    loss: float = 0.0
    rsrp: int | None = None
    cell: int | None = None
    tac: int | None = None
    stat: int = 2
    port: int = 0


SHAPES = ("", "plain", "padded", "swapped", "quoted")
SEES = ("fresh", "stale", "nothing")
CODINGS = ("8-bit", "7-bit", "concatenated", "garbage")
DO = (
    "hang", "stall", "reset", "brown_out", "urc", "pdp_drop", "network", "cause", "cell_loss", "sms", "loss", "card",
    "signal", "registration", "gnss", "sms_refused", "block",
)  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """Everything that a file may say. `revision`: the modem's firmware; empty for the dialect's own."""

    dialect: str = "bg95"
    seed: int = 1
    revision: str = ""
    serial: Serial = field(default_factory=Serial)
    timing: Timing = field(default_factory=Timing)
    path: PathSettings = field(default_factory=PathSettings)
    grant: Grant = field(default_factory=Grant)
    gnss: Gnss = field(default_factory=Gnss)
    calendar: Calendar = field(default_factory=Calendar)
    interrupts: Interrupts = field(default_factory=Interrupts)
    networks: tuple[Network, ...] = (Network("own"),)
    operators: tuple[Operator, ...] = (Operator("Own", "24001", ("own",)),)
    cards: tuple[Card, ...] = (Card("8946001201234567890", "240016123456789", "Own"),)
    steps: tuple[Step, ...] = ()


_TABLES: dict[str, type] = {
    "serial": Serial, "timing": Timing, "path": PathSettings, "grant": Grant, "interrupts": Interrupts, "gnss": Gnss,
    "calendar": Calendar,
}  # fmt: skip
# Fields of any table: what is allowed besides the type.
_AMOUNT = (0.0, math.inf)
_BOUNDS: dict[str, tuple[float, float]] = {
    "loss": (0, 1), "loss_up": (0, 1), "loss_down": (0, 1), "probability": (0, 1), "chunk": _AMOUNT, "ms": _AMOUNT,
    "count": (1, math.inf), "times": (1, math.inf), "places": (1, 255), "slot": (-1, 1), "cause": (0, 255),
    "port": (0, 65535), "tac": (0, 0xFFFF), "cell": (0, 0xFFFFFFF), "rsrp": (-200, 0),
}  # fmt: skip
_SHAPED = {
    "plmn": r"\d{5,6}", "active": r"([01]{8})?", "tau": r"([01]{8})?", "edrx": r"([01]{4})?", "window": r"[01]{4}",
    "payload": r"([0-9a-fA-F]{2})*", "dialect": "bg95|sim7080g|gm02s", "radio": "eMTC|NBIoT|GSM",
}  # fmt: skip
_LISTS: dict[str, type] = {"networks": Network, "operators": Operator, "cards": Card, "steps": Step}


def _is(value: Any, kind: Any) -> bool:
    """Whether a value of a file is of this type of a field."""
    options = typing.get_args(kind)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if typing.get_origin(kind) is tuple:
        inner = options[0]
        # A list of tables has been made one of objects before.
        return isinstance(value, list) and all(isinstance(one, inner) for one in value)
    return any(_is(value, one) for one in options) if options else isinstance(value, kind)


def _make(kind: type, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise ScenarioError(f"{where} is no table")
    hints = typing.get_type_hints(kind)
    if unknown := set(values) - set(hints):
        raise ScenarioError(f"{where} has unknown keys: {', '.join(sorted(unknown))}")
    for name, value in values.items():
        least, most = _BOUNDS.get(name, _AMOUNT if name.endswith("_ms") else (-math.inf, math.inf))
        fits = _is(value, hints[name]) and (not isinstance(value, int | float) or least <= value <= most)
        if not fits or (name in _SHAPED and not re.fullmatch(_SHAPED[name], value)):
            raise ScenarioError(f"{where}: {name} cannot be {value!r}")
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    except TypeError as error:
        raise ScenarioError(f"{where}: {error}") from None


def parse(text: str, where: str = "scenario") -> Scenario:
    """A scenario from TOML. Raises ScenarioError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{where}: {error}") from None
    for name, kind in _TABLES.items():
        if name in values:
            values[name] = _make(kind, values[name], f"{where}: [{name}]")
    for name, kind in _LISTS.items():
        if name in values:
            if not isinstance(values[name], list):
                raise ScenarioError(f"{where}: {name} is no list of tables: write [[{name}]]")
            values[name] = [_make(kind, one, f"{where}: [[{name}]]") for one in values[name]]
    scenario: Scenario = _make(Scenario, values, where)
    _check(scenario, where)
    return scenario


def _check(scenario: Scenario, where: str) -> None:
    networks = {one.name for one in scenario.networks}
    operators = {one.name for one in scenario.operators}
    if len(networks) < len(scenario.networks) or len(operators) < len(scenario.operators):
        raise ScenarioError(f"{where}: two networks, or two operators, have one name")
    if not 1 <= len(scenario.cards) <= 2:
        raise ScenarioError(f"{where}: a modem has one card or two")
    for operator in scenario.operators:
        if not set(operator.networks) <= networks:
            raise ScenarioError(f"{where}: operator {operator.name} names a network that is not there")
    for card in scenario.cards:
        if not {card.operator, *card.roams} <= operators:
            raise ScenarioError(f"{where}: card {card.iccid} names an operator that is not there")
        _one_of(card.shape, SHAPES, f"{where}: shape")
    _one_of(scenario.gnss.sees, SEES, f"{where}: gnss.sees")
    for step in scenario.steps:
        _check_step(step, scenario, networks, where)


def _check_step(step: Step, scenario: Scenario, networks: set[str], where: str) -> None:
    if step.do not in DO:
        raise ScenarioError(f"{where}: no step does {step.do!r}; there are {', '.join(DO)}")
    if (step.at_ms is None) == (step.on == ""):
        raise ScenarioError(f"{where}: a step needs either at_ms or on")
    if step.every_ms and step.at_ms is None:
        raise ScenarioError(f"{where}: every_ms needs at_ms")
    if step.slot >= len(scenario.cards):
        raise ScenarioError(f"{where}: step {step.do} names slot {step.slot}, where there is no card")
    if step.do in ("network", "signal"):
        _one_of(step.name, sorted(networks), f"{where}: the network of step {step.do}")
    elif step.do == "gnss":
        _one_of(step.name, SEES, f"{where}: the name of step gnss")
    elif step.do == "sms":
        _one_of(step.coding, CODINGS, f"{where}: coding")
    elif step.do == "urc" and not step.lines:
        raise ScenarioError(f"{where}: step urc needs lines")
    elif step.do == "block" and not step.port:
        raise ScenarioError(f"{where}: step block needs a port")


def _one_of(value: str, known: Sequence[str], what: str) -> None:
    if value not in known:
        raise ScenarioError(f"{what} is {value!r}; there are {', '.join(repr(one) for one in known)}")


def load(name: str) -> Scenario:
    """One of the files in scenarios/, by its name without suffix, or any file by a path that ends in .toml. Raises
    ScenarioError."""
    path = Path(name) if name.endswith(".toml") else HERE / f"{name}.toml"
    if not path.is_file():
        there = ", ".join(sorted(one.stem for one in HERE.glob("*.toml")))
        raise ScenarioError(f"no scenario {name}; there are {there}, and any file of yours that ends in .toml")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from None
    return parse(text, path.name)
