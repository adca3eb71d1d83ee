"""When which operator's technology ends, where, and who says so; changes are dated and have an actor. Pure.

It decides whether a bearer (operator, technology, region) may still be relied on at a day. A technology without a row
has no end that we know of. It never guesses from a unit's model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from fleet.connectivity.calendar_rows import ANY, NETWORKS, ROWS, SHARED_RADIO

TECHNOLOGIES: Final = ("gsm", "umts", "lte", "lte_m", "nb_iot", "wifi", "ethernet")
"""In the order of the wire's radio technology, which counts from 1."""
SAID: Final = {"2g": "gsm", "3g": "umts", "4g": "lte", "lte-m": "lte_m", "nb-iot": "nb_iot"}

_OPERATOR = re.compile(r"^[a-z0-9][a-z0-9-]{0,30}$|^\*$")
_REGION = re.compile(r"^[A-Z]{2}$")

Key = tuple[str, str, str]


class CalendarError(ValueError):
    """A row or a change that cannot be meant; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Row:
    """``last_day``: the last day on which this operator's technology may be relied on in this region."""

    operator: str
    technology: str
    region: str
    last_day: date
    source: str

    def __post_init__(self) -> None:
        if not _OPERATOR.match(self.operator):
            raise CalendarError(f"{self.operator[:40]!a} is no operator: lower-case letters and digits, or * for all")
        if self.technology not in TECHNOLOGIES:
            raise CalendarError(f"{self.technology[:40]!a} is no technology: choose among {', '.join(TECHNOLOGIES)}")
        if not _REGION.match(self.region):
            raise CalendarError(f"{self.region[:40]!a} is no region: write two capital letters, for example SE")
        if not self.source.strip():
            raise CalendarError("a row needs a source: who says so")

    @property
    def key(self) -> Key:
        return (self.operator, self.technology, self.region)


@dataclass(frozen=True, slots=True)
class Change:
    """Who moved which date when. ``was`` is None for a row that is new."""

    at: datetime
    actor: str
    was: Row | None
    row: Row


@dataclass(frozen=True, slots=True)
class Calendar:
    """Rows by key, and the changes that made them what they are, oldest first."""

    rows: Mapping[Key, Row] = field(default_factory=lambda: MappingProxyType({}))
    changes: tuple[Change, ...] = ()

    def last_day(self, operator: str, technology: str, region: str) -> date | None:
        """The last day of this bearer; None: no end is known. An operator's own row goes before its region's."""
        row = self.rows.get((operator, technology, region)) or self.rows.get((ANY, technology, region))
        return None if row is None else row.last_day

    def moved(self, row: Row, *, actor: str, at: datetime) -> Calendar:
        """The calendar with this row in place of the one it had. Raises CalendarError without an actor."""
        if not actor.strip():
            raise CalendarError("a change of the calendar has an actor")
        if at.tzinfo is None:
            raise CalendarError("a change has a moment with its time zone")
        rows = {**self.rows, row.key: row}
        return replace(
            self, rows=MappingProxyType(rows), changes=(*self.changes, Change(at, actor, self.rows.get(row.key), row))
        )


def shipped() -> Calendar:
    """The rows of `calendar_rows`, without any change."""
    return of(
        Row(operator, tech, region, date.fromisoformat(day), source) for operator, tech, region, day, source in ROWS
    )


def of(rows: Iterable[Row]) -> Calendar:
    """A calendar of these rows. Raises CalendarError where two speak of the same bearer."""
    found: dict[Key, Row] = {}
    for row in rows:
        if row.key in found:
            raise CalendarError(f"two rows for {row.operator} {row.technology} in {row.region}")
        found[row.key] = row
    return Calendar(MappingProxyType(found))


def read_move(text: str) -> tuple[str, str, str, date]:
    """``OPERATOR:TECH:DATE`` or ``OPERATOR:TECH:REGION:DATE`` as (operator, technology, region, last day); without a
    region it is SE. 2g, 3g and 4g are understood. Raises CalendarError."""
    parts = text.strip().split(":")
    if len(parts) == 3:
        parts.insert(2, "SE")
    if len(parts) != 4:
        raise CalendarError(f"{text[:60]!a} moves nothing: write OPERATOR:TECH:DATE, for example telia:gsm:2027-12-31")
    operator, technology, region, day = parts
    technology = SAID.get(technology.lower(), technology.lower())
    try:
        last_day = date.fromisoformat(day)
    except ValueError:
        raise CalendarError(f"{day[:20]!a} is no date: write YYYY-MM-DD") from None
    row = Row(operator.lower(), technology, region.upper(), last_day, "what if")
    return row.operator, row.technology, row.region, row.last_day


def read_technologies(text: str) -> tuple[str, ...]:
    """Names with commas, as they are said; what is none stays as it is written."""
    words = [word.strip().lower() for word in text.split(",")]
    return tuple(SAID.get(word, word) for word in words if word)


def network_of(number: int) -> tuple[str, str]:
    """(operator, region) of MCC and MNC as a number; one that is not listed keeps its number and has no dates."""
    return NETWORKS.get(number, (f"plmn-{number}", "ZZ"))


def radio_network(operator: str) -> str:
    """Whose masts these are: two operators with the same ones are one path."""
    return SHARED_RADIO.get(operator, operator)
