"""Units, keys, certificates, municipalities, centres and log-ins in PostgreSQL. Functions take a connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from argon2 import PasswordHasher

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
) -> None:
    """Registers a unit with its first key and certificate. Raises psycopg.errors.UniqueViolation for a known number."""
    common = {"unit_id": unit, "municipality_id": municipality}
    await connection.execute(SQL["add_unit"], {**common, "unit_type": unit_type})
    sealed = box.seal(secret, unit, generation)
    await connection.execute(SQL["add_key"], {**common, "generation": generation, "secret": sealed})
    await connection.execute(SQL["add_certificate"], {**common, "fingerprint": fingerprint, "serial": serial})
    await connection.execute(SQL["announce_unit"], {"unit": f"{unit:08x}"})


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


async def add_centre(connection: Connection, *, name: str, protocol: str, host: str, port: int) -> int:
    """Adds or changes an alarm centre of the installation; returns its number."""
    values = {"municipality_id": 0, "name": name, "protocol": protocol, "host": host, "port": port}
    return int((await fetch_all(connection, SQL["add_centre"], values))[0]["centre_id"])


async def route_to(connection: Connection, municipality: int, centre: int) -> None:
    """Sends a municipality's alarms to this centre from now on. Presses that are already queued keep theirs."""
    await connection.execute(SQL["route_to"], {"municipality_id": municipality, "centre_id": centre})


async def add_operator(connection: Connection, login: str, password: str, municipalities: Sequence[int]) -> None:
    """Adds an operator's log-in, or gives it a new password and new municipalities. Only a hash is kept."""
    if not login.isascii() or not login.isprintable() or not login or login != login.lower() or " " in login:
        raise ValueError(f"{login!r} is no log-in name: use lower-case letters, digits, '.', '-' or '_'")
    if len(password) < 12:
        raise ValueError("a password has at least 12 characters")
    values = {"login": login, "password_hash": PASSWORDS.hash(password), "municipalities": list(municipalities)}
    await connection.execute(SQL["add_user"], values)
    await connection.execute(SQL["end_sessions"], {"login": login})
