"""The verdict of A9: who was told of every alarm, held against the truth; and what the change has written."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.scenarios.a9_story import Part, Press
from sim.scenarios.evidence import worst
from sim.scenarios.scenario import Check

TOLD_S = 15.0
ON_ITS_WAY_S = 10.0
"""A guard is told beside the centre, at once; what polling may be put off comes on top."""
SAME_S = 0.5
"""From a press to its case: the air."""
_UNIT = re.compile(r"\b([0-9a-f]{8})\b")

Rows = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Change:
    """The change of guard as it was seen from outside: what the dry run and the real run printed, and the rows of every
    table before, between and after. `chains` are (municipality, guards before midnight, guards after), explained
    before the change and after it."""

    dry: Mapping[str, Any]
    real: Mapping[str, Any]
    before: Rows
    between: Rows
    after: Rows
    explained_before: Mapping[int, tuple[str, str]]
    explained_after: Mapping[int, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Guards:
    """Names and numbers of the old company and of the new one."""

    old: tuple[str, str]
    new: tuple[str, str]


def judge(
    presses: Sequence[Press], base: float, calls: Sequence[tuple[float, str, str]], accepted: int, change: Change,
    guards: Guards, municipality_of: Mapping[int, int], orders: int,
) -> list[Check]:  # fmt: skip
    """All checks. `calls` are (at, number, text) of the telephone, `accepted` the presses that a centre has, `orders`
    what the fleet has told units to do."""
    told: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for at, number, text in calls:
        named = _UNIT.search(text)
        if named is not None and number in (guards.old[1], guards.new[1]):
            told[int(named[1], 16)].append((at - base, number))
    return [
        *_alarms(presses, told, accepted, guards),
        *_open(presses, told, guards),
        *_change(change, guards, municipality_of, presses, told),
        Check("orders and settings sent to units", orders, 0, orders == 0),
    ]


def _alarms(
    presses: Sequence[Press], told: Mapping[int, Sequence[tuple[float, str]]], accepted: int, guards: Guards
) -> list[Check]:
    sides = [sum((one.at >= 0) == after for one in presses) for after in (False, True)]
    checks = [
        Check("alarms before midnight, after it", f"{sides[0]}, {sides[1]}", "any", all(sides)),
        Check("alarms at a centre", accepted, len(presses), accepted == len(presses)),
    ]
    opening = [one for one in presses if one.part is not Part.AGAIN]
    for name, after, right in (("before", False, guards.old), ("after", True, guards.new)):
        side = [one for one in opening if (one.at >= 0) == after and not _on_its_way(one)]
        first = {one: _first(one, opening, told) for one in side}
        wrong = sum(any(number != right[1] for _, number in found) for found in first.values())
        never = sum(not found for found in first.values())
        delays = [min((at for at, _ in found), default=None) for found in first.values()]
        after_s = [None if at is None else at - one.at for at, one in zip(delays, first, strict=True)]
        checks += [
            Check(f"cases opened {name} midnight", len(side), "any", len(side) > 0),
            Check(f"cases {name} midnight told to {right[0]} and nobody else", len(side) - wrong - never, len(side),
                  wrong == never == 0),
            _within(f"guard told {name} midnight, worst (s)", worst(after_s), TOLD_S),
        ]  # fmt: skip
    return checks


def _on_its_way(one: Press) -> bool:
    """Pressed so shortly before midnight that it may have come in after it: then its case is the new company's."""
    return -ON_ITS_WAY_S <= one.at < 0


def _first(
    one: Press, opening: Sequence[Press], told: Mapping[int, Sequence[tuple[float, str]]]
) -> list[tuple[float, str]]:
    """The messages about the case that this press has opened: up to the next case of the unit."""
    until = min((other.at for other in opening if other.unit == one.unit and other.at > one.at), default=float("inf"))
    return [(at, number) for at, number in told.get(one.unit, ()) if one.at <= at < until]


def _open(presses: Sequence[Press], told: Mapping[int, Sequence[tuple[float, str]]], guards: Guards) -> list[Check]:
    """Cases that were open at midnight: whatever is told of them later goes to the old company."""
    units = {one.unit for one in presses if one.part is Part.OPEN}
    until = {
        unit: min((one.at for one in presses if one.unit == unit and one.part is Part.USUAL), default=float("inf"))
        for unit in units
    }
    later = [number for unit in units for at, number in told.get(unit, ()) if 0 <= at < until[unit]]
    wrong = sum(number != guards.old[1] for number in later)
    quiet = sum(not any(0 <= at < until[unit] for at, _ in told.get(unit, ())) for unit in units)
    again = sum(one.part is Part.AGAIN for one in presses)
    return [
        Check("cases open over midnight, of them pressed again after it", f"{len(units)}, {again}", "at least 1, 1",
              bool(units and again)),
        Check("messages about them after midnight", len(later), f"at least {len(units)}", quiet == 0),
        Check("of these to the new company", wrong, 0, wrong == 0),
    ]  # fmt: skip


def _change(
    change: Change, guards: Guards, municipality_of: Mapping[int, int], presses: Sequence[Press],
    told: Mapping[int, Sequence[tuple[float, str]]],
) -> list[Check]:  # fmt: skip
    added = {table: len(rows - change.between[table]) for table, rows in change.after.items()}
    gone = sum(len(change.between[table] - rows) for table, rows in change.after.items())
    written = {table: count for table, count in added.items() if count}
    same = {key: value for key, value in change.dry.items() if key != "dry_run"} == {
        key: value for key, value in change.real.items() if key != "dry_run"
    }
    municipalities = set(municipality_of.values())
    expected = dict.fromkeys(municipalities, (guards.old[0], guards.new[0]))
    seen = _seen(presses, told, municipality_of, guards)
    explained = sum(change.explained_after.get(one) == expected[one] for one in municipalities)
    unchanged = sum(change.explained_before.get(one) == (guards.old[0], guards.old[0]) for one in municipalities)
    return [
        Check("rows written by the change", str(written), "{'role_holders': 1}", written == {"role_holders": 1}),
        Check("rows changed or removed by it", gone, 0, gone == 0),
        Check("rows written by the dry run", sum(len(rows ^ change.before[table])
                                                 for table, rows in change.between.items()), 0,
              change.between == change.before),
        Check("dry run: rows, units, municipalities",
              f"{change.dry['rows']}, {change.dry['units']}, {change.dry['municipalities']}",
              f"1, {len(municipality_of)}, {len(municipalities)}",
              (change.dry["rows"], change.dry["units"], change.dry["municipalities"])
              == (1, len(municipality_of), len(municipalities))),
        Check("what the change printed is what the dry run had printed", str(same), "True", same),
        Check("municipalities whose chain was explained rightly, before the change and after it",
              f"{unchanged}, {explained}", f"{len(municipalities)}, {len(municipalities)}",
              unchanged == explained == len(municipalities)),
        Check("municipalities in which alarms followed the explained chains", len(seen), len(municipalities),
              seen == municipalities),
    ]  # fmt: skip


def _seen(
    presses: Sequence[Press], told: Mapping[int, Sequence[tuple[float, str]]], municipality_of: Mapping[int, int],
    guards: Guards,
) -> set[int]:  # fmt: skip
    """Where the old company was told before midnight and the new one after it."""
    opening = [one for one in presses if one.part is Part.USUAL]
    found: dict[int, set[tuple[bool, str]]] = defaultdict(set)
    for one in (one for one in opening if not _on_its_way(one)):
        found[municipality_of[one.unit]] |= {(one.at >= 0, number) for _, number in _first(one, opening, told)}
    return {where for where, told_ in found.items() if told_ == {(False, guards.old[1]), (True, guards.new[1])}}


def _within(name: str, value: float | None, limit: float) -> Check:
    return Check(name, value, f"{limit:g}", value is not None and value <= limit)
