"""Reads a board's folder of hardware/: board.toml, bom.csv, power.csv, and the chip that it is made with.

Opens files only; what a board may be is hardware/schema, whether it can work is `livlina.hardware.rules`.
"""

from __future__ import annotations

import csv
import json
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from livlina.hardware.shape import offences, refuse_unknown

FILES = ("board.toml", "bom.csv", "power.csv", "wiring.md", "CHANGELOG.md")
BOM_HEAD = ["reference", "quantity", "part", "manufacturer", "number", "alternative", "confirmed", "note"]
POWER_HEAD = ["state", "value", "unit", "basis", "source"]
BASES = ("data sheet", "measured by others", "from memory", "estimate", "by definition", "measured")
UNITS = ("uA", "uWh")


class HardwareError(ValueError):
    """A board's files cannot be read, or are not what they must be; the message names file and place."""


@dataclass(frozen=True)
class Chip:
    """What the pins of a processor may be used for; each a set of GPIO numbers, voltages in mV."""

    name: str
    gpio: frozenset[int]
    input_only: frozenset[int]
    flash: frozenset[int]
    psram_octal: frozenset[int]
    psram_quad: frozenset[int]
    usb: frozenset[int]
    console: frozenset[int]
    strapping: frozenset[int]
    wake: frozenset[int]
    adc1: frozenset[int]
    adc2: frozenset[int]
    adc_full_mv: int
    io_mv: int


@dataclass(frozen=True)
class Part:
    """A line of bom.csv. `number` is the manufacturer's, empty where it is still to be chosen."""

    reference: str
    quantity: int
    part: str
    manufacturer: str
    number: str
    alternative: str
    confirmed: bool
    note: str


@dataclass(frozen=True)
class Draw:
    """A line of power.csv: what a state takes at the battery, in uA, or an exchange in uWh."""

    state: str
    value: int
    unit: str
    basis: str
    source: str


@dataclass(frozen=True)
class Board:
    """One board. `data` is board.toml as its schema allows it."""

    name: str
    folder: Path
    data: dict[str, Any]
    chip: Chip
    bom: tuple[Part, ...] = ()
    power: dict[str, Draw] = field(default_factory=dict)

    @property
    def pins(self) -> list[dict[str, Any]]:
        """The rows [[pin]]."""
        return list(self.data["pin"])

    def pin(self, role: str) -> dict[str, Any] | None:
        """The first pin of this role, or None."""
        return next((one for one in self.data["pin"] if one["role"] == role), None)

    def rail(self, name: str) -> dict[str, Any] | None:
        """The rail of this name, or None."""
        return next((one for one in self.data["rail"] if one["name"] == name), None)


def names(root: Path) -> list[str]:
    """The boards in `root`/hardware, sorted."""
    return sorted(path.parent.name for path in (root / "hardware").glob("*/board.toml"))


def read(root: Path, name: str) -> Board:
    """The board of this name. Raises HardwareError."""
    known = names(root)
    if name not in known:
        raise HardwareError(f"there is no board {name}: {', '.join(known) or 'none at all'}")
    folder = root / "hardware" / name
    for wanted in FILES:
        if not (folder / wanted).is_file():
            raise HardwareError(f"hardware/{name} has no {wanted}")
    data = parse(root, (folder / "board.toml").read_text(encoding="utf-8"), f"hardware/{name}/board.toml")
    return Board(
        name, folder, data, chip(root, data["chip"]["name"]), _bom(folder / "bom.csv"), _power(folder / "power.csv")
    )  # fmt: skip


def parse(root: Path, text: str, label: str) -> dict[str, Any]:
    """board.toml's text as data that fits the schema. Raises HardwareError that lists everything that does not."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HardwareError(f"{label} is no TOML: {error}") from error
    whole = schema(root)
    found = list(offences(data, whole, whole))
    if found:
        raise HardwareError("\n".join(f"{label}: {one}" for one in found))
    return data


@cache
def schema(root: Path) -> dict[str, Any]:
    """hardware/schema/board.schema.json."""
    made: dict[str, Any] = json.loads((root / "hardware/schema/board.schema.json").read_text(encoding="utf-8"))
    refuse_unknown(made)
    return made


@cache
def chip(root: Path, name: str) -> Chip:
    """hardware/chips/NAME.toml. Raises HardwareError."""
    path = root / "hardware/chips" / f"{name}.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        sets = {key: _numbers(value) for key, value in data.items() if isinstance(value, list)}
        return Chip(name, **sets, adc_full_mv=int(data["adc_full_mv"]), io_mv=int(data["io_mv"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HardwareError(f"hardware/chips/{name}.toml cannot be read: {error}") from error


def _numbers(ranges: list[str]) -> frozenset[int]:
    """{"0-3", "7"} as the numbers 0, 1, 2, 3 and 7."""
    found: set[int] = set()
    for text in ranges:
        first, _, last = text.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _rows(path: Path, head: list[str]) -> list[dict[str, str]]:
    label = f"hardware/{path.parent.name}/{path.name}"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or rows[0] != head:
        raise HardwareError(f"{label}: the first line must be {','.join(head)}")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(head):
            raise HardwareError(f"{label}, line {number}: {len(row)} fields instead of {len(head)}")
    return [dict(zip(head, row, strict=True)) for row in rows[1:]]


def _bom(path: Path) -> tuple[Part, ...]:
    label = f"hardware/{path.parent.name}/bom.csv"
    parts = []
    for row in _rows(path, BOM_HEAD):
        if not row["quantity"].isdecimal() or row["confirmed"] not in ("yes", "no") or not row["part"]:
            raise HardwareError(f"{label}, {row['reference']}: quantity, part and confirmed (yes or no) are wanted")
        parts.append(Part(**{**row, "quantity": int(row["quantity"]), "confirmed": row["confirmed"] == "yes"}))  # type: ignore[arg-type]
    seen = [part.reference for part in parts]
    twice = {one for one in seen if seen.count(one) > 1}
    if twice:
        raise HardwareError(f"{label}: twice in it: {', '.join(sorted(twice))}")
    return tuple(parts)


def _power(path: Path) -> dict[str, Draw]:
    label = f"hardware/{path.parent.name}/power.csv"
    found: dict[str, Draw] = {}
    for row in _rows(path, POWER_HEAD):
        if not row["value"].isdecimal() or row["unit"] not in UNITS or row["basis"] not in BASES or not row["source"]:
            raise HardwareError(
                f"{label}, {row['state']}: wanted are a whole value, a unit ({', '.join(UNITS)}), a basis "
                f"({', '.join(BASES)}) and a source"
            )
        if row["state"] in found:
            raise HardwareError(f"{label}: {row['state']} is there twice")
        found[row["state"]] = Draw(row["state"], int(row["value"]), row["unit"], row["basis"], row["source"])
    return found
