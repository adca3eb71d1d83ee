"""Recipients: a reference to the care system for everybody, and a sealed part that is opened for a reason.

Functions take a connection and work in the caller's transaction. The sealed part can be read only in a transaction that
has written down who reads it and why; row level security holds that, whatever this code does. A protected person's part
is opened for an open case to people on a list, and to nobody else: there is no glass to break.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from fleet.evidence.audit import record
from fleet.people.model import Actor
from fleet.registry.reference import normal
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.registry", "recipients.sql")

LEAST_REASON: Final = 10
MOST_REASON: Final = 500
MOST_TEXT: Final = 400
MOST_CONTACTS: Final = 10


class OpeningRefused(ValueError):
    """The sealed part stays shut; the message says what would open it, and nothing about the person."""


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody to call, in the order of the list."""

    name: str
    telephone: str
    relation: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """What is sealed: who a recipient is, where, how to get in, whom to call. Never logged, never in an error."""

    name: str = field(repr=False)
    address: str = field(repr=False)
    key_note: str = field(default="", repr=False)
    contacts: tuple[Contact, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        texts = [self.name, self.address, self.key_note]
        texts += [text for one in self.contacts for text in (one.name, one.telephone, one.relation)]
        if any(len(text) > MOST_TEXT for text in texts) or len(self.contacts) > MOST_CONTACTS:
            raise ValueError(
                f"a text has at most {MOST_TEXT} characters, and there are at most {MOST_CONTACTS} contacts"
            )


async def add_recipient(
    connection: Connection,
    *,
    municipality: int,
    reference: str,
    priority: int,
    district: str,
    actor: str,
    at: datetime,
    protected: bool = False,
    lives_alone: bool | None = None,
) -> int:
    """Adds a recipient by reference; returns its number. ``lives_alone`` None: nobody has said.

    Raises ValueError for what is no reference, psycopg.errors.UniqueViolation for one that is there, CheckViolation for
    a priority outside 1 to 5."""
    values = {
        "municipality_id": municipality, "reference": normal(reference), "priority": priority, "district": district,
        "protected": protected, "lives_alone": lives_alone, "at": at,
    }  # fmt: skip
    recipient = int((await fetch_all(connection, SQL["add"], values))[0]["recipient_id"])
    await _record(connection, actor, "recipient.added", municipality, recipient, {"priority": priority}, at)
    return recipient


async def change_recipient(
    connection: Connection, recipient: int, *, priority: int, district: str, protected: bool, lives_alone: bool | None,
    actor: str, at: datetime,
) -> None:  # fmt: skip
    """Raises LookupError for one that is not there, or not for this actor."""
    values = {
        "recipient_id": recipient, "priority": priority, "district": district, "protected": protected,
        "lives_alone": lives_alone,
    }  # fmt: skip
    rows = await fetch_all(connection, SQL["change"], values)
    if not rows:
        raise LookupError(f"recipient {recipient} is unknown")
    detail = {"priority": priority, "protected": protected}
    await _record(connection, actor, "recipient.changed", rows[0]["municipality_id"], recipient, detail, at)


async def find_recipient(connection: Connection, recipient: int) -> dict[str, Any] | None:
    """Everything but the sealed part; None where there is none for this actor."""
    rows = await fetch_all(connection, SQL["recipient"], {"recipient_id": recipient})
    return rows[0] if rows else None


async def by_reference(connection: Connection, reference: str) -> list[dict[str, Any]]:
    """Recipients with this reference among the actor's municipalities. Raises ValueError for what is none."""
    return await fetch_all(connection, SQL["by_reference"], {"reference": normal(reference)})


async def units_of(connection: Connection, recipient: int) -> list[dict[str, Any]]:
    """The units that a recipient has, is getting, and had."""
    return await fetch_all(connection, SQL["units"], {"recipient_id": recipient})


async def seal_person(
    connection: Connection, box: SecretBox, recipient: int, person: Person, *, actor: str, at: datetime
) -> None:
    """Puts the person into the sealed part, in place of what was there. It is written down as a look, since whoever
    writes knows. Raises LookupError."""
    found = await _there(connection, recipient)
    await _note(connection, found, actor, at, "write", None, None)
    plain = json.dumps(asdict(person), ensure_ascii=False, sort_keys=True).encode()
    values = {
        "recipient_id": recipient, "municipality_id": found["municipality_id"],
        "sealed": box.seal_person(plain, recipient), "at": at,
    }  # fmt: skip
    await connection.execute(SQL["seal"], values)
    await _record(connection, actor, "recipient.sealed", found["municipality_id"], recipient, {}, at)


async def open_person(
    connection: Connection,
    box: SecretBox,
    actor: Actor,
    recipient_id: int,
    *,
    case_id: int | None = None,
    reason: str | None = None,
    at: datetime,
) -> Person | None:
    """The sealed part, for an open case of this recipient or, by break-glass, for a reason in at least ten characters.

    The look is written down, for the fleet's owner and in the audit, in the same transaction. None: nothing is sealed.
    Whether the actor's role may open anything, and has stepped up, is the caller's to require before. Raises
    LookupError, OpeningRefused, SecretBoxError.
    """
    found = await _there(connection, recipient_id)
    reason = (reason or "").replace("\0", "").strip()[:MOST_REASON] or None
    if case_id is None and (reason is None or len(reason) < LEAST_REASON):
        raise OpeningRefused(f"say for which open case, or why, in at least {LEAST_REASON} characters")
    if case_id is not None:
        rows = await fetch_all(connection, SQL["open_cases"], {"recipient_id": recipient_id})
        if case_id not in {row["case_id"] for row in rows}:
            raise OpeningRefused("this case is not an open one of this recipient: look whether it was closed")
    if found["protected"]:
        place = {"recipient_id": recipient_id, "person": actor.name}
        if case_id is None or not await fetch_all(connection, SQL["on_the_list"], place):
            raise OpeningRefused(
                "this person's identity is protected: it opens for an open case, and to the people on the list only"
            )
    kind = "break_glass" if case_id is None else "case"
    await _note(connection, found, actor.name, at, kind, case_id, reason if case_id is None else None)
    detail = {"case": case_id, "break_glass": case_id is None, "protected": found["protected"]}
    await _record(connection, actor.name, "recipient.opened", found["municipality_id"], recipient_id, detail, at)
    rows = await fetch_all(connection, SQL["sealed"], {"recipient_id": recipient_id})
    if not rows:
        return None
    plain = json.loads(box.open_person(bytes(rows[0]["sealed"]), recipient_id))
    contacts = tuple(Contact(**one) for one in plain.pop("contacts"))
    return Person(**plain, contacts=contacts)


async def open_cases_of(connection: Connection, recipient: int) -> tuple[int, ...]:
    """Cases for which the sealed part may be opened now."""
    rows = await fetch_all(connection, SQL["open_cases"], {"recipient_id": recipient})
    return tuple(row["case_id"] for row in rows)


async def openings(
    connection: Connection,
    *,
    recipient: int | None = None,
    unseen: bool = False,
    before: int | None = None,
    most: int = 50,
) -> list[dict[str, Any]]:
    """Who looked at whom and why, newest first."""
    values = {"recipient_id": recipient, "unseen": unseen, "before": before, "most": most}
    return await fetch_all(connection, SQL["openings"], values)


async def see_openings(connection: Connection, numbers: Sequence[int], actor: str, at: datetime) -> None:
    """Whoever answers for the fleet has seen these looks."""
    await connection.execute(SQL["see_openings"], {"openings": list(numbers), "actor": actor, "at": at})


async def staff_list(connection: Connection, recipient: int) -> list[dict[str, Any]]:
    """Who is on the list of a protected person: person, added_by, added_at."""
    return await fetch_all(connection, SQL["staff"], {"recipient_id": recipient})


async def change_staff(
    connection: Connection, recipient: int, person: str, *, listed: bool, actor: str, at: datetime
) -> None:
    """Puts a person (``person:ID``) on the list of a protected recipient, or takes them off. Raises LookupError."""
    values = {"recipient_id": recipient, "person": person, "actor": actor, "at": at}
    found = await _there(connection, recipient)
    await connection.execute(SQL["add_staff" if listed else "remove_staff"], values)
    action = "recipient.listed" if listed else "recipient.unlisted"
    await _record(connection, actor, action, found["municipality_id"], recipient, {"person": person}, at)


async def _there(connection: Connection, recipient: int) -> dict[str, Any]:
    found = await find_recipient(connection, recipient)
    if found is None:
        raise LookupError(f"recipient {recipient} is unknown")
    return found


async def _note(
    connection: Connection,
    found: dict[str, Any],
    actor: str,
    at: datetime,
    kind: str,
    case: int | None,
    reason: str | None,
) -> None:
    values = {
        "municipality_id": found["municipality_id"], "recipient_id": found["recipient_id"], "actor": actor, "at": at,
        "kind": kind, "case_id": case, "reason": reason,
    }  # fmt: skip
    await connection.execute(SQL["note_opening"], values)


async def _record(
    connection: Connection,
    actor: str,
    action: str,
    municipality: int,
    recipient: int,
    detail: Mapping[str, object],
    at: datetime,
) -> None:
    await record(
        connection, actor=actor, action=action, municipality_id=municipality, subject=f"recipient:{recipient}",
        detail=detail, at=at,
    )  # fmt: skip
