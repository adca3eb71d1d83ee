"""The commit loop of everything but alarms: heartbeats, events, answers, and what a press says about its unit.

It decides what counts as a sign of life. A frame whose counter is above its key's high-water mark is fresh. One that
is not may be a recording: it is refused, unless its key (unit, boot, seq) is known, because then the unit only did not
get its receipt; it gets the same one again and nothing changes. A frame with a kid context has no counter to compare,
so there the key alone decides.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from datetime import UTC, timedelta
from enum import Enum
from typing import Any, Final, NamedTuple

import psycopg

from fleet.connectivity.paths import Noted, Seen
from fleet.ingest.commands import Random, Waiting, challenge_unproven, take_waiting
from fleet.ingest.database import commit_apart
from fleet.ingest.database_mark import DatabaseMark
from fleet.ingest.freshness import Marks, is_behind, is_doubted, is_since, mark_of
from fleet.ingest.outcome import Arrived
from fleet.ingest.paths_seen import keep_paths, note_moves
from fleet.ingest.presses import INT_MAX, counters
from fleet.ingest.reports import STATUS_COLUMNS, encoded_status, note_reports, status_columns
from fleet.store.borrow import borrow
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.sql_file import read_statements
from protocols.wire import cbor
from protocols.wire.messages import Alarm, Answer, Event, Heartbeat

log = logging.getLogger("livlina.ingest")
SQL = read_statements("fleet.ingest")

ANSWER_KIND: Final = -Answer.TYPE
"""Answers to commands lie among the events under this kind, which no event on the wire can have."""

SMS: Final = "sms"

Key = tuple[int, int, int]


class Kept(Enum):
    """What became of a frame.

    FRESH: it is new. AGAIN: its key is known, but its counter is new, so the unit itself has sent it again. DOUBLE: key
    and counter were used before; nothing changed. STALE: the key is new but the counter was used before: a recording.
    """

    FRESH = "fresh"
    AGAIN = "again"
    DOUBLE = "double"
    STALE = "stale_counter"


class Read(NamedTuple):
    """A frame's committed fate; the command that its unit gets now, if one waits; whether a case is owed something;
    ``proven``: the frame is known to be new, so that whoever sent it is where its unit is."""

    kept: Kept
    waiting: Waiting | None = None
    owed: bool = False
    proven: bool = True


class ReadingCommit:
    """Commits batches of frames of all types; of alarms and queries only the sign of life, never the press.

    ``random`` gives that many unpredictable bytes, for challenges.
    """

    def __init__(self, pool: Pool, random: Random = secrets.token_bytes, mark: DatabaseMark | None = None) -> None:
        self._pool = pool
        self._random = random
        self._mark = mark
        self._noted = Noted()

    async def __call__(self, arrived: Sequence[Arrived]) -> Sequence[Read | psycopg.Error]:
        """The fate of each frame, committed. Raises one of database.AWAY: then none may be acknowledged."""
        async with borrow(self._pool) as connection:
            if self._mark is not None:
                await self._mark.checked(connection)

            async def commit(part: Sequence[Arrived]) -> Sequence[Read]:
                async with connection.transaction():
                    kept = await _keep(connection, part, self._noted)
                    reads = await _follow(connection, part, kept, self._random)
                self._noted.keep(kept.seen)
                return reads

            return await commit_apart(commit, arrived)


class _Kept(NamedTuple):
    """What became of each frame of a batch, whether each is known to be new, whether a case is owed, and which ways
    were noted."""

    fates: list[Kept]
    proven: list[bool]
    owed: bool
    seen: Sequence[Seen] = ()


async def _follow(connection: Connection, arrived: Sequence[Arrived], kept: _Kept, random: Random) -> list[Read]:
    """The commands that go out behind this batch, each behind the last frame of its unit that may carry one.

    A press whose freshness is not proven is challenged here: it is committed, and nobody waits for this. Commands are
    never sent by SMS.
    """
    if not arrived:
        return []
    at = max(item.at for item in arrived)
    behind: dict[int, int] = {}
    fresh: dict[int, bool] = {}
    unproven = set()
    for place, (item, fate) in enumerate(zip(arrived, kept.fates, strict=True)):
        unit = item.opened.keys.unit
        proven = fate in (Kept.FRESH, Kept.AGAIN) and kept.proven[place]
        alarm = isinstance(item.opened.message, Alarm)
        if alarm and not proven:
            unproven.add(unit)
        # A doubted frame draws a challenge too: it may be its unit's first since the restore.
        if item.way.transport != SMS and (proven or alarm or fate is Kept.FRESH):
            behind[unit] = place
            fresh[unit] = proven or fresh.get(unit, False)
    if unproven:
        await challenge_unproven(connection, sorted(unproven), at=at, random=random)
    waiting = await take_waiting(connection, fresh, at=at)
    return [
        Read(
            fate,
            waiting.get(item.opened.keys.unit) if behind.get(item.opened.keys.unit) == place else None,
            kept.owed,
            fate in (Kept.FRESH, Kept.AGAIN) and kept.proven[place],
        )
        for place, (item, fate) in enumerate(zip(arrived, kept.fates, strict=True))
    ]


async def _keep(connection: Connection, arrived: Sequence[Arrived], noted: Noted) -> _Kept:
    marks = await counters(connection, arrived, lock=True)
    behind = [is_behind(item, marks) for item in arrived]
    proven = [not is_doubted(item, marks) for item in arrived]
    known = await _known(connection, [item for item, late in zip(arrived, behind, strict=True) if late])
    candidates: list[Arrived] = []
    kept: list[Kept] = []
    for item, late in zip(arrived, behind, strict=True):
        keyed = isinstance(item.opened.message, (Heartbeat, Event, Answer))
        if late and (not keyed or item.opened.kid_context is None or _key(item) in known):
            kept.append(Kept.DOUBLE if keyed and _key(item) in known else Kept.STALE)
            continue
        kept.append(Kept.FRESH)
        candidates.append(item)
    if not candidates:
        return _Kept(kept, proven, False)
    stored = await _keep_readings(connection, candidates) | await _keep_events(connection, candidates)
    fresh: list[Arrived] = []
    reports: list[Arrived] = []
    for place, item in enumerate(arrived):
        if kept[place] is not Kept.FRESH:
            continue
        if isinstance(item.opened.message, (Heartbeat, Event, Answer)):
            if _key(item) in stored:
                reports.append(item)
            else:
                kept[place] = Kept.AGAIN if item.opened.kid_context is None else Kept.DOUBLE
            stored.discard(_key(item))  # the same key a second time in one batch is a double
        if kept[place] is not Kept.DOUBLE:
            fresh.append(item)
    await _raise_counters(connection, fresh)
    await _trust(connection, fresh, marks)
    await _keep_states(connection, fresh)
    seen = await keep_paths(connection, fresh, noted)
    owed = await note_reports(connection, reports, at=max(item.at for item in arrived))
    return _Kept(kept, proven, owed, seen)


def _key(arrived: Arrived) -> Key:
    message = arrived.opened.message
    return arrived.opened.keys.unit, message.boot, message.seq


async def _known(connection: Connection, late: Sequence[Arrived]) -> set[Key]:
    keys = [_key(item) for item in late if isinstance(item.opened.message, (Heartbeat, Event, Answer))]
    if not keys:
        return set()
    columns = {name: [key[place] for key in keys] for place, name in enumerate(("unit_id", "boot", "seq"))}
    return _keys(await fetch_all(connection, SQL["known_keys"], columns))


def _keys(rows: Sequence[dict[str, Any]]) -> set[Key]:
    return {(row["unit_id"], row["boot"], row["seq"]) for row in rows}


async def _keep_readings(connection: Connection, arrived: Sequence[Arrived]) -> set[Key]:
    beats = [item for item in arrived if isinstance(item.opened.message, Heartbeat)]
    if not beats:
        return set()
    said = [item.opened.message for item in beats]
    columns: dict[str, Any] = {
        "unit_id": [item.opened.keys.unit for item in beats],
        "boot": [beat.boot for beat in said],
        "seq": [beat.seq for beat in said],
        "municipality_id": [item.opened.keys.municipality for item in beats],
        "received_at": [item.at for item in beats],
        "next_due_s": [beat.next_due for beat in said],
        "transport": [item.way.transport for item in beats],
        "bearer": [_int(beat.bearer) for beat in said],
        "battery": [beat.battery for beat in said],
        "signal": [beat.signal for beat in said],
        "attempts": [_int(beat.attempts) for beat in said],
        "flags": [_int(beat.flags) for beat in said],
        "open_presses": [_int(beat.open) for beat in said],
        "refused": [beat.refused for beat in said],
        "operator": [beat.operator for beat in said],
        "radio": [_int(beat.radio) for beat in said],
        "status": [encoded_status(item) for item in beats],
        "day_before": min(item.at for item in beats).astimezone(UTC).date() - timedelta(days=1),
    }
    return _keys(await fetch_all(connection, SQL["keep_readings"], columns))


async def _keep_events(connection: Connection, arrived: Sequence[Arrived]) -> set[Key]:
    rows = [_event_row(item) for item in arrived if isinstance(item.opened.message, (Event, Answer))]
    if not rows:
        return set()
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return _keys(await fetch_all(connection, SQL["keep_events"], columns))


def _event_row(arrived: Arrived) -> dict[str, Any]:
    message, unit = arrived.opened.message, arrived.opened.keys
    row: dict[str, Any] = {
        "unit_id": unit.unit,
        "boot": message.boot,
        "seq": message.seq,
        "municipality_id": unit.municipality,
        "received_at": arrived.at,
        "raw": arrived.opened.raw,
    }
    if isinstance(message, Answer):
        data = {3: message.number, 4: message.result, 5: message.data}
        said = {"kind": ANSWER_KIND, "age_s": None, "about_boot": None, "about_seq": None, "data": cbor.encode(data)}
        return row | said
    return row | {
        "kind": _int(message.kind),
        "age_s": message.age,
        "about_boot": message.about_boot,
        "about_seq": message.about_seq,
        "data": None if message.data is None else cbor.encode(message.data),
    }


async def _raise_counters(connection: Connection, fresh: Sequence[Arrived]) -> None:
    high: dict[tuple[int, int], int] = {}
    for item in fresh:
        if item.opened.kid_context is None:
            key = item.opened.keys.unit, item.opened.generation
            high[key] = max(high.get(key, -1), item.opened.counter)
    if high:
        columns = {
            "unit_id": [unit for unit, _ in high],
            "generation": [generation for _, generation in high],
            "counter": list(high.values()),
        }
        await connection.execute(SQL["raise_counters"], columns)


async def _trust(connection: Connection, fresh: Sequence[Arrived], marks: Marks) -> None:
    """Keys of which something new was received since the database was restored are believed again; generations before
    one that was used now have ended."""
    since = set()
    used: dict[int, int] = {}
    for item in fresh:
        unit, generation = item.opened.keys.unit, item.opened.generation
        restored_at = mark_of(item, marks).restored_at
        if restored_at is not None and is_since(item, restored_at):
            since.add(unit)
        if any(other < generation for other in item.opened.keys.generations):
            used[unit] = max(used.get(unit, 0), generation)
    if since:
        await connection.execute(SQL["believe_again"], {"units": sorted(since)})
    if used:
        units = sorted(used)
        values = {"unit_id": units, "generation": [used[unit] for unit in units], "at": max(i.at for i in fresh)}
        await connection.execute(SQL["end_generations"], values)


async def _keep_states(connection: Connection, fresh: Sequence[Arrived]) -> None:
    states: dict[int, dict[str, Any]] = {}
    for item in fresh:
        row = _state_row(item)
        before = states.get(row["unit_id"])
        if before is not None:
            row = before | {name: value for name, value in row.items() if value is not None or name == "address"}
        states[row["unit_id"]] = row
    if states:
        rows = list(states.values())
        await connection.execute(SQL["keep_states"], {name: [row[name] for row in rows] for name in rows[0]})
    await _keep_statuses(connection, fresh)


async def _keep_statuses(connection: Connection, fresh: Sequence[Arrived]) -> None:
    """The statuses among these, field by field; of several of one unit the later fills in over the earlier."""
    found: dict[int, dict[str, Any]] = {}
    for item in fresh:
        encoded = encoded_status(item)
        if encoded is not None:
            unit = item.opened.keys.unit
            row = {"unit_id": unit, "at": item.at, "status": encoded, **status_columns(item.opened.message.status)}
            found[unit] = found.get(unit, {}) | {name: value for name, value in row.items() if value is not None}
    if found:
        names = ("unit_id", "at", "status", *STATUS_COLUMNS)
        columns = {name: [row.get(name) for row in found.values()] for name in names}
        told = {name: columns[name] for name in ("unit_id", "at", "imei", "iccid1", "iccid2")}
        if any(any(told[name]) for name in ("imei", "iccid1", "iccid2")):
            await connection.execute(SQL["notice_moves"], told)
            await note_moves(connection, told)
        await connection.execute(SQL["keep_statuses"], columns)


def _state_row(arrived: Arrived) -> dict[str, Any]:
    """What a frame says about its unit; None where it says nothing. An alarm's flags are about the press."""
    (keys, _, _, _, message, _), way, at = arrived
    beat = message if isinstance(message, Heartbeat) else None
    told = message if isinstance(message, (Heartbeat, Alarm)) else None
    return {
        "unit_id": keys.unit,
        "municipality_id": keys.municipality,
        "seen_at": at,
        "due_at": at + timedelta(seconds=beat.next_due) if beat else None,
        "interval_s": _int(beat.next_due) if beat else None,
        "boot": getattr(message, "boot", None),
        "seq": getattr(message, "seq", None),
        "transport": way.transport,
        "address": f"{way.peer[0]} {way.peer[1]}" if way.peer else None,
        "bearer": _int(told.bearer) if told else None,
        "battery": told.battery if told else None,
        "signal": beat.signal if beat else None,
        "flags": (_int(beat.flags) or 0) if beat else None,
        "attempts": _int(beat.attempts) if beat else None,
        "open_presses": _int(beat.open) if beat else None,
        "refused": beat.refused if beat else None,
        "operator": beat.operator if beat else None,
        "radio": _int(beat.radio) if beat else None,
    }


def _int(value: int | None) -> int | None:
    """Held within PostgreSQL's int: these are codes and counts, and none of ours is greater."""
    return value if value is None or value <= INT_MAX else INT_MAX
