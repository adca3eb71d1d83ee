"""Units, keys, certificates, municipalities, centres and log-ins in PostgreSQL. Functions take a connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from argon2 import PasswordHasher
from psycopg.types.json import Jsonb

from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.registry")

# OWASP's second profile: 46 MiB, one pass (44 ms here); log-ins are rate limited besides.
PASSWORDS = PasswordHasher(time_cost=1, memory_cost=47104, parallelism=1)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key generation of a unit as stored; ``secret`` is still sealed."""

    unit: int
    municipality: int
    unit_type: str
    state: str
    generation: int
    secret: bytes
    counter_high: int


async def add_municipality(connection: Connection, municipality: int, name: str) -> None:
    """Adds a municipality or renames it. 0 is the installation itself and cannot be used."""
    if municipality <= 0:
        raise ValueError("a municipality's number is greater than 0")
    await connection.execute(SQL["add_municipality"], {"municipality_id": municipality, "name": name})


async def let_positions_go(connection: Connection, municipality: int, allowed: bool) -> None:
    """Whether alarm centres are told where its units are. Raises LookupError for one that is not known."""
    values = {"municipality_id": municipality, "allowed": allowed}
    if not await fetch_all(connection, SQL["let_positions_go"], values):
        raise LookupError(f"there is no municipality {municipality}: livlina municipality add makes one")


async def known_municipalities(connection: Connection) -> set[int]:
    """The numbers of all municipalities, the installation itself left out."""
    return {row["municipality_id"] for row in await fetch_all(connection, SQL["known_municipalities"])}


async def known_units(connection: Connection) -> set[int]:
    """The numbers of all registered units."""
    return {row["unit_id"] for row in await fetch_all(connection, SQL["known_units"])}


async def free_unit_number(connection: Connection) -> int:
    """The lowest number above all present units."""
    return int((await fetch_all(connection, SQL["free_unit_number"]))[0]["unit_id"])


async def add_unit(
    connection: Connection,
    box: SecretBox,
    *,
    unit: int,
    municipality: int,
    unit_type: str,
    generation: int,
    secret: bytes,
    fingerprint: bytes,
    serial: str,
    station: str | None = None,
    order: str | None = None,
) -> None:
    """Registers a unit with its first key and certificate; `station` has signed that, None for the root; `order` is the
    workshop's.

    Raises psycopg.errors.UniqueViolation for a known number."""
    common = {"unit_id": unit, "municipality_id": municipality}
    await connection.execute(SQL["add_unit"], {**common, "unit_type": unit_type, "order_number": order})
    sealed = box.seal(secret, unit, generation)
    await connection.execute(SQL["add_key"], {**common, "generation": generation, "secret": sealed})
    signed = {"fingerprint": fingerprint, "serial": serial, "station": station}
    await connection.execute(SQL["add_certificate"], {**common, **signed})
    await connection.execute(SQL["announce_unit"], {"unit": f"{unit:08x}"})


async def take_order(connection: Connection, order: str) -> int:
    """How many units of an order there are, those not counted that were retired. Nobody else counts or adds one of it
    until this transaction ends."""
    await connection.execute(SQL["take_order"], {"order_number": order})
    (row,) = await fetch_all(connection, SQL["units_of_order"], {"order_number": order})
    return int(row["units"])


@dataclass(frozen=True)
class MadeUnit:
    """What a workshop's ledger says of a unit: `fingerprint` of its certificate and `order`; None: nothing."""

    unit: int
    fingerprint: bytes | None
    order: str | None


async def tell_makers(connection: Connection, station: str, made: Sequence[MadeUnit]) -> tuple[list[int], list[int]]:
    """Fills in who made these units and for which order, where nothing is known; what is known stays. Which units got a
    station, and which an order."""
    units = [one.unit for one in made]
    told = {"station": station, "unit_ids": units, "fingerprints": [one.fingerprint for one in made]}
    stations = await fetch_all(connection, SQL["tell_station"], told)
    ordered = {"unit_ids": units, "orders": [one.order for one in made]}
    orders = await fetch_all(connection, SQL["tell_order"], ordered)
    return sorted({int(row["unit_id"]) for row in stations}), sorted(int(row["unit_id"]) for row in orders)


async def units_of_station(connection: Connection, station: str) -> list[int]:
    """The units with a certificate of this station's that still counts."""
    return [int(row["unit_id"]) for row in await fetch_all(connection, SQL["units_of_station"], {"station": station})]


async def keys_of_units(connection: Connection, units: Iterable[int]) -> list[KeyRow]:
    """All key generations of these units, in one query. Unknown units have no row."""
    rows = await fetch_all(connection, SQL["keys_of_units"], {"units": list(units)})
    return [
        KeyRow(
            unit=row["unit_id"],
            municipality=row["municipality_id"],
            unit_type=row["unit_type"],
            state=row["state"],
            generation=row["generation"],
            secret=bytes(row["secret"]),
            counter_high=row["counter_high"],
        )
        for row in rows
    ]


async def unit_of_certificate(connection: Connection, fingerprint: bytes) -> tuple[int, int] | None:
    """(unit, municipality) of a certificate that is registered, not revoked and of an active unit; else None."""
    rows = await fetch_all(connection, SQL["certificate"], {"fingerprint": fingerprint})
    if not rows or rows[0]["revoked_at"] is not None or rows[0]["state"] != "active":
        return None
    return rows[0]["unit_id"], rows[0]["municipality_id"]


async def add_centre(
    connection: Connection,
    *,
    name: str,
    protocol: str,
    host: str,
    port: int,
    options: Mapping[str, Any] | None = None,
    reports_taken: str | None = None,
) -> int:
    """Adds or changes an alarm centre of the installation; returns its number. None leaves what a known centre has."""
    values = {
        "municipality_id": 0, "name": name, "protocol": protocol, "host": host, "port": port,
        "options": None if options is None else Jsonb(dict(options)), "reports_taken": reports_taken,
    }  # fmt: skip
    return int((await fetch_all(connection, SQL["add_centre"], values))[0]["centre_id"])


async def centre_by_name(connection: Connection, name: str) -> dict[str, Any] | None:
    """A centre's row, locked for the transaction; None where there is none."""
    rows = await fetch_all(connection, SQL["centre_by_name"], {"name": name})
    return rows[0] if rows else None


async def list_centres(connection: Connection, at: datetime) -> list[dict[str, Any]]:
    """All centres with their state, what they are owed and which routes lead to them at ``at``, without secrets."""
    return [dict(row) for row in await fetch_all(connection, SQL["list_centres"], {"at": at})]


async def remove_centre(connection: Connection, name: str, at: datetime) -> None:
    """Ends a centre. Its row stays under another name, for what is written of it.

    Raises LookupError where there is none, ValueError while a route leads to it, now or later, while a routine names
    it, or while it is still owed an alarm.
    """
    row = await centre_by_name(connection, name)
    if row is None:
        raise LookupError(f"there is no centre {name[:64]!a}: `livlina centre list` shows them")
    place = {"centre_id": row["centre_id"], "at": at}
    uses = (await fetch_all(connection, SQL["uses_of_centre"], place))[0]
    if uses["routes"]:
        raise ValueError(f"the alarms of municipality {uses['routes'][0]} go to {name}: send them elsewhere first")
    if uses["recipients"]:
        raise ValueError(f"the recipient {uses['recipients'][0]!a} of a routine is {name}: change the routine first")
    if uses["owed"]:
        raise ValueError(f"{name} is still owed {uses['owed']} presses: wait until they are delivered")
    for statement in ("forget_health", "forget_secrets", "remove_centre"):
        await connection.execute(SQL[statement], place)


async def route_to(connection: Connection, municipality: int, centre: int, rank: int = 1) -> None:
    """Sends a municipality's alarms to this centre from now on. Presses that are already queued keep theirs."""
    values = {"municipality_id": municipality, "centre_id": centre, "rank": rank}
    await connection.execute(SQL["route_to"], values)


async def route_type_to(
    connection: Connection, municipality: int, unit_type: str, centre: int, rank: int, at: datetime
) -> None:
    """The same for one type of unit, or ``any``, as a dated version that begins at ``at``."""
    values = {
        "municipality_id": municipality, "unit_type": unit_type, "centre_id": centre, "rank": rank, "at": at,
    }  # fmt: skip
    await connection.execute(SQL["route_type_to"], values)


async def routed_types(connection: Connection, municipality: int, rank: int, at: datetime) -> dict[str, int]:
    """The centres of a municipality's dated routes at ``at``, by type of unit: they go before `route_to`'s."""
    values = {"municipality_id": municipality, "rank": rank, "at": at}
    return {row["unit_type"]: row["centre_id"] for row in await fetch_all(connection, SQL["routed_types"], values)}


async def add_operator(connection: Connection, login: str, password: str, municipalities: Sequence[int]) -> None:
    """Adds an operator's log-in, or gives it a new password and new municipalities. Only a hash is kept."""
    if not login.isascii() or not login.isprintable() or not login or login != login.lower() or " " in login:
        raise ValueError(f"{login!r} is no log-in name: use lower-case letters, digits, '.', '-' or '_'")
    if len(password) < 12:
        raise ValueError("a password has at least 12 characters")
    values = {"login": login, "password_hash": PASSWORDS.hash(password), "municipalities": list(municipalities)}
    await connection.execute(SQL["add_user"], values)
    await connection.execute(SQL["end_sessions"], {"login": login})
