"""What somebody who owns the whole database may do to its past. Every trigger is off; the signing key is elsewhere.

Each attack changes something for certain, and says where: the first position of the chain that is wrong, or the row.
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from fleet.evidence.decide import link
from fleet.evidence.model import GENESIS, Entry
from fleet.evidence.sources import read_items
from fleet.store.pool import Connection, fetch_all


@dataclass(frozen=True, slots=True)
class Damage:
    """What was done, for the message of a test; ``position`` and ``place`` say where it must be found."""

    what: str
    position: int | None = None
    place: tuple[str, str] | None = None


Attack = Callable[[Connection, random.Random], Awaitable[Damage]]

_COLUMNS: dict[str, list[str]] = {
    "audit": [
        "actor = actor || '9'", "subject = subject || '9'", "at = at + interval '1 microsecond'",
        "action = 'unit.retired'", "detail = detail || '{\"recipient\": 77777}'",
        "municipality_id = 3 - municipality_id",
    ],
    "case_log": [
        "actor = 'operator 8'", "at = at - interval '4 minutes'", "change = 'told'", "case_id = case_id + 1000",
        "detail = detail || '{\"outcome\": \"false_alarm\"}'",
    ],
    "press": [
        "received_at = received_at + interval '30 seconds'", "kind = kind + 1", "input = coalesce(input, 0) + 1",
        "raw = raw || '\\x00'", "pressed_at = NULL", "flags = flags + 1", "case_id = case_id + 1000",
    ],
    "receipt": ["{stage} = {stage} - interval '1 second'", "{stage} = NULL"],
    "delivery": [
        "delivered_at = delivered_at - interval '1 minute'", "delivered_at = NULL", "centre_id = centre_id + 1",
    ],
    "unit_event": ["data = data || '\\x01'", "kind = kind + 1", "received_at = received_at - interval '1 day'"],
}  # fmt: skip
_TABLES = {
    "audit": ("audit_records", "record_id = %s::bigint"),
    "case_log": ("case_log", "position = %s::bigint"),
    "press": ("presses", "unit_id || '/' || boot || '/' || seq = %s"),
    "receipt": ("presses", "unit_id || '/' || boot || '/' || seq = regexp_replace(%s, '/[23]$', '')"),
    "delivery": ("outbox", "outbox_id = %s::bigint"),
    "unit_event": ("unit_events", "unit_id || '/' || boot || '/' || seq = %s"),
}


async def entries(connection: Connection) -> list[Entry]:
    rows = await fetch_all(
        connection,
        "SELECT position, municipality_id AS municipality, source, key, at, chained_at, digest, hash FROM audit_chain "
        "ORDER BY position",
    )
    return [Entry(**{**row, "digest": bytes(row["digest"]), "hash": bytes(row["hash"])}) for row in rows]


async def edit_row(connection: Connection, dice: random.Random) -> Damage:
    """One value of one row that the chain stands for."""
    entry = dice.choice(await entries(connection))
    await _edit(connection, dice, entry)
    return Damage(f"edit {entry.source} {entry.key}", entry.position, (entry.source, entry.key))


async def _edit(connection: Connection, dice: random.Random, entry: Entry) -> None:
    table, where = _TABLES[entry.source]
    change = dice.choice(_COLUMNS[entry.source])
    change = change.replace("{stage}", "accepted_at" if entry.key.endswith("/2") else "taken_at")
    await connection.execute(f"UPDATE {table} SET {change} WHERE {where}", [entry.key])  # type: ignore[call-overload]


async def delete_row(connection: Connection, dice: random.Random) -> Damage:
    """One row that the chain stands for."""
    choice = [entry for entry in await entries(connection) if entry.source != "receipt"]
    entry = dice.choice(choice)
    table, where = _TABLES[entry.source]
    await connection.execute(f"DELETE FROM {table} WHERE {where}", [entry.key])  # type: ignore[call-overload]
    return Damage(f"delete {entry.source} {entry.key}", entry.position, (entry.source, entry.key))


async def edit_link(connection: Connection, dice: random.Random) -> Damage:
    """One value of one link."""
    entry = dice.choice(await entries(connection))
    change = dice.choice([
        "municipality_id = municipality_id + 1", "at = at + interval '1 second'", "hash = sha256(hash)",
        "chained_at = chained_at - interval '1 hour'", "digest = sha256(digest)", "key = key || 'x'",
    ])  # fmt: skip
    await connection.execute(
        f"UPDATE audit_chain SET {change} WHERE position = %s",  # type: ignore[call-overload]
        [entry.position],
    )
    return Damage(f"link {entry.position}: {change}", entry.position)


async def delete_links(connection: Connection, dice: random.Random) -> Damage:
    """Some links in the middle."""
    chain = await entries(connection)
    first = dice.randrange(len(chain) - 1)
    last = min(len(chain) - 2, first + dice.randrange(5))
    await connection.execute(
        "DELETE FROM audit_chain WHERE position BETWEEN %s AND %s", [chain[first].position, chain[last].position]
    )
    return Damage(f"links {first + 1}..{last + 1} deleted", chain[first].position)


async def truncate(connection: Connection, dice: random.Random) -> Damage:
    """The end of the chain, and half the time the rows that it stood for, the progress and the heads as well."""
    chain = await entries(connection)
    keep = dice.randrange(len(chain) - 1)
    gone = chain[keep:]
    await connection.execute("DELETE FROM audit_chain WHERE position >= %s", [gone[0].position])
    if dice.random() < 0.5:
        for entry in gone:
            if entry.source != "receipt":
                table, where = _TABLES[entry.source]
                await connection.execute(f"DELETE FROM {table} WHERE {where}", [entry.key])  # type: ignore[call-overload]
        await connection.execute("DELETE FROM audit_heads WHERE position >= %s", [gone[0].position])
    return Damage(f"truncated at {gone[0].position}", gone[0].position)


async def rebuild(connection: Connection, chain: list[Entry]) -> None:
    """A chain that is sound in itself, over the rows as they are now."""
    items = await read_items(connection, [(entry.source, entry.key) for entry in chain])
    await connection.execute("DELETE FROM audit_chain")
    before = GENESIS
    for position, entry in enumerate(chain, 1):
        item = items.get((entry.source, entry.key))
        made = replace(entry, position=position, hash=b"")
        if item is not None:
            made = replace(made, at=item.at, municipality=item.municipality, digest=item.digest)
        before = link(before, made)
        await connection.execute(
            "INSERT INTO audit_chain (position, municipality_id, source, key, at, chained_at, digest, hash) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [made.position, made.municipality, made.source, made.key, made.at, made.chained_at, made.digest, before],
        )


async def forge(connection: Connection, dice: random.Random) -> Damage:
    """A row is edited, deleted, or made up, and the whole chain is built anew to fit; the heads inside go or stay."""
    chain = await entries(connection)
    place = dice.randrange(len(chain))
    entry = chain[place]
    how = dice.choice(("edit", "delete", "insert", "swap"))
    if how == "edit" and entry.source == "receipt":
        how = "delete"
    if how == "edit":
        await _edit(connection, dice, entry)
    elif how == "delete":
        if entry.source != "receipt":
            table, where = _TABLES[entry.source]
            await connection.execute(f"DELETE FROM {table} WHERE {where}", [entry.key])  # type: ignore[call-overload]
        del chain[place]
    elif how == "insert":
        chain.insert(place, await _made_up(connection, entry))
    else:
        other = (place + 1) % len(chain)
        place = min(place, other)
        first, second = sorted((place, max(place, other)))
        chain[first], chain[second] = chain[second], chain[first]
    await rebuild(connection, chain)
    if dice.random() < 0.5:
        await connection.execute("DELETE FROM audit_heads")
    return Damage(f"forged: {how} at {place + 1}", place + 1)


async def _made_up(connection: Connection, beside: Entry) -> Entry:
    rows = await fetch_all(
        connection,
        "INSERT INTO audit_records (municipality_id, at, actor, action, subject, detail) "
        "VALUES (1, %s, 'person:1', 'unit.assigned', 'unit:00000001', '{}') RETURNING record_id",
        [beside.at + timedelta(seconds=1)],
    )
    return replace(beside, source="audit", key=str(rows[0]["record_id"]))


async def insert_row(connection: Connection, dice: random.Random) -> Damage:
    """A row past the server: nothing queues it, nothing chains it."""
    entry = dice.choice(await entries(connection))
    if dice.random() < 0.5:
        made = await _made_up(connection, entry)
        return Damage(f"audit {made.key} made up", None, ("audit", made.key))
    rows = await fetch_all(
        connection,
        "INSERT INTO case_log (position, municipality_id, case_id, at, change, actor, detail) OVERRIDING SYSTEM VALUE "
        "SELECT -1, municipality_id, case_id, %s, 'taken', 'operator 7', '{}' FROM cases ORDER BY case_id LIMIT 1 "
        "RETURNING position::text AS key",
        [entry.at],
    )
    return Damage("case log made up", None, ("case_log", rows[0]["key"]))


async def forge_heads(connection: Connection, dice: random.Random) -> Damage:
    """A head is changed, taken away, or made up; or a pruning is, to hide a deletion."""
    heads = await fetch_all(connection, "SELECT position FROM audit_heads")
    position = dice.choice(heads)["position"]
    how = dice.choice(("change", "delete", "move", "prune"))
    if how == "change":
        await connection.execute("UPDATE audit_heads SET hash = sha256(hash) WHERE position = %s", [position])
    elif how == "delete":
        await connection.execute("DELETE FROM audit_heads WHERE position = %s", [position])
    elif how == "move":
        await connection.execute("UPDATE audit_heads SET position = position + 100000 WHERE position = %s", [position])
        return Damage(f"head {position} moved", None)
    else:
        await connection.execute(
            "INSERT INTO audit_prunings (source, position, hash, at, key_id, signature) "
            "SELECT 'audit', position, hash, at, key_id, signature FROM audit_heads WHERE position = %s",
            [position],
        )
        await connection.execute("DELETE FROM audit_records")
    return Damage(f"head {position}: {how}", position)


async def restore(connection: Connection, dice: random.Random) -> Damage:
    """The whole database as it was at an earlier moment."""
    chain = await entries(connection)
    keep = dice.randrange(1, len(chain) - 1)
    for entry in chain[keep:]:
        if entry.source in ("audit", "case_log", "unit_event"):
            table, where = _TABLES[entry.source]
            await connection.execute(f"DELETE FROM {table} WHERE {where}", [entry.key])  # type: ignore[call-overload]
    await connection.execute("DELETE FROM audit_chain WHERE position > %s", [keep])
    await connection.execute("DELETE FROM audit_heads WHERE position > %s", [keep])
    return Damage(f"as it was at {keep}", keep + 1)


ATTACKS: tuple[Attack, ...] = (
    edit_row, delete_row, edit_link, delete_links, truncate, forge, insert_row, forge_heads, restore,
)  # fmt: skip


def describe(damage: Damage, document: dict[str, Any]) -> str:
    """For the message of a test that fails."""
    return f"{damage.what}: {json.dumps(document['findings'][:5])}"
