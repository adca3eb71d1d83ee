"""A file of units and the bearers that they were seen on, for ``livlina plan sunset --units-file``. JSON; pure but for
the reading. What is not as described in docs/sunset.md is refused with the unit and the field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from fleet.connectivity.calendar import SAID, TECHNOLOGIES, Row, network_of
from fleet.connectivity.sunset_model import Seen, Sim, Unit

UNIT_TYPES: Final = ("social", "personal", "tracker", "camera", "technical")
MOST_UNITS: Final = 1_000_000
_UNIT = frozenset({
    "number", "type", "municipality", "district", "lives_alone", "care_priority", "seen", "sims", "modem_firmware",
    "modem_says", "listed", "active",
})  # fmt: skip
_SEEN = frozenset({"slot", "operator", "region", "technology", "last_seen", "proven", "proven_with"})
_SIM = frozenset({"slot", "issuer", "allows"})
_ROW = frozenset({"operator", "technology", "region", "last_day", "source"})


class UnitsFileError(ValueError):
    """The file cannot be read; the message says where and what to write."""


def read_units_file(file: Path) -> tuple[list[Unit], list[Row]]:
    """Units, and rows of a calendar that the file brings with it. Raises UnitsFileError, OSError."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UnitsFileError(f"{file} is no JSON: {str(error)[:200]}") from None
    if not isinstance(document, dict) or not isinstance(document.get("units"), list):
        raise UnitsFileError(f'{file} must hold {{"units": [..]}}')
    if len(document["units"]) > MOST_UNITS:
        raise UnitsFileError(f"{file} holds more than {MOST_UNITS} units: split it")
    units = [_unit(entry, place) for place, entry in enumerate(document["units"], 1)]
    if len({unit.number for unit in units}) != len(units):
        raise UnitsFileError(f"{file} names a unit twice")
    rows = [_row(entry, place) for place, entry in enumerate(document.get("calendar", ()), 1)]
    return units, rows


def _unit(entry: Any, place: int) -> Unit:
    where = f"unit {place} of the file"
    _fields(entry, _UNIT, {"number"}, where)
    number = _whole(entry, "number", where, 1, 0xFFFFFFFF)
    where = f"unit {number}"
    unit_type = entry.get("type", "social")
    if unit_type not in UNIT_TYPES:
        raise UnitsFileError(f"{where}: type is one of {', '.join(UNIT_TYPES)}")
    return Unit(
        number=number,
        unit_type=unit_type,
        municipality=_whole(entry, "municipality", where, 0, 2**31 - 1, 0),
        district=_text(entry, "district", where) or "",
        lives_alone=_yes(entry, "lives_alone", where, False),
        care_priority=_whole(entry, "care_priority", where, 1, 5, 3),
        seen=tuple(_seen(one, where) for one in _list(entry, "seen", where)),
        sims=tuple(_sim(one, where) for one in _list(entry, "sims", where)),
        modem_firmware=_text(entry, "modem_firmware", where),
        modem_says=_technologies(entry, "modem_says", where),
        listed=_technologies(entry, "listed", where),
        active=_yes(entry, "active", where, True),
    )


def _seen(entry: Any, where: str) -> Seen:
    _fields(entry, _SEEN, {"slot", "operator", "technology", "last_seen"}, where)
    operator, region = entry["operator"], entry.get("region")
    if isinstance(operator, int) and not isinstance(operator, bool):
        operator, found = network_of(operator)
        region = region or found
    if not isinstance(operator, str) or not operator:
        raise UnitsFileError(f"{where}: operator is a name, or MCC and MNC as a number")
    return Seen(
        slot=_whole(entry, "slot", where, 0, 9),
        operator=operator.lower(),
        region=region if isinstance(region, str) else "SE",
        technology=_technology(entry["technology"], where),
        last_seen=_day(entry["last_seen"], where),
        proven=None if entry.get("proven") is None else _day(entry["proven"], where),
        proven_with=_text(entry, "proven_with", where),
    )


def _sim(entry: Any, where: str) -> Sim:
    _fields(entry, _SIM, {"slot"}, where)
    return Sim(
        _whole(entry, "slot", where, 1, 9), _text(entry, "issuer", where) or "", _technologies(entry, "allows", where)
    )


def _row(entry: Any, place: int) -> Row:
    where = f"row {place} of the calendar"
    _fields(entry, _ROW, set(_ROW), where)
    technology = _technology(entry["technology"], where)
    try:
        return Row(
            str(entry["operator"]),
            technology,
            str(entry["region"]),
            _day(entry["last_day"], where),
            str(entry["source"]),
        )
    except ValueError as error:
        raise UnitsFileError(f"{where}: {error}") from None


def _fields(entry: Any, known: frozenset[str], needed: set[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise UnitsFileError(f"{where}: fields by name are expected")
    if wrong := sorted(set(entry) - known):
        raise UnitsFileError(f"{where}: {wrong[0][:40]!a} is no field; there are {', '.join(sorted(known))}")
    if missing := sorted(needed - set(entry)):
        raise UnitsFileError(f"{where}: {missing[0]} is missing")


def _whole(entry: Mapping[str, Any], name: str, where: str, least: int, most: int, default: int | None = None) -> int:
    value = entry.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise UnitsFileError(f"{where}: {name} is a whole number from {least} to {most}")
    return value


def _text(entry: Mapping[str, Any], name: str, where: str) -> str | None:
    value = entry.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > 100):
        raise UnitsFileError(f"{where}: {name} is a text of at most 100 characters")
    return value


def _yes(entry: Mapping[str, Any], name: str, where: str, default: bool) -> bool:
    value = entry.get(name, default)
    if not isinstance(value, bool):
        raise UnitsFileError(f"{where}: {name} is true or false")
    return value


def _list(entry: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = entry.get(name, [])
    if not isinstance(value, list):
        raise UnitsFileError(f"{where}: {name} is a list")
    return value


def _technologies(entry: Mapping[str, Any], name: str, where: str) -> frozenset[str] | None:
    if entry.get(name) is None:
        return None
    return frozenset(_technology(one, where) for one in _list(entry, name, where))


def _technology(value: Any, where: str) -> str:
    found = SAID.get(str(value).lower(), str(value).lower())
    if found not in TECHNOLOGIES:
        raise UnitsFileError(f"{where}: {str(value)[:20]!a} is no technology: choose among {', '.join(TECHNOLOGIES)}")
    return found


def _day(value: Any, where: str) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise UnitsFileError(f"{where}: {str(value)[:20]!a} is no date: write YYYY-MM-DD") from None
