"""Units and recipients as a file: CSV for a spreadsheet, JSON for programs; both say the same. Pure.

A row has a kind (``unit`` or ``recipient``) and its fields as text. Reading checks every row by itself and says of each
fault in which line it is, which field, and what to write; what needs the database is checked by ``bulk.py``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, get_args
from urllib.parse import quote, unquote

from fleet.registry.life import State
from fleet.registry.model import UnitType
from fleet.registry.reference import normal

FORMAT: Final = "livlina-fleet-1"
LARGEST_FILE: Final = 300_000_000
MOST_FAULTS: Final = 1000

UNIT_FIELDS: Final = (
    "unit", "municipality", "type", "life", "life_at", "life_until", "grounds", "made_at", "revoked_at", "board",
    "modem", "owner", "inputs", "sims", "recipient", "recipient_role", "recipient_since",
)  # fmt: skip
RECIPIENT_FIELDS: Final = (
    "municipality", "reference", "priority", "district", "protected", "lives_alone", "made_at", "ended_at",
)  # fmt: skip
PERSON_FIELDS: Final = ("name", "address", "key_note", "contacts")
SEALED: Final = "sealed"
"""A person under a transfer key, in place of the fields of a person."""
COLUMNS: Final = ("kind", *dict.fromkeys((*UNIT_FIELDS, *RECIPIENT_FIELDS, *PERSON_FIELDS)), SEALED)

_FORMULA = tuple("=+-@\t")
_SIM = re.compile(r"([12]):([0-9]{18,20})(?::([^ :]{1,200}))?")
_INPUT = re.compile(r"([0-9]{1,3}):(own|pendant|cord)(?::([^ :]{1,200}))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class BulkError(ValueError):
    """The file cannot be read at all; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: in which line (a place in the list for JSON), in which field, and what to write."""

    line: int
    field: str
    why: str


@dataclass(slots=True)
class Rows:
    """What a file holds: rows that are sound by themselves, by line, and what is wrong with the others."""

    units: dict[int, dict[str, Any]] = field(default_factory=dict)
    recipients: dict[int, dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def drop(self, line: int, name: str, why: str) -> None:
        """Takes a row out for a fault."""
        self.units.pop(line, None)
        self.recipients.pop(line, None)
        self.faults.append(Fault(line, name, why))


def read_bulk(data: bytes, *, name: str) -> Rows:
    """A file by its name's ending. Raises BulkError."""
    if len(data) > LARGEST_FILE:
        raise BulkError(f"the file is larger than {LARGEST_FILE // 1_000_000} MB: divide it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BulkError(f"octet {error.start + 1} is no UTF-8: save the file as UTF-8") from None
    if name.lower().endswith(".json"):
        raw = _json_rows(text)
    elif name.lower().endswith(".csv"):
        raw = _csv_rows(text)
    else:
        raise BulkError("the file's name must end with .csv or .json")
    rows = Rows()
    for line, kind, given in raw:
        _read_row(rows, line, kind, given)
    _once(rows, rows.units, ("unit",))
    _once(rows, rows.recipients, ("municipality", "reference"))
    rows.faults.sort(key=lambda fault: fault.line)
    return rows


def _csv_rows(text: str) -> Iterable[tuple[int, str, Mapping[str, Any]]]:
    sample = text[:4096].splitlines()[0] if text.strip() else ""
    reader = csv.reader(io.StringIO(text), delimiter=";" if sample.count(";") > sample.count(",") else ",")
    try:
        head = next(reader, None)
        if head is None or "kind" not in head:
            raise BulkError(f"the first line must name the columns: {', '.join(COLUMNS)}")
        strange = [column for column in head if column not in COLUMNS]
        if strange or len(set(head)) != len(head):
            raise BulkError(
                f"the column {(strange or head)[0][:40]!a} is unknown or stands twice: use {', '.join(COLUMNS)}"
            )
        found: list[tuple[int, str, Mapping[str, Any]]] = []
        line = reader.line_num
        for cells in reader:
            line, here = reader.line_num, line + 1
            if not any(cells):
                continue
            if len(cells) > len(head):
                found.append((here, "?", {"cells": len(cells)}))
                continue
            given = {column: _unescape(cell) for column, cell in zip(head, cells, strict=False) if cell != ""}
            found.append((here, str(given.pop("kind", "")), given))
    except csv.Error as error:
        raise BulkError(f"line {reader.line_num} is no CSV: {error}") from None
    return found


def _json_rows(text: str) -> Iterable[tuple[int, str, Mapping[str, Any]]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BulkError(f"this is no JSON: {str(error)[:100]}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BulkError(f'the document must be an object with "format": "{FORMAT}"')
    if set(document) - {"format", "units", "recipients", "hash"}:
        raise BulkError("the document holds format, recipients and units, and nothing else")
    found: list[tuple[int, str, Mapping[str, Any]]] = []
    for kind in ("recipients", "units"):
        listed = document.get(kind, [])
        if not isinstance(listed, list):
            raise BulkError(f"{kind} must be a list")
        for given in listed:
            found.append((len(found) + 1, kind[:-1], given if isinstance(given, dict) else {"?": given}))
    return found


def _unescape(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _read_row(rows: Rows, line: int, kind: str, given: Mapping[str, Any]) -> None:
    readers = {"unit": _UNIT, "recipient": _RECIPIENT}.get(kind)
    if readers is None:
        rows.faults.append(Fault(line, "kind", "write unit or recipient, and no more cells than there are columns"))
        return
    row: dict[str, Any] = {}
    faults = [Fault(line, str(name)[:40], f"a {kind} has no such field") for name in given if name not in readers]
    for name, (read, needed) in readers.items():
        value = given.get(name)
        if value is None or value == "":
            row[name] = None
            if needed:
                faults.append(Fault(line, name, "is missing"))
            continue
        try:
            row[name] = read(value if not isinstance(value, str) else value.strip())
        except (ValueError, TypeError, OverflowError) as error:
            faults.append(Fault(line, name, str(error) if isinstance(error, _Wrong) else "cannot be read"))
    if not faults:
        faults = [Fault(line, name, why) for name, why in _together(kind, row)]
    rows.faults += faults
    if not faults:
        (rows.units if kind == "unit" else rows.recipients)[line] = row


class _Wrong(ValueError):
    """What to write instead."""


def _number(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,18}", str(value)) or not low <= int(value) <= high:
            raise _Wrong(f"write a whole number from {low} to {high}")
        return int(value)

    return read


def _unit_id(value: Any) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Fa-f]{8}", value) or int(value, 16) == 0:
        raise _Wrong("write a unit's id: 8 hex digits, for example 0000002a")
    return int(value, 16)


def _one_of(choices: Sequence[str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise _Wrong(f"write one of {', '.join(choices)}")
        return str(value)

    return read


def _text(most: int) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or len(value) > most or _CONTROL.search(value):
            raise _Wrong(f"write at most {most} printable characters")
        return value

    return read


def _time(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        raise _Wrong("write a time with its zone, for example 2026-11-22T08:00:00+01:00") from None
    if at.tzinfo is None or not 1971 <= at.year <= 2999:
        raise _Wrong("write a time with its zone, between 1971 and 2999")
    return at.astimezone(UTC)


def _flag(value: Any) -> bool:
    if value in (True, False):
        return bool(value)
    found = {"yes": True, "true": True, "ja": True, "no": False, "false": False, "nej": False}.get(str(value).lower())
    if found is None:
        raise _Wrong("write yes or no")
    return found


def _reference(value: Any) -> str:
    try:
        return normal(str(value))
    except ValueError as error:
        raise _Wrong(str(error)) from None


def _sims(value: Any) -> list[tuple[int, str, str]]:
    found = [_SIM.fullmatch(part) for part in str(value).split()]
    slots = [one[1] for one in found if one]
    if not all(found) or len(set(slots)) != len(slots):
        raise _Wrong(
            "write SLOT:ICCID or SLOT:ICCID:ISSUER with blanks between, for example 1:8946071512360089522:Telia"
        )
    return sorted((int(one[1]), one[2], _text(60)(unquote(one[3] or ""))) for one in found if one)


def _inputs(value: Any) -> list[tuple[int, str, str | None]]:
    found = [_INPUT.fullmatch(part) for part in str(value).split()]
    numbers = [int(one[1]) for one in found if one]
    if not all(found) or len(set(numbers)) != len(numbers) or max(numbers, default=0) > 255:
        raise _Wrong("write NUMBER:KIND or NUMBER:KIND:SERIAL with blanks between, for example 0:own 1:pendant:A17")
    if any((one[1] == "0") != (one[2] == "own") for one in found if one):
        raise _Wrong("button 0 is the unit's own, and no other one is")
    parts = [(int(one[1]), one[2], _text(60)(unquote(one[3])) if one[3] else None) for one in found if one]
    return sorted(parts, key=lambda part: part[0])


def _contacts(value: Any) -> list[dict[str, str]]:
    listed = json.loads(value) if isinstance(value, str) else value
    if not isinstance(listed, list) or len(listed) > 10 or not all(isinstance(one, dict) for one in listed):
        raise _Wrong('write a list such as [{"name": "...", "telephone": "...", "relation": "..."}]')
    for one in listed:
        if not {"name", "telephone"} <= set(one) <= {"name", "telephone", "relation"}:
            raise _Wrong("a contact has a name, a telephone and perhaps a relation")
    return [{name: _text(400)(one.get(name, "")) for name in ("name", "telephone", "relation")} for one in listed]


_UNIT: Final[Mapping[str, tuple[Callable[[Any], Any], bool]]] = {
    "unit": (_unit_id, True),
    "municipality": (_number(1, 2**31 - 1), True),
    "type": (_one_of(get_args(UnitType)), True),
    "life": (_one_of(get_args(State)), False),
    "life_at": (_time, False),
    "life_until": (_time, False),
    "grounds": (_text(100), False),
    "made_at": (_time, False),
    "revoked_at": (_time, False),
    "board": (_text(60), False),
    "modem": (_text(60), False),
    "owner": (_text(100), False),
    "inputs": (_inputs, False),
    "sims": (_sims, False),
    "recipient": (_reference, False),
    "recipient_role": (_one_of(("planned", "responsible")), False),
    "recipient_since": (_time, False),
}
_RECIPIENT: Final[Mapping[str, tuple[Callable[[Any], Any], bool]]] = {
    "municipality": (_number(1, 2**31 - 1), True),
    "reference": (_reference, True),
    "priority": (_number(1, 5), True),
    "district": (_text(80), False),
    "protected": (_flag, False),
    "lives_alone": (_flag, False),
    "made_at": (_time, False),
    "ended_at": (_time, False),
    "name": (_text(400), False),
    "address": (_text(400), False),
    "key_note": (_text(400), False),
    "contacts": (_contacts, False),
    "sealed": (_text(20_000), False),
}


def _together(kind: str, row: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Fields that do not go together."""
    if kind == "recipient":
        if any(row[name] for name in PERSON_FIELDS) and not (row["name"] and row["address"]):
            yield "name", "a person has a name and an address"
        if row[SEALED] and any(row[name] for name in PERSON_FIELDS):
            yield SEALED, "stands in place of name, address and contacts: leave these out"
        return
    life = row["life"] or "made"
    if (life == "absent") != (row["life_until"] is not None):
        yield "life_until", "belongs to a unit that is absent, and to no other"
    if row["recipient"] is None and (row["recipient_role"] or row["recipient_since"]):
        yield "recipient", "is missing: a role belongs to somebody"
    if row["recipient"] is None and life in ("assigned", "pairing"):
        yield "recipient", f"is missing: a unit that is {life} is meant for somebody"
    if row["recipient"] is not None and life not in ("assigned", "pairing", "active", "absent"):
        yield "recipient", f"a unit that is {life} belongs to nobody"
    wanted = "planned" if life in ("assigned", "pairing") else "responsible"
    if row["recipient_role"] not in (None, wanted):
        yield "recipient_role", f"of a unit that is {life} is {wanted}"


def _once(rows: Rows, kept: Mapping[int, Mapping[str, Any]], names: Sequence[str]) -> None:
    first: dict[tuple[Any, ...], int] = {}
    for line, row in list(kept.items()):
        key = tuple(row[name] for name in names)
        if key in first:
            rows.drop(line, names[-1], f"stands in line {first[key]} already")
        else:
            first[key] = line


# Writing -----------------------------------------------------------------------------------------------------------


def written_parts(parts: Iterable[Sequence[Any]]) -> str:
    """Buttons or cards as one cell: fields by colons, parts by blanks; what stands in the way is percent-encoded."""
    return " ".join(
        ":".join(
            str(part) if place == 0 else quote(str(part), safe="")
            for place, part in enumerate(one)
            if part not in (None, "")
        )
        for one in parts
    )


def document_of(recipients: Iterable[Mapping[str, Any]], units: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The document of a fleet, with its hash over everything else in it."""
    made: dict[str, Any] = {
        "format": FORMAT,
        "recipients": [_shown(row) for row in recipients],
        "units": [_shown(row) for row in units],
    }
    text = json.dumps([made["recipients"], made["units"]], sort_keys=True, separators=(",", ":"))
    return {**made, "hash": hashlib.sha256(text.encode()).hexdigest()}


def as_json(document: Mapping[str, Any]) -> str:
    """One row a line, so that two exports can be compared."""
    parts = [f'{{"format": {json.dumps(document["format"])}, "hash": {json.dumps(document["hash"])}']
    for kind in ("recipients", "units"):
        rows = ",\n".join(json.dumps(row, ensure_ascii=False, sort_keys=True) for row in document[kind])
        parts.append(f'"{kind}": [\n{rows}\n]')
    return ",\n".join(parts) + "}\n"


def as_csv(document: Mapping[str, Any]) -> str:
    """For a spreadsheet: a cell that would be taken for a formula has an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for kind in ("recipients", "units"):
        for row in document[kind]:
            cells = {"kind": kind[:-1], **row}
            writer.writerow([_cell(cells.get(column)) for column in COLUMNS])
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
    return "'" + text if text.startswith(_FORMULA) else text


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
        if value is not None and value != ""
    }
