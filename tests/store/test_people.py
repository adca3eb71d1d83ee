"""People, roles, links, tokens and services over a real database: what is refused, and what the audit says."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest

from fleet.people import store
from fleet.people.decide import responsible
from fleet.people.model import Actor, Grant
from fleet.people.store import PeopleError, Place
from fleet.routines.decide import in_office, minute_of_week
from fleet.routines.model import Window
from fleet.store.migrate import shipped
from fleet.store.pool import Connection, tenant_transaction
from fleet.web.model import Timings
from fleet.web.sessions import Sessions
from tests.web_server import LOCAL, Scene, acting_pool, postgres, scene

__all__ = ["postgres", "scene"]

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = ("person_roles", "identity_providers", "districts", "services")


def as_person(scene: Scene, actor: Actor, act: Callable[[Connection], Awaitable[object]]) -> object:
    """As a page does it: livlina_web, with the actor's municipalities."""

    async def run() -> object:
        async with acting_pool(scene.town.app_url, "web") as pool, tenant_transaction(pool, actor.municipalities) as c:
            return await act(c)

    return asyncio.run(run())


def administrator(scene: Scene, login: str, *places: int) -> Actor:
    number = scene.town.person(login, *(("administrator", place) for place in places))
    held = tuple((place, frozenset({"administrator"})) for place in places)
    seen = (0, 1, 2) if 0 in places else places
    return Actor(f"person:{number}", frozenset({"administrator"}), seen, person_id=number, held=held)


def role_row(scene: Scene, person: int, role: str) -> int:
    return int(
        scene.sql("SELECT person_role_id FROM person_roles WHERE user_id = %s AND role = %s", person, role)[0][0]
    )


# Whose people -------------------------------------------------------------------------------------------------


def strangers(scene: Scene) -> list[str]:
    """Names of the second municipality's people and places that an administrator of the first can read."""
    mayor = Actor("person:1", frozenset({"administrator"}), (1,))

    async def look(connection: Connection) -> list[str]:
        found = [row["login"] for row in await store.people(connection)]
        found += [row["name"] for row in await store.tokens(connection)]
        for table in TENANT:
            rows = await (await connection.execute(f"SELECT municipality_id FROM {table}")).fetchall()
            found += [f"{table} {row['municipality_id']}" for row in rows]
        return found

    found = as_person(scene, mayor, look)
    assert isinstance(found, list)
    return [name for name in found if name in ("cilla", "door 2") or name.endswith(" 2")]


def furnish(scene: Scene) -> None:
    """A row of every kind for both municipalities."""
    for place in (1, 2):
        scene.sql("INSERT INTO districts (municipality_id, name) VALUES (%s, 'Centrum')", place)
        scene.sql(
            "INSERT INTO identity_providers (municipality_id, name, issuer, client_id, made_at) "
            "VALUES (%s, 'id', 'https://id.example', 'us', now())", place,
        )  # fmt: skip
        scene.sql("INSERT INTO alarm_centres (name) VALUES (%s)", f"centre {place} of the test")
        scene.sql(
            "INSERT INTO services (municipality_id, service, valid_from, alarm_centre_id) "
            "SELECT %s, 'alarm_reception', now(), max(alarm_centre_id) FROM alarm_centres", place,
        )  # fmt: skip
        scene.town.do(
            "registry",
            lambda c, place=place: store.make_token(  # type: ignore[misc]
                c, LOCAL, name=f"door {place}", role="operator", municipalities=[place], life=timedelta(days=1), at=NOW
            ),
        )


def test_an_administrator_sees_nobody_of_another_municipality(scene: Scene) -> None:
    furnish(scene)
    assert strangers(scene) == []


def test_negative_control_without_row_level_security_strangers_are_seen(scene: Scene) -> None:
    furnish(scene)
    for table in (*TENANT, "users", "api_tokens"):
        scene.sql(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    assert {"cilla", "door 2", "person_roles 2", "districts 2", "services 2"} <= set(strangers(scene))


def test_every_new_table_forces_row_level_security_and_views_ask_as_the_reader(scene: Scene) -> None:
    loose = scene.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND NOT (relrowsecurity AND relforcerowsecurity) AND relname <> 'schema_migrations'"
    )
    assert loose == []
    views = scene.sql(
        "SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'"
    )
    assert views
    assert all("security_invoker=true" in (options or []) for _, options in views)


def test_pages_read_no_secret_of_anybody(scene: Scene) -> None:
    furnish(scene)
    everything = Actor("person:1", frozenset(), (0, 1, 2))
    for statement in (
        "SELECT password_hash FROM users", "SELECT handle FROM users", "SELECT token_hash FROM api_tokens",
        "SELECT client_secret FROM identity_providers", "SELECT * FROM passkeys", "SELECT * FROM one_time_links",
        "SELECT * FROM sign_in_tickets", "UPDATE users SET closed_at = now()",
    ):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_person(scene, everything, lambda c, statement=statement: c.execute(statement))  # type: ignore[misc]


# Giving and taking roles --------------------------------------------------------------------------------------


def test_roles_are_given_at_home_only_and_the_database_says_so_too(scene: Scene) -> None:
    mayor = administrator(scene, "mayor", 1)
    bo = int(scene.sql("SELECT user_id FROM users WHERE login = 'bo'")[0][0])
    as_person(scene, mayor, lambda c: store.grant(c, mayor, bo, "shift_lead", Place(1), NOW))
    for place in (Place(2), Place(0), Place(0, 1)):
        with pytest.raises(PeopleError, match="administer"):
            as_person(scene, mayor, lambda c, place=place: store.grant(c, mayor, bo, "auditor", place, NOW))  # type: ignore[misc]
    # Past our own rules the database still refuses.
    row = (
        "INSERT INTO person_roles (user_id, municipality_id, role, granted_at, granted_by) "
        "VALUES (%s, 2, 'auditor', now(), 'x')"
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_person(scene, mayor, lambda c: c.execute(row, [bo]))
    assert scene.sql("SELECT role FROM person_roles WHERE role IN ('shift_lead', 'auditor')") == [("shift_lead",)]


def test_nobody_raises_himself_and_every_change_stands_in_the_audit(scene: Scene) -> None:
    mayor = administrator(scene, "mayor", 1)
    assert mayor.person_id is not None
    with pytest.raises(PeopleError, match="own roles"):
        as_person(scene, mayor, lambda c: store.grant(c, mayor, mayor.person_id or 0, "operator", Place(1), NOW))
    bo = int(scene.sql("SELECT user_id FROM users WHERE login = 'bo'")[0][0])
    as_person(scene, mayor, lambda c: store.grant(c, mayor, bo, "auditor", Place(1), NOW))
    as_person(scene, mayor, lambda c: store.revoke(c, mayor, role_row(scene, bo, "auditor"), NOW))
    told = scene.sql(
        "SELECT actor, action, municipality_id, subject, detail->>'role' FROM audit_records "
        "WHERE actor LIKE 'person:%' ORDER BY record_id"
    )
    who = f"person:{bo}"
    assert told == [
        (mayor.name, "person.role_granted", 1, who, "auditor"), (mayor.name, "person.role_revoked", 1, who, "auditor"),
    ]  # fmt: skip


def test_an_action_without_its_record_does_not_happen(scene: Scene) -> None:
    mayor = administrator(scene, "mayor", 1)
    bo = int(scene.sql("SELECT user_id FROM users WHERE login = 'bo'")[0][0])
    scene.sql("REVOKE INSERT ON audit_records FROM livlina_web")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_person(scene, mayor, lambda c: store.grant(c, mayor, bo, "auditor", Place(1), NOW))
    assert scene.sql("SELECT count(*) FROM person_roles WHERE role = 'auditor'") == [(0,)]


def test_the_last_administrator_stays(scene: Scene) -> None:
    first, second = administrator(scene, "first", 0), administrator(scene, "second", 0)
    second_row = role_row(scene, second.person_id or 0, "administrator")
    as_person(scene, first, lambda c: store.revoke(c, first, second_row, NOW))
    with pytest.raises(PeopleError, match="last administrator"):
        scene.town.do(
            "registry", lambda c: store.revoke(c, LOCAL, role_row(scene, first.person_id or 0, "administrator"), NOW)
        )
    # Whoever has just lost the role gives nobody anything, though their session still said so.
    with pytest.raises(PeopleError, match="administer"):
        as_person(scene, second, lambda c: store.grant(c, second, first.person_id or 0, "auditor", Place(1), NOW))


def test_two_administrators_who_remove_each_other_at_once_leave_one(scene: Scene) -> None:
    both = [administrator(scene, "first", 0), administrator(scene, "second", 0)]
    rows = [role_row(scene, one.person_id or 0, "administrator") for one in both]

    async def remove(giver: Actor, row: int) -> str:
        async with acting_pool(scene.town.app_url, "web") as pool:
            try:
                async with tenant_transaction(pool, giver.municipalities) as connection:
                    await store.revoke(connection, giver, row, NOW)
            except PeopleError as error:
                return error.reason
            except LookupError:
                return "gone"
        return "removed"

    async def at_once() -> list[str]:
        return await asyncio.gather(remove(both[0], rows[1]), remove(both[1], rows[0]))

    said = asyncio.run(at_once())
    assert sorted(said)[-1] == "removed"
    assert said.count("removed") == 1, said
    assert scene.sql("SELECT count(*) FROM person_roles WHERE role = 'administrator'") == [(1,)]


# Tokens -------------------------------------------------------------------------------------------------------


def test_a_token_opens_its_municipality_until_it_is_revoked_or_over(scene: Scene) -> None:
    def make(days: int, at: datetime) -> tuple[int, str]:
        return scene.town.do(
            "registry",
            lambda c: store.make_token(
                c, LOCAL, name="door", role="operator", municipalities=[1], life=timedelta(days=days), at=at
            ),
        )

    now = datetime.now(UTC)
    number, token = make(30, now)
    _, old = make(1, now - timedelta(days=2))
    stored = scene.sql("SELECT token_hash, prefix FROM api_tokens WHERE token_id = %s", number)[0]
    assert bytes(stored[0]) == hashlib.sha256(token.encode()).digest()
    assert token.startswith(stored[1])
    assert len(stored[1]) < 16
    server = scene.server()
    case, other = scene.town.press(1, 1), scene.town.press(3, 2)

    def status(path: str, bearer: str) -> int:
        return scene.client(server).get(path, headers={"Authorization": f"Bearer {bearer}"}).status_code

    assert status("/api/cases", token) == 200
    assert status(f"/api/cases/{case}", token) == 200
    assert status(f"/api/cases/{other}", token) == 404, "another municipality's"
    assert status("/api/cases", old) == status("/api/cases", token[:-1]) == status("/api/cases", "x") == 401
    assert status("/technicians", token) == 200
    assert status("/people", token) == 403
    # A program is no person: it has no account, and a cookie does not help out a bad token.
    assert status("/account", token) == 403
    anna = scene.client(server, "anna")
    assert anna.get("/api/cases", headers={"Authorization": f"Bearer {old}"}).status_code == 401
    taken = scene.client(server).post(f"/api/cases/{case}/take", json={}, headers={"Authorization": f"Bearer {token}"})
    assert taken.json()["taken_by"] == f"token:{number}"
    assert scene.sql("SELECT used_at IS NOT NULL FROM api_tokens WHERE token_id = %s", number) == [(True,)]
    scene.town.do("registry", lambda c: store.revoke_token(c, LOCAL, number, now))
    assert status("/api/cases", token) == 401


@pytest.mark.parametrize(
    ("odd", "reason"),
    [({"role": "emperor"}, "role"), ({"name": " "}, "name"), ({"life": timedelta(days=401)}, "life"),
     ({"life": timedelta(0)}, "life"), ({"municipalities": []}, "not_administered"),
     ({"municipalities": [1, 2]}, "not_administered"), ({"municipalities": [0]}, "not_administered")],
)  # fmt: skip
def test_a_token_reaches_no_further_than_who_makes_it(scene: Scene, odd: dict[str, object], reason: str) -> None:
    mayor = administrator(scene, "mayor", 1)
    wish = {"name": "door", "role": "operator", "municipalities": [1], "life": timedelta(days=1), **odd}
    with pytest.raises(PeopleError) as refused:
        as_person(scene, mayor, lambda c: store.make_token(c, mayor, at=NOW, **wish))  # type: ignore[arg-type]
    assert refused.value.reason == reason


# Centres and services -----------------------------------------------------------------------------------------


def serve(scene: Scene, centre: str, hours: str, window: Window | None = None, valid_from: datetime = LONG_AGO) -> int:
    async def choose(connection: Connection) -> int:
        await connection.execute(store.SQL["add_alarm_centre"], {"name": centre})
        await store.choose_service(
            connection, municipality=1, service="alarm_reception", centre=centre, hours=hours,
            window=window or Window(), valid_from=valid_from, actor="console:local", at=LONG_AGO,
        )  # fmt: skip
        found = await (await connection.execute(store.SQL["alarm_centre_of_name"], {"name": centre})).fetchone()
        assert found is not None
        return int(found["alarm_centre_id"])

    return scene.town.do("registry", choose)


def test_a_centres_operator_sees_a_municipality_while_the_centre_is_responsible(scene: Scene) -> None:
    nord = serve(scene, "Larmcentral Nord", "any")
    number = scene.town.person("nina")
    scene.town.do("registry", lambda c: store.grant(c, LOCAL, number, "operator", Place(0, nord), NOW))
    server = scene.server()
    nina = scene.client(server, "nina")
    case = scene.town.press(1, 1)
    scene.town.press(3, 2)
    assert [one["id"] for one in nina.get("/api/cases").json()["cases"]] == [case]
    # Another centre has it from now on. The case that came before is Nord's to finish; then nothing is.
    scene.sql("UPDATE cases SET opened_at = opened_at - interval '1 hour'")
    serve(scene, "Larmcentral Syd", "any", valid_from=datetime.now(UTC))
    assert nina.post(f"/api/cases/{case}/take", json={}).status_code == 200
    assert nina.post(f"/api/cases/{case}/close", json={"outcome": "helped"}).status_code == 200
    scene.town.press(1, 1)
    scene.sql("UPDATE cases SET opened_at = opened_at + interval '1 hour' WHERE state = 'open'")
    assert nina.get("/api/cases").status_code == 403


def test_the_database_and_the_rules_agree_on_hours_and_who_is_responsible(scene: Scene) -> None:
    """The same questions to the functions of migration 0007 and to decide.py."""
    for day in range(5):
        scene.sql("INSERT INTO office_hours VALUES (1, %s, %s, %s)", LONG_AGO, day * 1440 + 480, day * 1440 + 1020)
    centres = {serve(scene, "A", "office"): "a", serve(scene, "B", "on_call", Window(0, 9000)): "b"}
    doors = {}
    for centre, name in centres.items():
        door = scene.sql(
            "INSERT INTO centres (municipality_id, name, protocol, host, port, alarm_centre_id) "
            "VALUES (0, %s, 'dc09', 'h', 1, %s) RETURNING centre_id", name, centre,
        )  # fmt: skip
        doors[centre] = door[0][0]
    zone = "Europe/Stockholm"
    moments = [LONG_AGO + timedelta(minutes=7919 * n) for n in range(1, 70)]
    changes = datetime(2026, 10, 25, 0, 30, tzinfo=ZoneInfo("UTC"))
    moments += [changes + timedelta(minutes=30 * n) for n in range(6)]

    async def plan(connection: Connection) -> object:
        return await store.read_plan(connection, [Grant("operator", None, 1)])

    known = scene.town.do("login", plan)
    for at in moments:
        said = scene.sql(
            "SELECT livlina_minute_of_week(%s, %s), livlina_in_office(1, %s, %s), livlina_receiving_centre(1, %s)",
            at, zone, at, zone, at,
        )[0]  # fmt: skip
        office = [(1, LONG_AGO, Window(day * 1440 + 480, day * 1440 + 1020)) for day in range(5)]
        assert said[:2] == (minute_of_week(at, zone), in_office(office, 1, at, zone)), at
        ours = responsible(1, "alarm_reception", known, at=at)  # type: ignore[arg-type]
        assert said[2] == (doors[next(iter(ours))] if len(ours) == 1 else None), at


def test_alarms_go_to_the_door_of_the_centre_that_is_responsible(scene: Scene) -> None:
    nord = serve(scene, "Larmcentral Nord", "any")
    for name, centre in (("nord", nord), ("fallback", None), ("cameras", None)):
        scene.sql(
            "INSERT INTO centres (municipality_id, name, protocol, host, port, alarm_centre_id) "
            "VALUES (0, %s, 'dc09', 'h', 1, %s)", name, centre,
        )  # fmt: skip
    number = dict(scene.sql("SELECT name, centre_id FROM centres"))
    scene.sql("INSERT INTO routes (municipality_id, rank, centre_id) VALUES (1, 1, %s), (2, 1, %s)",
              number["fallback"], number["fallback"])  # fmt: skip
    scene.sql("INSERT INTO type_routes VALUES (1, 'camera', 1, %s, %s)", LONG_AGO, number["cameras"])
    route = "SELECT livlina_route(%s, %s, 1, now())"
    assert scene.sql(route, 1, "social") == [(number["nord"],)]
    assert scene.sql(route, 1, "camera") == [(number["cameras"],)]
    assert scene.sql(route, 2, "social") == [(number["fallback"],)]
    # The statement of the alarm path says the same as the function, press by press.
    scene.town.unit(5, 1, "camera")
    scene.town.presses([(1, 1, {}), (5, 1, {"unit_type": "camera"}), (3, 2, {})])
    owed = scene.sql("SELECT unit_id, centre_id FROM outbox ORDER BY unit_id")
    assert owed == [(1, number["nord"]), (3, number["fallback"]), (5, number["cameras"])]
    scene.sql("DELETE FROM services")
    scene.town.press(2, 1)
    assert scene.sql("SELECT centre_id FROM outbox WHERE unit_id = 2") == [(number["fallback"],)]
    assert scene.sql(route, 1, "social") == [(number["fallback"],)]


# The release before -------------------------------------------------------------------------------------------


def test_operators_of_the_release_before_keep_what_they_could_do(scene: Scene) -> None:
    """The statements of that release: it adds operators and moves them, and knows nothing of roles."""
    old = (
        "INSERT INTO users (municipality_id, login, password_hash, role, municipalities) "
        "VALUES (0, 'olle', 'x', 'operator', '{1}')"
    )
    scene.sql(old)
    roles = (
        "SELECT r.municipality_id, r.role FROM person_roles r JOIN users USING (user_id) "
        "WHERE login = 'olle' ORDER BY 1, 2"
    )
    assert scene.sql(roles) == [(1, "operator"), (1, "technician")]
    scene.sql("UPDATE users SET municipalities = '{2}' WHERE login = 'olle'")
    assert scene.sql(roles) == [(2, "operator"), (2, "technician")]
    olle = scene.sql("SELECT user_id FROM users WHERE login = 'olle'")[0][0]
    token = "a session of the release before"
    scene.sql(
        "INSERT INTO web_sessions (token_hash, user_id, municipality_id) VALUES (%s, %s, 0)",
        hashlib.sha256(token.encode()).digest(), olle,
    )  # fmt: skip

    async def find() -> tuple[object, object]:
        async with acting_pool(scene.town.app_url, "login") as pool:
            sessions = Sessions(pool, Timings())
            fresh = await sessions.start(olle, "password")
            planted = await sessions.find(fresh, own_cookie=False)
            return await sessions.find(token, own_cookie=False), planted

    found, planted = asyncio.run(find())
    assert getattr(found, "municipalities", None) == (2,)
    assert planted is None, "a session of today counts only under today's cookie"


def test_the_migration_moves_the_operators_that_are_there(scene: Scene) -> None:
    """Its own statement, over people as the release before left them."""
    scene.sql("DELETE FROM person_roles")
    text = next(one.text for one in shipped() if one.name == "0007_pre_people.sql")
    begin = text.index("INSERT INTO person_roles (user_id, municipality_id, role, granted_by)\nSELECT u.user_id")
    scene.sql(text[begin : text.index(";", begin)])
    moved = scene.sql(
        "SELECT login, array_agg(r.municipality_id || ' ' || r.role ORDER BY r.municipality_id, r.role) "
        "FROM person_roles r JOIN users USING (user_id) GROUP BY login ORDER BY login"
    )
    assert moved == [
        ("anna", ["1 operator", "1 technician", "2 operator", "2 technician"]),
        ("bo", ["1 operator", "1 technician"]),
        ("cilla", ["2 operator", "2 technician"]),
    ]
