"""Orders to units: queued with a number that only grows, sent behind what the unit sends, answered once.

Functions work inside the caller's transaction and are told the time. It decides which command a unit gets next (the
lowest number that is neither answered nor expired, nor was sent `VAIN` times) and what an answer settles. A challenge
is settled only by its own nonce; any other answer to it changes nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from protocols.wire import cbor
from protocols.wire.messages import COMMAND_CHALLENGE, RESULT_DONE

SQL = read_statements("fleet.ingest", "commands.sql")

LONGEST_ARGUMENTS: Final = 400
"""Bytes of encoded arguments: with number, time and seal around them a frame stays within its 512."""

NONCE_BYTES: Final = 8
CHALLENGES_APART: Final = timedelta(seconds=2)
"""To a unit whose frame proves nothing about its age a challenge goes at most this often."""

VAIN: Final = 20
"""Sent so often without an answer a command lets the ones behind it go first."""

CHALLENGE_LASTS: Final = timedelta(days=7)
"""A challenge is not sent after this; its case keeps the mark, and a person decides."""

CHALLENGER: Final = "freshness"
LARGEST: Final = 0xFFFFFFFF

_NONCE, _BOOT, _SEQ = 1, 2, 3
_ANSWER_NONCE, _ANSWER_STATE = 1, 2
_NOT_MINE, _OPEN, _OVER = 0, 1, 2

Random = Callable[[int], bytes]


class Waiting(NamedTuple):
    """A command that is to be sent now: the unit's lowest number that is not answered."""

    unit: int
    number: int
    kind: int
    args: dict[int, Any] | None


class Answered(NamedTuple):
    """An answer as the wire brought it: the unit, the command's number, result and data. ``remembers``: the unit has
    not lost what it knew; what it does not know then never was."""

    unit: int
    number: int
    result: int
    data: Mapping[int, Any]
    remembers: bool = True


class Verdict(NamedTuple):
    """What a unit has said about a challenged press: ``genuine``, or a recording of one that was over, or never was."""

    unit: int
    boot: int
    seq: int
    genuine: bool


class CommandError(ValueError):
    """The command cannot be queued; the message says what to change."""


async def queue(
    connection: Connection,
    unit: int,
    kind: int,
    args: Mapping[int, Any] | None,
    actor: str,
    *,
    at: datetime,
    expires_at: datetime | None = None,
    about: tuple[int, int] | None = None,
) -> int:
    """Queues a command and returns its number: the unit's last one plus 1, or the milliseconds of ``at`` if greater.

    ``args`` is int-keyed as docs/wire.md has it. ``expires_at``: not sent after that. ``about``: (boot, seq) of the
    press that a challenge asks about; a press is challenged once, ever. The front doors are told at commit. Raises
    CommandError for arguments that are no map of the wire or too long, for a second challenge, LookupError for an
    unknown unit.
    """
    encoded = _encoded(args)
    values = {
        "unit_id": unit, "kind": kind, "args": encoded, "actor": actor, "at": at, "milliseconds": _milliseconds(at),
        "expires_at": expires_at, "boot": about[0] if about else None, "seq": about[1] if about else None,
    }  # fmt: skip
    await connection.execute(SQL["lock_numbers"], {"unit_id": unit})
    rows = await fetch_all(connection, SQL["queue"], values)
    if not rows:
        if not await fetch_all(connection, SQL["unit"], {"unit_id": unit}):
            raise LookupError(f"unit {unit:08x} is unknown")
        raise CommandError(f"unit {unit:08x} has been challenged about this press before")
    await connection.execute(SQL["announce"], {"unit": f"{unit:08x}"})
    return int(rows[0]["number"])


async def challenge_unproven(
    connection: Connection, units: Sequence[int] | None, *, at: datetime, random: Random
) -> list[int]:
    """Queues a challenge for every press of an open case whose freshness is not proven and that has none.

    Returns their units. ``units`` narrows to these; None looks at all, which makes up for a crash between a press and
    its challenge.
    """
    rows = await fetch_all(connection, SQL["unchallenged"], {"units": list(units) if units is not None else None})
    for row in rows:
        unit, about = row["unit_id"], (row["boot"], row["seq"])
        args = {_NONCE: random(NONCE_BYTES), _BOOT: about[0], _SEQ: about[1]}
        await connection.execute(SQL["lock_numbers"], {"unit_id": unit})
        values = {
            "unit_id": unit, "kind": COMMAND_CHALLENGE, "args": cbor.encode(args), "actor": CHALLENGER, "at": at,
            "milliseconds": _milliseconds(at), "expires_at": at + CHALLENGE_LASTS, "boot": about[0], "seq": about[1],
        }  # fmt: skip
        await connection.execute(SQL["queue"], values)
    return [row["unit_id"] for row in rows]


async def take_waiting(connection: Connection, units: Mapping[int, bool], *, at: datetime) -> dict[int, Waiting]:
    """The command that each of these units gets now, noted as sent.

    ``units`` says of each whether its frame was fresh; a unit whose frame proves nothing gets challenges only, and not
    more often than `CHALLENGES_APART`, so that a recording played again and again draws little.
    """
    if not units:
        return {}
    columns = {
        "unit_id": list(units),
        "fresh": list(units.values()),
        "at": at,
        "apart": at - CHALLENGES_APART,
        "vain": VAIN,
    }
    rows = await fetch_all(connection, SQL["take_waiting"], columns)
    return {row["unit_id"]: _waiting(row) for row in rows}


async def settle(connection: Connection, answers: Sequence[Answered], *, at: datetime) -> list[Verdict]:
    """Keeps what answers say about commands that still wait for one; returns what became of challenged presses.

    An answer to a number that was never sent, or that was answered before, changes nothing. So does an answer to a
    challenge that says *done* without the challenge's own nonce and a known state.
    """
    verdicts = []
    for answer in answers:
        if answer.number > 0x7FFFFFFFFFFFFFFF:
            continue  # a number that the database cannot hold was never given
        rows = await fetch_all(connection, SQL["lock_command"], {"unit_id": answer.unit, "number": answer.number})
        if not rows:
            continue
        command = rows[0]
        state: int | None = None
        if command["kind"] == COMMAND_CHALLENGE and answer.result == RESULT_DONE:
            state = _state(command, answer.data)
            if state is None:
                continue
        values = {
            "unit_id": answer.unit, "number": answer.number, "at": at, "result": answer.result,
            "answer": cbor.encode(dict(answer.data)),
        }  # fmt: skip
        await connection.execute(SQL["settle"], values)
        if state is not None:
            # The answer holds the nonce: it was sealed just now, whatever the database has lost.
            await connection.execute(SQL["believe_again"], {"unit_id": answer.unit})
            verdict = await _verdict(connection, answer, command, state, at)
            if verdict is not None:
                verdicts.append(verdict)
    return verdicts


async def _verdict(
    connection: Connection, answer: Answered, command: Mapping[str, Any], state: int, at: datetime
) -> Verdict | None:
    """What the state of a press means for its case; None where nothing is proven and a person decides.

    A press is over for its unit when a person has taken it, which only we can say. Taken here, it is genuine; if we
    know nothing of that, it was taken before the database was restored, and the frame is a recording.

    Where two may hold the key, an answer proves nothing: whoever has read it out of the unit would deny the unit's own
    alarm with it. A denial does not count either where frames came that were behind.
    """
    place = {"unit_id": answer.unit, "boot": command["about_boot"], "seq": command["about_seq"]}
    genuine = state == _OPEN
    if state == _OVER:
        rows = await fetch_all(connection, SQL["was_taken"], place)
        genuine = bool(rows) and rows[0]["taken"]
    if not genuine and not answer.remembers:
        return None
    doubt = (await fetch_all(connection, SQL["in_doubt"], {"unit_id": answer.unit, "at": at}))[0]
    if doubt["shared"] or (doubt["behind"] and not genuine):
        return None
    return Verdict(answer.unit, place["boot"], place["seq"], genuine)


async def commands_of(connection: Connection, unit: int, most: int = 20) -> list[dict[str, Any]]:
    """The newest commands of a unit, newest first. A challenge's nonce is left out."""
    rows = await fetch_all(connection, SQL["commands_of"], {"unit_id": unit, "most": most})
    return [
        {
            "number": row["number"],
            "kind": row["kind"],
            "arguments": _shown(row["args"], hide=row["kind"] == COMMAND_CHALLENGE),
            "actor": row["actor"],
            "queued_at": row["queued_at"].isoformat(),
            "expires_at": row["expires_at"].isoformat() if row["expires_at"] else None,
            "sends": row["sends"],
            "sent_at": row["sent_at"].isoformat() if row["sent_at"] else None,
            "answered_at": row["answered_at"].isoformat() if row["answered_at"] else None,
            "result": row["result"],
            "answer": _shown(row["answer"], hide=row["kind"] == COMMAND_CHALLENGE),
        }
        for row in rows
    ]


def _waiting(row: Mapping[str, Any]) -> Waiting:
    args = None if row["args"] is None else cbor.decode(bytes(row["args"]))
    return Waiting(row["unit_id"], row["number"], row["kind"], args)


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _encoded(args: Mapping[int, Any] | None) -> bytes | None:
    if args is None:
        return None
    try:
        encoded = cbor.encode(dict(args))
    except cbor.CborError as error:
        raise CommandError(f"the arguments are no map of the wire: {error}") from error
    if len(encoded) > LONGEST_ARGUMENTS:
        raise CommandError(f"the arguments take {len(encoded)} bytes of {LONGEST_ARGUMENTS}: shorten them")
    return encoded


def _state(command: Mapping[str, Any], data: Mapping[int, Any]) -> int | None:
    """What the unit says about the press, or None where the answer is not to this challenge."""
    asked = cbor.decode(bytes(command["args"]))
    nonce, state = data.get(_ANSWER_NONCE), data.get(_ANSWER_STATE)
    if not isinstance(nonce, bytes) or not hmac.compare_digest(nonce, asked[_NONCE]):
        return None
    return state if state in (_NOT_MINE, _OPEN, _OVER) and not isinstance(state, bool) else None


def _shown(encoded: bytes | None, *, hide: bool) -> dict[str, Any] | None:
    """A stored map for people and JSON: keys as text, bytes as hex."""
    if encoded is None:
        return None
    body = cbor.decode(bytes(encoded))
    return {str(key): _plain(value) for key, value in body.items() if not (hide and key == _NONCE)}


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value
