"""``livlina route explain``, ``routine set``, ``centre reconcile``: who is told, what a document changes, who has what.

Nothing here decides: it reads documents and logs, and asks ``fleet.routines`` and ``fleet.forwarding``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fleet.alarms.decide import MANUAL, priority_of
from fleet.forwarding.centre_options import OptionError, check_reports
from fleet.forwarding.taken import reconcile
from fleet.registry import store as registry
from fleet.routines import store as routines
from fleet.routines.document import DATED, Change, read_document
from fleet.routines.model import Subject
from fleet.settings import Settings
from fleet.store.pool import Connection
from livlina.registry_connection import in_registry, note

LARGEST_DOCUMENT = 4_000_000
"""Octets: some thousand municipalities with a hundred rows each."""


class _DryRun(Exception):
    """Ends a transaction whose changes were only wanted for looking at."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__("dry run")
        self.result = result


def read_time(text: str | None) -> datetime:
    """A time with its zone, or now. Raises ValueError."""
    if text is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no time: write for example 2027-01-01T03:00+01:00") from None
    if at.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no time zone: write for example 2027-01-01T03:00+01:00")
    return at


def explain_route(settings: Settings, unit: str, at: datetime, priority: int | None) -> dict[str, Any]:
    """The chain of a case that the unit would open at that time. Raises ValueError, LookupError."""
    try:
        number = int(unit, 16)
    except ValueError:
        raise ValueError(f"{unit[:20]!r} is no unit: write its 8 hex digits, for example 0000002a") from None

    async def work(connection: Connection) -> dict[str, Any]:
        municipality, unit_type = await routines.unit_of(connection, number)
        urgent = priority if priority is not None else priority_of(unit_type, MANUAL)
        explained = await routines.explain(connection, Subject(municipality, unit_type, urgent), at)
        return {"unit": f"{number:08x}", **explained}

    return in_registry(settings, work)


def explained_lines(chain: dict[str, Any]) -> list[str]:
    """A chain for a person."""
    lines = [
        f"unit {chain['unit']}, {chain['unit_type']}, municipality {chain['municipality']}, "
        f"priority {chain['priority']}, {chain['at']}",
        f"routine: {chain['routine']['name']}"
        + (f", valid from {chain['routine']['valid_from']}" if chain["routine"]["valid_from"] else ""),
    ]
    for centre in chain["centres"]:
        rank = "primary" if centre["rank"] == 1 else "secondary"
        lines.append(f"{rank} centre: {centre['name']} ({centre['state']}, reports taken: {centre['reports_taken']})")
    for step in chain["steps"]:
        told = [
            f"{who['who']}: {', '.join(h['name'] for h in who['holders']) or 'NOBODY'}" for who in step["tell"]
        ]  # fmt: skip
        repeat = f", again every {step['limit_s']} s" if step["next"] == step["place"] else ""
        lines.append(f"after {step['after_s']:>4} s  {'; '.join(told)}{repeat}")
    return lines


def set_routines(settings: Settings, file: Path, at: datetime, dry_run: bool) -> dict[str, Any]:
    """Applies a document, or only says what it would change and for how many units.

    Raises ValueError and LookupError with what is wrong in it; then nothing is changed.
    """
    entries = read_document(_document(file))

    async def work(connection: Connection) -> dict[str, Any]:
        changes = await routines.changes_of(connection, entries, at)
        for change in changes:
            if change.kind == "centre":
                await _check_centre(connection, change)
        when = max([at, *(c.key[DATED[c.kind]] for c in changes if c.kind in DATED)]) + timedelta(seconds=1)
        subjects = await routines.units_by_subject(connection)
        before = await _chains(connection, subjects, when)
        await routines.apply(connection, changes, at)
        for place in sorted({change.key[0] for change in changes if isinstance(change.key[0], int)}):
            here = sum(change.key[0] == place for change in changes)
            await note(connection, "routine.set", f"municipality:{place}", place, rows=here)
        after = await _chains(connection, subjects, when)
        touched = [key for key in subjects if before[key] != after[key]]
        result = {
            "dry_run": dry_run,
            "rows": len(changes),
            "changes": [_shown(change) for change in changes],
            "seen_at": when.isoformat(),
            "units": sum(subjects[key] for key in touched),
            "municipalities": len({municipality for municipality, _ in touched}),
        }
        if dry_run:
            raise _DryRun(result)
        return result

    try:
        return in_registry(settings, work)
    except _DryRun as ended:
        return ended.result


async def _check_centre(connection: Connection, change: Change) -> None:
    """Whether this centre's protocol can say what the document declares. Raises ValueError."""
    row = await registry.centre_by_name(connection, str(change.key[0]))
    if row is not None:
        try:
            check_reports(row["protocol"], change.after.get("reports_taken"))
        except OptionError as error:
            raise ValueError(f"centre {change.key[0]}: {error}") from None


def reconcile_logs(
    settings: Settings, logs: Sequence[tuple[str, Path]], since: datetime, until: datetime
) -> dict[str, Any]:
    """Holds our presses of a time against what centres have logged. Raises ValueError for a log that is none."""
    reports: dict[str, list[str]] = {}
    for name, path in logs:
        reports.setdefault(name, []).extend(_references(path))

    async def work(connection: Connection) -> dict[str, Any]:
        found = await reconcile(connection, reports, since, until)
        return {**asdict(found), "agrees": found.agrees}

    return in_registry(settings, work)


async def _chains(
    connection: Connection, subjects: Iterable[tuple[int, str]], at: datetime
) -> dict[tuple[int, str], Any]:
    return {
        (municipality, unit_type): await routines.explain(
            connection, Subject(municipality, unit_type, priority_of(unit_type, MANUAL)), at
        )
        for municipality, unit_type in subjects
    }


def _shown(change: Change) -> dict[str, Any]:
    key = [part.isoformat() if isinstance(part, datetime) else part for part in change.key]
    before = None if change.before is None else dict(change.before)
    return {"kind": change.kind, "key": key, "before": before, "after": dict(change.after)}


def _document(file: Path) -> dict[str, Any]:
    octets = file.read_bytes()
    if len(octets) > LARGEST_DOCUMENT:
        raise ValueError(f"{file} is larger than {LARGEST_DOCUMENT} octets")
    try:
        text = octets.decode("utf-8")
        found = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{file} is no document of routines: it begins with tables such as [[routine]]")
    return found


_NO_ALARMS = frozenset({"INFO", "STATUS"})
"""What a centre is told about an alarm that it has."""


def _references(path: Path) -> list[str]:
    """The references of a centre's log, new ones only: JSON lines with ``reference``, or one reference a line."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        if not line.lstrip().startswith("{"):
            found.append(line.strip())
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise ValueError(f"line {number} of {path} is no JSON") from None
        alarm = row.get("alarm") if "alarm" in row else row
        told = alarm.get("action") if isinstance(alarm, dict) else None
        if row.get("duplicate") or told in _NO_ALARMS:
            continue
        correlation = alarm.get("correlation") if isinstance(alarm, dict) else None
        reference = row.get("reference") or (correlation.get("reference") if isinstance(correlation, dict) else None)
        if isinstance(reference, str):
            found.append(reference)
    return found
