"""A document of routines (TOML or JSON) as entries, and the difference between two sets of them. Pure.

It decides what such a document may say and what may still be changed: a version that holds, or has held, is history.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fleet.routines.decide import DEFAULT_ZONE, check_steps, check_words, check_zone
from fleet.routines.model import CENTRES, Step, Window

KINDS = ("centre", "recipient", "role", "holder", "office_hours", "route", "routine")
"""In the order in which they are applied: each may name what stands before it."""

DATED = {"holder": 2, "office_hours": 1, "route": 3, "routine": 6}
"""Kinds whose entries are versions, and where valid_from stands in their key."""

GRACE = timedelta(minutes=5)
"""A version may begin so long ago, so that 'now' in a document is still now when it is applied."""

_DAYS = {name: number for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
_WEEK = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? ([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row that a document asks for: its kind, what identifies it, and what it says."""

    kind: str
    key: tuple[Any, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One row to write. ``before`` is None for a new one."""

    kind: str
    key: tuple[Any, ...]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


def read_document(document: Mapping[str, Any]) -> list[Entry]:
    """All entries of a document. Raises ValueError with the place and what is wrong there."""
    unknown = sorted(set(document) - set(KINDS))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is nothing that a document of routines has; there are: {', '.join(KINDS)}")
    entries: list[Entry] = []
    for kind in KINDS:
        rows = document.get(kind, [])
        if not isinstance(rows, list):
            raise ValueError(f"{kind} is a list: write [[{kind}]]")
        for number, row in enumerate(rows, 1):
            try:
                if not isinstance(row, dict):
                    raise ValueError("each one is a table")
                fields = _Fields(row)
                found = READERS[kind](fields)
                fields.done()
                entries += found
            except (ValueError, TypeError) as error:
                raise ValueError(f"{kind} {number}: {error}") from error
    doubled = _doubled(entries)
    if doubled is not None:
        raise ValueError(f"{doubled.kind} {doubled.key} stands twice")
    return entries


def check_roles(entries: Sequence[Entry], roles: set[tuple[int, str]]) -> None:
    """Raises ValueError where a routine tells a role that its municipality does not have; ``roles`` exist already."""
    known = roles | {(entry.key[0], entry.key[1]) for entry in entries if entry.kind == "role"}
    for entry in entries:
        if entry.kind == "routine":
            usable = [name for municipality, name in known if municipality in (0, entry.key[0])]
            check_steps(read_steps(entry.values["steps"]), usable)


def differences(existing: Mapping[tuple[str, tuple[Any, ...]], Mapping[str, Any]], wanted: Sequence[Entry],
                at: datetime) -> list[Change]:  # fmt: skip
    """What has to be written. Raises ValueError for a version that would change what holds or has held already."""
    changes = []
    series = {(kind, _series(kind, key)) for kind, key in existing}
    for entry in wanted:
        before = existing.get((entry.kind, entry.key))
        if before == entry.values:
            continue
        begins = entry.key[DATED[entry.kind]] if entry.kind in DATED else None
        if begins is not None and begins < at - GRACE and (entry.kind, _series(entry.kind, entry.key)) in series:
            raise ValueError(
                f"{entry.kind} {entry.key[:-1]}: what began at {begins.isoformat()} is history that cases stand on: "
                "give the new version a valid_from that is still to come"
            )
        changes.append(Change(entry.kind, entry.key, before, entry.values))
    return changes


def _series(kind: str, key: tuple[Any, ...]) -> tuple[Any, ...]:
    """What an entry is a version of."""
    if kind == "holder":
        return key[:2]
    if kind == "office_hours":
        return key[:1]
    return key[: DATED[kind]] if kind in DATED else key


def read_steps(rows: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Steps as the database keeps them."""
    return tuple(Step(row["place"], tuple(row["tell"]), row["limit_s"], row["next"], tuple(row["say"])) for row in rows)


def read_week(text: str) -> Window:
    """``mon-fri 08:00-17:00`` is five windows, see weeks(); this reads one day's, or ``mon 00:00-24:00``."""
    windows = weeks(text)
    if len(windows) != 1:
        raise ValueError(f"{text!r} is more than one stretch of the week: write one day, or mon-sun 00:00-24:00")
    return windows[0]


def weeks(text: str) -> list[Window]:
    """``mon-fri 08:00-17:00`` as windows, a day each, joined where they touch. Raises ValueError."""
    found = _WEEK.fullmatch(text)
    if found is None or found[1] not in _DAYS or (found[2] or found[1]) not in _DAYS:
        raise ValueError(f"{text!r} is no time of the week: write mon-fri 08:00-17:00")
    first, last = _DAYS[found[1]], _DAYS[found[2] or found[1]]
    starts, ends = int(found[3]) * 60 + int(found[4]), int(found[5]) * 60 + int(found[6])
    if not starts < ends <= 1440 or last < first:
        raise ValueError(f"{text!r} ends before it begins: write the days of a week in order, and nights as two rows")
    windows: list[Window] = []
    for day in range(first, last + 1):
        window = Window(day * 1440 + starts, day * 1440 + ends)
        if windows and windows[-1].ends == window.starts:
            window = Window(windows.pop().starts, window.ends)
        windows.append(window)
    return windows


class _Fields:
    """One table of a document; every field must be taken."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = dict(row)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._row.pop(name, default)
        if not isinstance(value, str) or not value.strip() or len(value) > 200 or not value.isprintable():
            raise ValueError(f"{name} is a line of text")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        value = self._row.pop(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
            raise ValueError(f"{name} is a number from 0")
        return value

    def moment(self, name: str) -> datetime:
        value = self._row.pop(name, None)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ValueError(f"{name} is a time with its zone, for example 2027-01-01T00:00:00+01:00")
        return value

    def rows(self, name: str) -> list[Any]:
        value = self._row.pop(name, None)
        if not isinstance(value, list) or not value:
            raise ValueError(f"{name} is a list with something in it")
        return value

    def maybe(self, name: str) -> Any:
        return self._row.pop(name, None)

    def done(self) -> None:
        if self._row:
            raise ValueError(f"there is no {sorted(self._row)[0]!r} here")


def _centre(f: _Fields) -> list[Entry]:
    return [Entry("centre", (f.text("name"),), {"reports_taken": f.text("reports_taken")})]


def _recipient(f: _Fields) -> list[Entry]:
    key = (f.number("municipality", 0), f.text("name"))
    channel = f.text("channel")
    if channel not in ("sms", "email", "centre"):
        raise ValueError(f"{channel!r} is no channel: sms, email or centre")
    language = f.text("language", "sv")
    if language not in ("sv", "en"):
        raise ValueError(f"{language!r} is no language: sv or en")
    return [Entry("recipient", key, {"channel": channel, "address": f.text("address"), "language": language})]


def _role(f: _Fields) -> list[Entry]:
    municipality, name = f.number("municipality", 0), f.text("name")
    if name in CENTRES:
        raise ValueError(f"{name} stands for a centre of the route: name the role otherwise")
    zone = f.text("zone", DEFAULT_ZONE)
    check_zone(zone)
    return [Entry("role", (municipality, name), {"zone": zone})]


def _holder(f: _Fields) -> list[Entry]:
    municipality, role, since = f.number("municipality", 0), f.text("role"), f.moment("valid_from")
    place, recipient = f.number("place", 1), f.text("recipient")
    values = {"recipient": recipient, "recipient_municipality": f.number("recipient_municipality", municipality)}
    week = f.maybe("week")
    windows = [Window()] if week is None else [w for text in _texts(week) for w in weeks(text)]
    return [Entry("holder", (municipality, role, since, w.starts, place), {"ends": w.ends, **values}) for w in windows]


def _office_hours(f: _Fields) -> list[Entry]:
    municipality, since = f.number("municipality", 0), f.moment("valid_from")
    windows = [window for text in _texts(f.rows("week")) for window in weeks(text)]
    return [Entry("office_hours", (municipality, since, w.starts), {"ends": w.ends}) for w in windows]


def _route(f: _Fields) -> list[Entry]:
    municipality, unit_type, rank = f.number("municipality"), f.text("unit_type", "any"), f.number("rank")
    check_words(unit_type, "any", 0, DEFAULT_ZONE, Window())
    if rank not in (1, 2) or municipality == 0:
        raise ValueError("a route has a municipality, and rank 1 (primary) or 2 (secondary)")
    return [Entry("route", (municipality, unit_type, rank, f.moment("valid_from")), {"centre": f.text("centre")})]


def _routine(f: _Fields) -> list[Entry]:
    municipality, unit_type = f.number("municipality", 0), f.text("unit_type", "any")
    priority, hours = f.number("priority", 0), f.text("hours", "any")
    week = f.maybe("week")
    window = Window() if week is None else read_week(week)
    zone = f.text("zone", DEFAULT_ZONE)
    check_words(unit_type, hours, priority, zone, window)
    steps = [_step(_Fields(row), place) for place, row in enumerate(f.rows("step"), 1)]
    key = (municipality, unit_type, priority, hours, window.starts, window.ends, f.moment("valid_from"))
    return [Entry("routine", key, {"name": f.text("name"), "zone": zone, "steps": steps})]


def _step(f: _Fields, place: int) -> dict[str, Any]:
    place = f.number("place", place)
    following = f.maybe("next")
    if following is not None and (isinstance(following, bool) or not isinstance(following, int)):
        raise ValueError("next is the place of a step")
    step = {
        "place": place,
        "tell": _texts(f.rows("tell")),
        "limit_s": f.number("limit_s", 60),
        "next": following,
        "say": _texts(f.maybe("say") or ["unit", "time"]),
    }
    f.done()
    return step


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{str(value)[:40]!r} is no list of words")
    return value


def _doubled(entries: Sequence[Entry]) -> Entry | None:
    seen = set()
    for entry in entries:
        if (entry.kind, entry.key) in seen:
            return entry
        seen.add((entry.kind, entry.key))
    return None


READERS: dict[str, Callable[[_Fields], list[Entry]]] = {
    "centre": _centre, "recipient": _recipient, "role": _role, "holder": _holder, "office_hours": _office_hours,
    "route": _route, "routine": _routine,
}  # fmt: skip
