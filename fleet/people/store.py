"""People, roles, links and tokens in PostgreSQL. Every change and its audit record commit together.

What a caller may change is decided twice: by `may_grant` with what the caller holds at this moment, and by row level
security where the connection acts as ``livlina_web``.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from fleet.evidence.audit import record
from fleet.people.decide import held_roles, may_grant, may_let_in, raises_himself
from fleet.people.model import INSTALLATION, ROLES, SERVICES, Actor, Grant, Plan, Served
from fleet.routines.decide import check_words
from fleet.routines.model import Window
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.people")

LINK_LIFE = timedelta(days=3)
LONGEST_TOKEN_LIFE = timedelta(days=400)
TOKEN_MARK = "livlina_"  # noqa: S105 (what every token begins with)
_TOKEN_BYTES = 32
_PREFIX = 6
_LOGIN = re.compile(r"[a-z0-9._-]{1,64}")


class PeopleError(ValueError):
    """A change of people or tokens that is not made; ``reason`` is a word for it, the message a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Place:
    """Where a role is held: a municipality (0: the installation), or an alarm centre."""

    municipality: int = INSTALLATION
    centre: int | None = None

    @property
    def administered_from(self) -> int | None:
        """The municipality whose administrators decide here; None is the installation's only."""
        return None if self.centre is not None else self.municipality


def secret_hash(secret: str) -> bytes:
    """What is kept of a link, a token or a cookie: they are random, so a plain SHA-256 does."""
    return hashlib.sha256(secret.encode()).digest()


async def read_plan(connection: Connection, grants: Iterable[Grant]) -> Plan:
    """What is needed to know which municipalities these grants reach; reads no more than that."""
    wanted = list(grants)
    whole = any(grant.municipality == INSTALLATION and grant.centre is None for grant in wanted)
    centres = any(grant.centre is not None for grant in wanted)
    towns = [row["municipality_id"] for row in await fetch_all(connection, SQL["municipalities"])] if whole else []
    if not centres:
        return Plan(tuple(towns))
    served = tuple(_served(row) for row in await fetch_all(connection, SQL["services"]))
    office = tuple(
        (row["municipality_id"], row["valid_from"], Window(row["starts_minute"], row["ends_minute"]))
        for row in await fetch_all(connection, SQL["office_hours"])
    )
    opened = tuple((row["municipality_id"], row["opened_at"]) for row in await fetch_all(connection, SQL["open_cases"]))
    return Plan(tuple(towns), served, office, opened)


def _served(row: dict[str, Any]) -> Served:
    window = Window(row["starts_minute"], row["ends_minute"])
    return Served(
        row["municipality_id"], row["service"], row["alarm_centre_id"], row["hours"], window, row["zone"],
        row["valid_from"],
    )  # fmt: skip


def grant_of(role: str, municipality: int, centre: int | None) -> Grant:
    """A grant out of a row: a row of a centre carries municipality 0, which means nothing then."""
    return Grant(role, None if centre is not None else municipality, centre)


async def grants_of(connection: Connection, person: int) -> tuple[Grant, ...]:
    """Everything that a person holds. The connection must act as livlina_login or livlina_registry."""
    rows = await fetch_all(connection, SQL["grants"], {"person_id": person})
    return tuple(grant_of(row["role"], row["municipality_id"], row["alarm_centre_id"]) for row in rows)


async def people(
    connection: Connection, *, person: int | None = None, find: str = "", after: str = "", most: int = 500
) -> list[dict[str, Any]]:
    """Those whom the connection sees, by login name, each with the roles that it sees."""
    escaped = find.strip().lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    values = {"person_id": person, "find": find, "after": after, "pattern": f"%{escaped}%", "most": most}
    return await fetch_all(connection, SQL["people"], values)


async def places(connection: Connection) -> list[dict[str, Any]]:
    """Municipalities that the connection sees; the installation first."""
    return await fetch_all(connection, SQL["places"])


async def alarm_centres(connection: Connection) -> list[dict[str, Any]]:
    """Alarm centres that the connection sees."""
    return await fetch_all(connection, SQL["alarm_centres"])


def check_login(login: str) -> str:
    """The name as it is kept. Raises PeopleError for what is none."""
    name = login.strip().lower()
    if _LOGIN.fullmatch(name) is None:
        raise PeopleError("login", "that is no sign-in name: use 1 to 64 letters a-z, digits, '.', '-' or '_'")
    return name


async def add_person(
    connection: Connection, giver: Actor, *, login: str, display_name: str, language: str, municipality: int,
    at: datetime,
) -> int:  # fmt: skip
    """A new person without roles, invited by ``municipality``. Raises PeopleError for a name that is taken or unfit,
    LookupError for a municipality that is not there."""
    name, shown = check_login(login), " ".join(display_name.split())
    if len(shown) > 80 or not shown.isprintable():
        raise PeopleError("display_name", "a display name has at most 80 printable characters")
    values = {"municipality_id": municipality, "login": name, "display_name": shown, "language": language}
    await fetch_all(connection, SQL["lock_roles"])
    await _still_administers(connection, giver, municipality)
    async with _place_is_there(connection):
        cursor = await connection.execute(SQL["add_person"], values)
    if cursor.rowcount != 1:
        raise PeopleError("taken", f"the sign-in name {name} is taken: choose another one")
    found = await fetch_all(connection, SQL["person_of_login"], {"login": name})
    person = int(found[0]["person_id"])
    await record(
        connection, actor=giver.name, action="person.added", municipality_id=municipality, subject=f"person:{person}",
        detail={}, at=at,
    )  # fmt: skip
    return person


async def grant(connection: Connection, giver: Actor, person: int, role: str, place: Place, at: datetime) -> None:
    """Gives a role. Raises PeopleError: an unknown role, one's own roles, a place the giver does not administer; and
    LookupError for a place that is not there."""
    if role not in ROLES:
        raise PeopleError("role", f"there is no role {role!a}: one of {', '.join(ROLES)}")
    await _check(connection, giver, person, role, place)
    values = {"person_id": person, "municipality_id": place.municipality, "alarm_centre_id": place.centre,
              "role": role, "at": at, "by": giver.name}  # fmt: skip
    async with _place_is_there(connection):
        cursor = await connection.execute(SQL["grant"], values)
    if cursor.rowcount:
        await _record_role(connection, giver, "person.role_granted", person, role, place, at)


async def revoke(connection: Connection, giver: Actor, person_role: int, at: datetime) -> int:
    """Takes a role away; returns whose it was. Raises LookupError where there is none, PeopleError as `grant`, and for
    the last administrator of a place."""
    await fetch_all(connection, SQL["lock_roles"])
    rows = await fetch_all(connection, SQL["role_row"], {"person_role_id": person_role})
    if not rows:
        raise LookupError("there is no such role that you may see")
    row = rows[0]
    person, role = int(row["user_id"]), str(row["role"])
    place = Place(row["municipality_id"], row["alarm_centre_id"])
    await _check(connection, giver, person, role, place)
    if role == "administrator" and place.centre is None:
        values = {"person_role_id": person_role, "person_id": person, "municipality_id": place.municipality}
        left = await fetch_all(connection, SQL["other_administrators"], values)
        if not left[0]["others"]:
            raise PeopleError("last_administrator", "this is the last administrator here: make another one first")
    await connection.execute(SQL["revoke"], {"person_role_id": person_role})
    await _record_role(connection, giver, "person.role_revoked", person, role, place, at)
    return person


@asynccontextmanager
async def _place_is_there(connection: Connection) -> AsyncIterator[None]:
    """For the installation's administrators, who may name any place: one that is not there is a LookupError. By row
    level security a municipality that does not exist is one that is not theirs."""
    try:
        async with connection.transaction():
            yield
    except (psycopg.errors.ForeignKeyViolation, psycopg.errors.InsufficientPrivilege):
        raise LookupError("there is no such municipality or alarm centre") from None


async def _check(connection: Connection, giver: Actor, person: int, role: str, place: Place) -> None:
    if raises_himself(giver, person):
        raise PeopleError("own_roles", "nobody changes their own roles: ask another administrator")
    if not may_grant(giver, role, place.administered_from):
        raise PeopleError("not_administered", "you administer neither this place nor the installation")
    await fetch_all(connection, SQL["lock_roles"])
    await _still_administers(connection, giver, place.municipality)


async def _still_administers(connection: Connection, giver: Actor, municipality: int) -> None:
    """Once more under the lock: two administrators who take each other's role away at once must not both succeed."""
    if giver.person_id is None:
        return
    values = {"person_id": giver.person_id, "municipality_id": municipality}
    if not await fetch_all(connection, SQL["is_administrator"], values):
        raise PeopleError("not_administered", "you administer neither this place nor the installation")


async def _record_role(
    connection: Connection, giver: Actor, action: str, person: int, role: str, place: Place, at: datetime
) -> None:
    await record(
        connection, actor=giver.name, action=action, municipality_id=place.municipality, subject=f"person:{person}",
        detail={"role": role, "alarm_centre": place.centre}, at=at,
    )  # fmt: skip


async def make_link(
    connection: Connection, giver: Actor, person: int, at: datetime, life: timedelta = LINK_LIFE
) -> str:
    """A one-time link's secret; only its hash is kept. The connection must act as livlina_login or livlina_registry.

    Raises PeopleError where the giver does not administer everything that the person holds.
    """
    home = await fetch_all(connection, SQL["home_of"], {"person_id": person})
    if not home:
        raise PeopleError("person", "there is no such person")
    grants = await grants_of(connection, person)
    if raises_himself(giver, person) or not may_let_in(giver, grants, home[0]["municipality_id"]):
        raise PeopleError("not_administered", "this person holds roles that you do not administer")
    secret = secrets.token_urlsafe(_TOKEN_BYTES)
    values = {"link_hash": secret_hash(secret), "person_id": person, "at": at, "by": giver.name,
              "expires_at": at + life}  # fmt: skip
    await connection.execute(SQL["add_link"], values)
    await record(
        connection, actor=giver.name, action="person.link_made", municipality_id=home[0]["municipality_id"],
        subject=f"person:{person}", detail={"expires_at": at + life}, at=at,
    )  # fmt: skip
    return secret


async def make_token(
    connection: Connection, giver: Actor, *, name: str, role: str, municipalities: Sequence[int], life: timedelta,
    at: datetime,
) -> tuple[int, str]:  # fmt: skip
    """(number, token) of a new API token. The token is shown this once, its hash is kept. Raises PeopleError."""
    reach = sorted(set(municipalities))
    shown = " ".join(name.split())
    if role not in ROLES:
        raise PeopleError("role", f"there is no role {role!a}: one of {', '.join(ROLES)}")
    if not 1 <= len(shown) <= 60 or not shown.isprintable():
        raise PeopleError("name", "a token's name has 1 to 60 printable characters")
    if not timedelta(0) < life <= LONGEST_TOKEN_LIFE:
        raise PeopleError("life", f"a token lasts 1 to {LONGEST_TOKEN_LIFE.days} days")
    if not reach or not all(may_grant(giver, role, place) for place in reach):
        raise PeopleError("not_administered", "name municipalities that you administer")
    token = TOKEN_MARK + secrets.token_urlsafe(_TOKEN_BYTES)
    home = INSTALLATION if INSTALLATION in reach else reach[0]
    values = {"municipality_id": home, "token_hash": secret_hash(token), "prefix": token[: len(TOKEN_MARK) + _PREFIX],
              "name": shown, "role": role, "municipalities": reach, "at": at, "by": giver.name,
              "expires_at": at + life}  # fmt: skip
    number = int((await fetch_all(connection, SQL["add_token"], values))[0]["token_id"])
    await record(
        connection, actor=giver.name, action="token.made", municipality_id=home, subject=f"token:{number}",
        detail={"role": role, "municipalities": reach, "expires_at": at + life}, at=at,
    )  # fmt: skip
    return number, token


async def tokens(connection: Connection) -> list[dict[str, Any]]:
    """Tokens that the connection sees, those in force first. Never a hash."""
    return await fetch_all(connection, SQL["tokens"])


async def revoke_token(connection: Connection, giver: Actor, token: int, at: datetime) -> None:
    """Ends a token at once. Raises LookupError for one that is not there, not seen, or revoked already."""
    rows = await fetch_all(connection, SQL["revoke_token"], {"token_id": token, "at": at})
    if not rows:
        raise LookupError("there is no such token in force that you may see")
    await record(
        connection, actor=giver.name, action="token.revoked", municipality_id=rows[0]["municipality_id"],
        subject=f"token:{token}", detail={}, at=at,
    )  # fmt: skip


async def token_actor(connection: Connection, token: str, at: datetime) -> Actor | None:
    """Who comes with this token, or None for one that is unknown, expired or revoked. As livlina_login."""
    if not token.startswith(TOKEN_MARK) or len(token) > 2 * _TOKEN_BYTES + len(TOKEN_MARK) or not token.isascii():
        return None
    rows = await fetch_all(connection, SQL["token"], {"token_hash": secret_hash(token), "at": at})
    if not rows:
        return None
    row = rows[0]
    grants = tuple(Grant(row["role"], place) for place in row["municipalities"])
    held = held_roles(grants, await read_plan(connection, grants), at)
    if row["stale"]:
        await connection.execute(SQL["use_token"], {"token_id": row["token_id"], "at": at})
    return Actor(f"token:{row['token_id']}", frozenset({row["role"]}), tuple(place for place, _ in held), held=held)


async def choose_service(
    connection: Connection, *, municipality: int, service: str, centre: str, hours: str, window: Window,
    valid_from: datetime, actor: str, at: datetime,
) -> None:  # fmt: skip
    """The municipality has this service of this centre at these hours from then on. Raises PeopleError, ValueError."""
    if service not in SERVICES:
        raise PeopleError("service", f"there is no service {service!a}: one of {', '.join(SERVICES)}")
    check_words("any", hours, 0, "UTC", window)
    found = await fetch_all(connection, SQL["alarm_centre_of_name"], {"name": centre})
    if not found:
        raise PeopleError("centre", f"there is no alarm centre {centre!a}: add it with `livlina people centre`")
    values = {"municipality_id": municipality, "service": service, "valid_from": valid_from, "hours": hours,
              "alarm_centre_id": found[0]["alarm_centre_id"], "starts": window.starts, "ends": window.ends}  # fmt: skip
    await connection.execute(SQL["choose_service"], values)
    await record(
        connection, actor=actor, action="municipality.service_chosen", municipality_id=municipality,
        subject=f"municipality:{municipality}", at=at,
        detail={"service": service, "alarm_centre": found[0]["alarm_centre_id"], "hours": hours,
                "starts_minute": window.starts, "ends_minute": window.ends, "valid_from": valid_from},
    )  # fmt: skip


async def add_alarm_centre(connection: Connection, name: str, *, actor: str, at: datetime, door: bool = False) -> int:
    """An alarm centre with people at consoles; adding it twice changes nothing. ``door``: whether the caller opens one
    for it in the same transaction. Returns its number. Raises PeopleError."""
    shown = place_name(name)
    await connection.execute(SQL["add_alarm_centre"], {"name": shown})
    found = await fetch_all(connection, SQL["alarm_centre_of_name"], {"name": shown})
    number = int(found[0]["alarm_centre_id"])
    await record(
        connection, actor=actor, action="alarm_centre.set", municipality_id=INSTALLATION,
        subject=f"alarm_centre:{number}", detail={"door": door}, at=at,
    )  # fmt: skip
    return number


async def add_district(connection: Connection, municipality: int, name: str, *, actor: str, at: datetime) -> int:
    """A part of a municipality, by which recipients are grouped; adding it twice changes nothing. Returns its number.
    Raises PeopleError."""
    values = {"municipality_id": municipality, "name": place_name(name)}
    await connection.execute(SQL["add_district"], values)
    number = int((await fetch_all(connection, SQL["district_of_name"], values))[0]["district_id"])
    await record(
        connection, actor=actor, action="district.set", municipality_id=municipality, subject=f"district:{number}",
        detail={}, at=at,
    )  # fmt: skip
    return number


def place_name(name: str) -> str:
    """A name of a place as it is kept. Raises PeopleError."""
    shown = " ".join(name.split())
    if not 1 <= len(shown) <= 80 or not shown.isprintable():
        raise PeopleError("name", "a name has 1 to 80 printable characters")
    return shown
