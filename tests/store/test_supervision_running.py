"""The supervisor on a real PostgreSQL: what the front doors wrote becomes states, incidents, visits and tasks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import psycopg
import pytest

from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, make_pool, tenant_transaction
from fleet.supervision import store
from fleet.supervision.run import Look, Supervisor
from tests.asking import HTML, asking
from tests.database import FreshDatabase, acting, rows
from tests.store.test_incident_pages import figures
from tests.web_server import Scene, Town

T = TypeVar("T")
START = datetime(2027, 3, 1, 9, tzinfo=UTC)
UNITS = 60
INTERVAL_S = 60


@pytest.fixture(autouse=True)
def units(database: FreshDatabase) -> None:
    """Sixty active units of municipality 1 on one operator, beating once a minute."""

    async def add(connection: Connection) -> None:
        await registry.add_municipality(connection, 1, "One")
        await registry.add_municipality(connection, 2, "Two")
        for unit in range(1, UNITS + 1):
            await registry.add_unit(
                connection, SecretBox(bytes(32)), unit=unit, municipality=1, unit_type="social", generation=0,
                secret=bytes(16), fingerprint=unit.to_bytes(32, "big"), serial=f"{unit}",
            )  # fmt: skip

    asyncio.run(acting(database, "registry", add))
    rows(database, "UPDATE units SET life = 'active', grounds = 'test'")


def second(n: float) -> datetime:
    return START + timedelta(seconds=n)


class Night:
    """Looks once a second, with heartbeats written as the front doors write them."""

    def __init__(self, database: FreshDatabase) -> None:
        self.database, self.seconds = database, 0
        self.silent: set[int] = set()
        self.doors = True
        self.owner = psycopg.connect(database.owner_url, autocommit=True)

    def beat(self, unit: int) -> None:
        at = second(self.seconds)
        self.owner.execute(
            "INSERT INTO unit_states (unit_id, municipality_id, seen_at, due_at, boot, seq, transport, bearer,"
            " operator) VALUES (%s, 1, %s, %s, 1, %s, 'coap', 3, 24001) ON CONFLICT (unit_id) DO UPDATE SET"
            " seen_at = excluded.seen_at, due_at = excluded.due_at, seq = excluded.seq",
            [unit, at, at + timedelta(seconds=INTERVAL_S), self.seconds],
        )

    async def forward(self, connection: Connection, look: Look, until: int) -> None:
        while self.seconds < until:
            self.seconds += 1
            if self.doors:
                for unit in range(1, UNITS + 1):
                    if unit % INTERVAL_S == self.seconds % INTERVAL_S and unit not in self.silent:
                        self.beat(unit)
                if self.seconds % 10 == 0:
                    self.owner.execute("UPDATE database_mark SET mark = mark + 1")
            async with connection.transaction():
                await look.once(connection, second(self.seconds), self.seconds)


async def begun(connection: Connection, at: datetime) -> Look:
    look = Look(at)
    async with connection.transaction():
        await look.begin(connection)
    return look


def supervised(database: FreshDatabase, work: Callable[[Connection, Night], Awaitable[T]]) -> T:
    async def act(connection: Connection) -> T:
        night = Night(database)
        try:
            return await work(connection, night)
        finally:
            night.owner.close()

    return asyncio.run(acting(database, "supervise", act))


def states(database: FreshDatabase) -> dict[str, int]:
    return dict(rows(database, "SELECT state, count(*) FROM unit_supervision GROUP BY state"))


def test_issuer_and_access_point_are_read_off_the_inventory_too(database: FreshDatabase) -> None:
    cards = "89460000000000000011", "89460000000000000029"
    for slot, (card, issuer, apn) in enumerate(zip(cards, ("A", "B"), ("m2m.one", None), strict=True), 1):
        rows(database, "INSERT INTO sims (iccid, municipality_id, issuer, apn, made_at) VALUES (%s, 1, %s, %s, now())",
            card, issuer, apn)  # fmt: skip
        rows(
            database, "INSERT INTO unit_sims (unit_id, slot, municipality_id, iccid) VALUES (1, %s, 1, %s)", slot, card
        )

    def place(bearer: int) -> tuple[str, str]:
        columns = "unit_id, municipality_id, seen_at, bearer, operator"
        seen = f"INSERT INTO unit_states ({columns}) VALUES (1, 1, now(), %s, 24001)"
        rows(database, f"{seen} ON CONFLICT (unit_id) DO UPDATE SET bearer = excluded.bearer", bearer)
        [(info, _)] = asyncio.run(acting(database, "supervise", lambda c: store.units(c, [1])))
        return info.place.issuer, info.place.apn

    assert place(3) == ("A", "m2m.one") and place(4) == ("B", "")
    before = asyncio.run(acting(database, "supervise", store.registry_marks))[1]
    rows(database, "UPDATE sims SET apn = 'm2m.two' WHERE iccid = %s", cards[1])
    assert asyncio.run(acting(database, "supervise", store.registry_marks))[1] != before and place(4) == (
        "B",
        "m2m.two",
    )


def test_one_dead_unit_is_a_task_and_its_return_ends_it(database: FreshDatabase) -> None:
    async def work(connection: Connection, night: Night) -> None:
        look = await begun(connection, second(0))
        await night.forward(connection, look, 130)
        night.silent = {7}
        await night.forward(connection, look, 400)
        assert rows(database, "SELECT state, told FROM unit_supervision WHERE unit_id = 7") == [("silent", True)]
        assert rows(database, "SELECT unit_id, kind FROM technician_tasks WHERE closed_at IS NULL") == [(7, "silent")]
        assert rows(database, "SELECT DISTINCT step FROM supervision_steps WHERE unit_id = 7 ORDER BY 1") == [
            ("ask sim provider",), ("probe path",), ("sms wake",),
        ]  # fmt: skip
        night.silent = set()
        await night.forward(connection, look, 470)
        assert rows(database, "SELECT state FROM unit_supervision WHERE unit_id = 7") == [("known",)]
        assert not rows(database, "SELECT 1 FROM technician_tasks WHERE closed_at IS NULL")
        assert not rows(database, "SELECT 1 FROM incidents")

    supervised(database, work)


def recipients(database: FreshDatabase) -> None:
    """Five units are for somebody: two of the first priority, and districts and references that order the others."""
    given = ((10, 1, "Söder"), (20, 1, "Norr"), (30, 2, "Norr"), (40, 2, "Söder"), (50, 2, "Öst"))
    for unit, priority, district in given:
        rows(
            database,
            "WITH made AS (INSERT INTO care_recipients (municipality_id, reference, priority, district, made_at)"
            " VALUES (1, %s, %s, %s, now()) RETURNING recipient_id)"
            " INSERT INTO unit_recipients (unit_id, recipient_id, municipality_id, unit_type, role, since)"
            " SELECT %s, recipient_id, 1, 'social', 'responsible', now() FROM made",
            f"REF-{unit}", priority, district, unit,
        )  # fmt: skip


async def page_of(scene: Scene, person: int) -> str:
    """The first incident's page as this person sees it; empty where it is not there."""
    async with asking(scene) as asked, await asked.signed_in(person) as client:
        answer = await client.get("/incidents/1", headers={**HTML, "Accept-Language": "en"})
        return answer.text if answer.status_code == 200 else ""


def test_an_outage_is_one_row_with_a_visit_list_and_survives_a_restart(database: FreshDatabase) -> None:
    async def work(connection: Connection, night: Night) -> None:
        look = await begun(connection, second(0))
        await night.forward(connection, look, 130)
        night.silent = set(range(1, UNITS + 1))
        await night.forward(connection, look, 200)
        assert rows(database, "SELECT count(*), max(kind) FROM incidents") == [(1, "outage")]
        before = await visits_of(connection)
        assert len(before) >= UNITS - 5
        look = await begun(connection, second(night.seconds))
        await night.forward(connection, look, 420)
        assert await visits_of(connection) == before
        assert not rows(database, "SELECT 1 FROM technician_tasks")
        open_page = await page_of(scene, owner)
        assert re.findall(r'data-visit="([0-9a-f]+)"', open_page) == [f"{unit:08x}" for unit in before]
        assert before[:5] == [20, 10, 30, 40, 50], "care priority, then district, then reference"
        assert figures(open_page)["without any path"] == len(before)
        assert "One, Norr" in open_page and "REF-20" in open_page and "nobody is registered" in open_page
        assert await page_of(scene, other) == ""
        night.silent = {60}
        await night.forward(connection, look, 700)
        scene.town.press(10, 1, received_at=second(690), age_s=480)
        scene.town.press(11, 1, received_at=second(690), age_s=5)
        assert rows(database, "SELECT count(*), count(closed_at) FROM incidents") == [(1, 1)]
        told = "SELECT action, subject FROM audit_records WHERE starts_with(action, 'incident.') ORDER BY record_id"
        number = rows(database, "SELECT incident_id FROM incidents")[0][0]
        assert rows(database, told) == [
            ("incident.opened", f"incident:{number}"),
            ("incident.closed", f"incident:{number}"),
        ]
        assert [unit for (unit,) in rows(database, "SELECT unit_id FROM technician_tasks")] in ([], [60])
        closed = await page_of(scene, owner)
        assert re.findall(r'data-late="([0-9a-f]+)"', closed) == ["0000000a"] and "8 min after the press" in closed
        assert re.findall(r'data-left="([0-9a-f]+)"', closed) == ["0000003c"]
        assert figures(closed)["back"] == len(re.findall("data-back=", closed)) == figures(closed)["units touched"] - 1
        assert "data-visit" not in closed and "the longest waited 8 min" in closed

    async def visits_of(connection: Connection) -> list[int]:
        async with connection.transaction():
            return [visit.unit for visit in await store.visits(connection, 1, second(10_000))]

    scene = Scene(database, Town(database.app_url))
    owner, other = (scene.town.person(login, ("fleet_owner", place)) for login, place in (("one", 1), ("two", 2)))
    recipients(database)
    supervised(database, work)
    seen = asyncio.run(_as_web(database, [1])), asyncio.run(_as_web(database, [2]))
    assert seen == (1, 0), "an incident is seen by whoever has a unit in it, and by nobody else"


async def _as_web(database: FreshDatabase, municipalities: list[int]) -> int:
    async with (
        make_pool(database.app_url, "web", size=1) as pool,
        tenant_transaction(pool, municipalities) as connection,
    ):
        cursor = await connection.execute("SELECT count(*) AS n FROM incidents")
        row = await cursor.fetchone()
        return int(row["n"]) if row else -1


@pytest.mark.parametrize("marked", [True, False])
def test_front_doors_that_are_away_blame_no_unit(database: FreshDatabase, marked: bool) -> None:
    """A11; the control keeps the mark growing, and then the same silence is an incident."""

    async def work(connection: Connection, night: Night) -> None:
        look = await begun(connection, second(0))
        await night.forward(connection, look, 130)
        night.doors = False
        if not marked:
            night.doors, night.silent = True, set(range(1, UNITS + 1))
        await night.forward(connection, look, 130 + 240)
        night.doors, night.silent = True, set()
        await night.forward(connection, look, 520)
        assert len(rows(database, "SELECT 1 FROM incidents")) == (0 if marked else 1)
        assert not rows(database, "SELECT 1 FROM technician_tasks")

    supervised(database, work)


def test_a_restart_after_hours_makes_nobody_silent_and_finds_who_is(database: FreshDatabase) -> None:
    async def work(connection: Connection, night: Night) -> None:
        look = await begun(connection, second(0))
        await night.forward(connection, look, 130)
        night.seconds += 4 * 3600
        night.silent = {9}
        look = await begun(connection, second(night.seconds))
        await night.forward(connection, look, night.seconds + 400)
        assert rows(database, "SELECT unit_id FROM technician_tasks") == [(9,)]
        assert not rows(database, "SELECT 1 FROM incidents")

    supervised(database, work)


def test_there_is_one_leader(database: FreshDatabase) -> None:
    async def both(first: Connection) -> tuple[bool, bool]:
        async def second_one(other: Connection) -> bool:
            return await store.lead(other)

        mine = await store.lead(first)
        return mine, await acting(database, "supervise", second_one)

    assert asyncio.run(acting(database, "supervise", both)) == (True, False)


def test_the_running_supervisor_leads_and_another_takes_over(database: FreshDatabase) -> None:
    """On the machine's clock: the first leads; the second waits and leads when the first has ended."""

    async def work() -> None:
        first, other = Supervisor(database.app_url), Supervisor(database.app_url, stand_by_s=0.05)
        await first.start()
        await until(lambda: first.looks > 0)
        await other.start()
        await until(lambda: other.turned_away > 0)
        assert not other.leading
        await first.stop()
        await until(lambda: other.looks > 0)
        assert other.leading
        await other.stop()

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.02)

    asyncio.run(work())
    assert rows(database, "SELECT count(*) FROM supervision_ticks") == [(1,)]
