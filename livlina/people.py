"""What ``livlina people`` does: people, roles, links, tokens, alarm centres and services, in one transaction each.

Whoever may run these commands on the server administers the installation: the audit says ``console:local``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fleet.evidence.audit import record
from fleet.people import store
from fleet.people.decide import held_roles, responsible
from fleet.people.model import INSTALLATION, Actor, Grant
from fleet.people.store import PeopleError, Place
from fleet.routines.decide import check_zone
from fleet.routines.model import Window
from fleet.settings import Settings
from fleet.store.pool import Connection, fetch_all
from livlina.registry_connection import in_registry, plain_name

_EVERYTHING = frozenset({"administrator"})
LOCAL = Actor("console:local", _EVERYTHING, (INSTALLATION,), held=((INSTALLATION, _EVERYTHING),))
"""Who runs a command on the server."""


def link_to(settings: Settings, secret: str) -> str:
    """Where the link leads. The host is what the pages listen on; behind a proxy it is the proxy's name."""
    host = settings.http_listen
    if host in ("0.0.0.0", "::", "127.0.0.1", "::1"):  # noqa: S104 (compared, not listened on)
        host = "localhost"
    return f"http://{host}:{settings.http_port}/welcome?link={secret}"


def first_administrator(settings: Settings, login: str, at: datetime) -> dict[str, Any]:
    """The installation's first administrator and a one-time link. Raises PeopleError where one can sign in already."""

    async def work(connection: Connection) -> tuple[str, datetime]:
        await fetch_all(connection, store.SQL["lock_roles"])
        if await fetch_all(connection, store.SQL["administrators"]):
            raise PeopleError(
                "exists", "there is an administrator already: `livlina people list`, `livlina people invite LOGIN`"
            )
        found = await fetch_all(connection, store.SQL["person_of_login"], {"login": store.check_login(login)})
        if found:
            person = int(found[0]["person_id"])
        else:
            person = await store.add_person(
                connection, LOCAL, login=login, display_name="", language="sv", municipality=INSTALLATION, at=at
            )
        await store.grant(connection, LOCAL, person, "administrator", Place(), at)
        return await store.make_link(connection, LOCAL, person, at), at + store.LINK_LIFE

    secret, until = in_registry(settings, work)
    return {"login": store.check_login(login), "link": link_to(settings, secret), "until": until.isoformat()}


def add(settings: Settings, login: str, name: str, municipality: int, at: datetime) -> dict[str, Any]:
    """A person without roles, invited by a municipality (0: the installation)."""

    async def work(connection: Connection) -> int:
        await _known(connection, municipality)
        return await store.add_person(
            connection, LOCAL, login=login, display_name=name, language="sv", municipality=municipality, at=at
        )

    return {"person": in_registry(settings, work), "login": store.check_login(login)}


def invite(settings: Settings, login: str, at: datetime) -> dict[str, Any]:
    """A one-time link for somebody who is there. It is shown once."""

    async def work(connection: Connection) -> str:
        return await store.make_link(connection, LOCAL, await _person(connection, login), at)

    secret = in_registry(settings, work)
    return {"login": login, "link": link_to(settings, secret), "until": (at + store.LINK_LIFE).isoformat()}


def grant(
    settings: Settings, login: str, role: str, municipality: int | None, centre: str | None, at: datetime
) -> None:
    """Gives a role in a municipality, or at an alarm centre."""

    async def work(connection: Connection) -> None:
        place = await _place(connection, municipality, centre)
        await store.grant(connection, LOCAL, await _person(connection, login), role, place, at)

    in_registry(settings, work)


def revoke(
    settings: Settings, login: str, role: str, municipality: int | None, centre: str | None, at: datetime
) -> None:
    """Takes a role away. Raises LookupError for one that is not held, PeopleError for the last administrator."""

    async def work(connection: Connection) -> None:
        place = await _place(connection, municipality, centre)
        person = await _person(connection, login)
        for row in (await store.people(connection, person=person))[0]["roles"]:
            if (row["role"], row["municipality"], row["centre"]) == (role, place.municipality, place.centre):
                await store.revoke(connection, LOCAL, row["id"], at)
                return
        raise LookupError(f"{login} does not hold the role {role} there: see `livlina people list`")

    in_registry(settings, work)


def listed(settings: Settings, find: str) -> list[dict[str, Any]]:
    """Everybody with their roles, by sign-in name."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        return await store.people(connection, find=find)

    return [
        {
            "person": row["person_id"], "login": row["login"], "name": row["display_name"],
            "closed": row["closed_at"] is not None,
            "roles": [
                {"role": held["role"], "municipality": None if held["centre"] else held["municipality"],
                 "alarm_centre": held["centre"], "place": held["place"]}
                for held in row["roles"]
            ],
        }
        for row in in_registry(settings, work)
    ]  # fmt: skip


def add_token(
    settings: Settings, name: str, role: str, municipalities: Sequence[int], days: int, at: datetime
) -> dict[str, Any]:
    """A new API token, shown once."""

    async def work(connection: Connection) -> tuple[int, str]:
        for municipality in municipalities:
            await _known(connection, municipality)
        return await store.make_token(
            connection, LOCAL, name=name, role=role, municipalities=municipalities, life=timedelta(days=days), at=at
        )

    number, token = in_registry(settings, work)
    return {"token_id": number, "token": token, "until": (at + timedelta(days=days)).isoformat()}


def tokens(settings: Settings) -> list[dict[str, Any]]:
    """All tokens, never what they are."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        return await store.tokens(connection)

    return [
        {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
        for row in in_registry(settings, work)
    ]


def revoke_token(settings: Settings, token: int, at: datetime) -> None:
    """Ends a token. Raises LookupError."""

    async def work(connection: Connection) -> None:
        await store.revoke_token(connection, LOCAL, token, at)

    in_registry(settings, work)


def add_centre(settings: Settings, name: str, door: str | None) -> dict[str, Any]:
    """An alarm centre with people at consoles; ``door`` names the `livlina centre` that its alarms are sent to."""

    async def work(connection: Connection) -> int:
        number = await store.add_alarm_centre(
            connection, plain_name(name), actor=LOCAL.name, at=now(), door=door is not None
        )
        if door is not None:
            values = {"alarm_centre_id": number, "door": door}
            if not await fetch_all(connection, store.SQL["open_door"], values):
                raise LookupError(f"there is no centre {door!a} that alarms are sent to: see `livlina centre list`")
        return number

    return {"alarm_centre": in_registry(settings, work), "name": name}


def choose_service(
    settings: Settings, municipality: int, service: str, centre: str, hours: str, window: Window, valid_from: datetime,
    at: datetime,
) -> None:  # fmt: skip
    """A municipality has this service of this alarm centre from then on."""

    async def work(connection: Connection) -> None:
        await _known(connection, municipality)
        await store.choose_service(
            connection, municipality=municipality, service=service, centre=centre, hours=hours, window=window,
            valid_from=valid_from, actor=LOCAL.name, at=at,
        )  # fmt: skip

    in_registry(settings, work)


def add_district(settings: Settings, municipality: int, name: str) -> None:
    """A part of a municipality, by which recipients are grouped. Adding it twice changes nothing."""

    async def work(connection: Connection) -> None:
        await _known(connection, municipality)
        await store.add_district(connection, municipality, plain_name(name), actor=LOCAL.name, at=now())

    in_registry(settings, work)


def set_zone(settings: Settings, municipality: int, zone: str, at: datetime) -> None:
    """By which clocks a municipality's hours are meant. Raises ValueError for a zone that does not exist."""
    check_zone(zone)

    async def work(connection: Connection) -> None:
        await _known(connection, municipality)
        await connection.execute(store.SQL["set_zone"], {"municipality_id": municipality, "zone": zone})
        await record(
            connection, actor=LOCAL.name, action="municipality.zone_set", municipality_id=municipality,
            subject=f"municipality:{municipality}", detail={"zone": zone}, at=at,
        )  # fmt: skip

    in_registry(settings, work)


def who_is_responsible(settings: Settings, municipality: int, service: str, at: datetime) -> dict[str, Any]:
    """The alarm centres that give a municipality a service at a moment, and who may see its alarms."""

    async def work(connection: Connection) -> dict[str, Any]:
        await _known(connection, municipality)
        plan = await store.read_plan(connection, [Grant("operator", None, 0), Grant("operator", INSTALLATION)])
        centres = responsible(municipality, service, plan, at=at)
        names = {row["alarm_centre_id"]: row["name"] for row in await store.alarm_centres(connection)}
        seeing = []
        for row in await store.people(connection):
            grants = [store.grant_of(held["role"], held["municipality"], held["centre"]) for held in row["roles"]]
            roles = dict(held_roles(grants, plan, at)).get(municipality, frozenset())
            if roles & {"operator", "shift_lead"} and row["closed_at"] is None:
                seeing.append(row["login"])
        return {"centres": sorted(names[number] for number in centres), "consoles": seeing}

    return {"municipality": municipality, "service": service, "at": at.isoformat(), **in_registry(settings, work)}


async def _person(connection: Connection, login: str) -> int:
    found = await fetch_all(connection, store.SQL["person_of_login"], {"login": store.check_login(login)})
    if not found:
        raise LookupError(f"there is nobody called {store.check_login(login)}: see `livlina people list`")
    return int(found[0]["person_id"])


async def _place(connection: Connection, municipality: int | None, centre: str | None) -> Place:
    if (municipality is None) == (centre is None):
        raise ValueError("name one place: --municipality NUMBER (0 is the whole installation) or --centre NAME")
    if centre is not None:
        found = await fetch_all(connection, store.SQL["alarm_centre_of_name"], {"name": centre})
        if not found:
            raise LookupError(f"there is no alarm centre {centre!a}: add it with `livlina people centre`")
        return Place(INSTALLATION, int(found[0]["alarm_centre_id"]))
    assert municipality is not None
    await _known(connection, municipality)
    return Place(municipality)


async def _known(connection: Connection, municipality: int) -> None:
    rows = await store.places(connection)
    if municipality not in {row["municipality_id"] for row in rows}:
        raise LookupError(f"municipality {municipality} is unknown: add it with `livlina municipality add`")


def now() -> datetime:
    """The time of a command."""
    return datetime.now(UTC)
