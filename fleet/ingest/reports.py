"""What heartbeats, events and answers leave behind besides their own row: the unit's state, conditions, tasks, effects.

It runs inside the transaction that keeps the report, so a report that is receipted has had its consequences, or owes
them to `fleet.ingest.effects` in a row. It decides nothing itself: `fleet.technicians.decide` says what an event means.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from fleet.ingest import commands
from fleet.ingest.commands import Answered, Verdict
from fleet.ingest.outcome import Arrived
from fleet.store.pool import Connection
from fleet.store.sql_file import read_statements
from fleet.technicians.model import UnitEvent
from fleet.technicians.store import Decided, Flags, note_events, note_flags
from protocols.wire import cbor, messages
from protocols.wire.messages import Answer, Event, Heartbeat

SQL = read_statements("fleet.ingest")

STATUS_COLUMNS: Final = messages.STATUS_NAMES
_TEXTS: Final = frozenset(
    name
    for _, name, shape, _, _ in messages.fields(messages.STATUS_NAMES, messages.STATUS_FORMS)
    if shape == messages.TEXT
)
_DIGITS: Final = frozenset({"iccid1", "iccid2", "imei"})


async def note_reports(connection: Connection, fresh: Sequence[Arrived], *, at: datetime) -> bool:
    """Carries out what these reports mean; each must have been stored just now, for the first time.

    Returns whether a case is owed something (`fleet.ingest.effects`).
    """
    events = [_event_of(item) for item in fresh if isinstance(item.opened.message, Event)]
    flags = [_flags_of(item) for item in fresh if isinstance(item.opened.message, Heartbeat)]
    answers = [_answer_of(item) for item in fresh if isinstance(item.opened.message, Answer)]
    if flags:
        await note_flags(connection, flags)
    await _owe_positions(connection, fresh)
    counting = await note_events(connection, events) if events else []
    verdicts = await commands.settle(connection, answers, at=at) if answers else []
    return await _owe_cases(connection, counting, verdicts, at)


def status_columns(status: dict[int, Any] | None) -> dict[str, Any]:
    """A status field by field, as ``unit_states`` holds it; None where it says nothing.

    ICCIDs and IMEI are digits, most significant first, without the filling of their last half byte. Texts lose what
    cannot be printed: no text of a unit may keep its heartbeat out.
    """
    said = status or {}
    row: dict[str, Any] = {}
    for key, name, _, _, _ in messages.fields(messages.STATUS_NAMES, messages.STATUS_FORMS):
        value = said.get(key)
        if value is not None and name in _DIGITS:
            value = value.hex().rstrip("f")
        elif value is not None and name in _TEXTS:
            value = "".join(sign if sign.isprintable() else "?" for sign in value)
        row[name] = value
    return row


def happened_at(arrived: Arrived, age_s: int | None) -> datetime:
    """When an event happened by the server's clock: when it came less its age, which no calendar may break."""
    try:
        return arrived.at - timedelta(seconds=age_s or 0)
    except OverflowError:
        return arrived.at


def _event_of(arrived: Arrived) -> UnitEvent:
    event, unit = arrived.opened.message, arrived.opened.keys
    at = happened_at(arrived, event.age)
    return UnitEvent(unit.unit, unit.municipality, event.kind, at, event.data or {}, event.boot, event.seq)


def _flags_of(arrived: Arrived) -> Flags:
    beat, unit = arrived.opened.message, arrived.opened.keys
    return Flags(unit.unit, unit.municipality, beat.flags or 0, arrived.at, beat.boot, beat.seq)


def _answer_of(arrived: Arrived) -> Answered:
    answer = arrived.opened.message
    # A unit that has lost its counters has lost its journal too: it cannot deny what it made before.
    remembers = arrived.opened.kid_context is None
    return Answered(arrived.opened.keys.unit, answer.number, answer.result, answer.data or {}, remembers)


async def _owe_positions(connection: Connection, fresh: Sequence[Arrived]) -> None:
    """A position is owed to the centre that has the case (`fleet.forwarding.positions`): a row, in this transaction.

    No case is looked for here and no lock taken: the press may still be on its way.
    """
    told = [item for item in fresh if isinstance(item.opened.message, Event) and _is_position(item.opened.message)]
    if not told:
        return
    columns: dict[str, Any] = {
        "unit_id": [item.opened.keys.unit for item in told],
        "boot": [item.opened.message.boot for item in told],
        "seq": [item.opened.message.seq for item in told],
        "municipality_id": [item.opened.keys.municipality for item in told],
        "received_at": [item.at for item in told],
        "about_boot": [item.opened.message.about_boot for item in told],
        "about_seq": [item.opened.message.about_seq for item in told],
    }
    await connection.execute(SQL["owe_positions"], columns)


def _is_position(event: Event) -> bool:
    """Whether it tells a place: one that knows its cell alone must not stand in the way of one that does."""
    data = event.data or {}
    return event.kind == messages.EVENT_POSITION and type(data.get(1)) is int and type(data.get(2)) is int


async def _owe_cases(
    connection: Connection, counting: Sequence[Decided], verdicts: Sequence[Verdict], at: datetime
) -> bool:
    rows: list[tuple[Any, ...]] = [
        (event.unit, consequence.case, None, None, consequence.input, at)
        for event, consequence in counting
        if consequence.case is not None
    ]
    rows += [
        (verdict.unit, "genuine" if verdict.genuine else "replay", verdict.boot, verdict.seq, None, at)
        for verdict in verdicts
    ]
    if not rows:
        return False
    names = ("unit_id", "effect", "boot", "seq", "input", "at")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    await connection.execute(SQL["owe_effects"], columns)
    return True


def encoded_status(arrived: Arrived) -> bytes | None:
    """The status map of a heartbeat as it was said, unknown keys and all."""
    message = arrived.opened.message
    status = message.status if isinstance(message, Heartbeat) else None
    return None if status is None else cbor.encode(status)
