"""Messages to technicians over a real database and a real gateway: by role, once, apart from alarms, with receipts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from fleet.forwarding.link_apprise import AppriseLink
from fleet.notify.run import Notifications, gather
from fleet.routines.model import WEEK, Window
from fleet.store.pool import Connection
from tests.asking import HTML, Asking, ask
from tests.sms_gateway import sms_operator
from tests.store.test_incident_pages import outage
from tests.web_server import Scene, postgres, scene

__all__ = ["postgres", "scene", "subscribed"]

NOW = datetime.now(UTC)
FAILED = "SELECT 1 FROM notifications WHERE last_outcome IS NOT NULL"


def subscribed(scene: Scene, login: str, *grants: tuple[str, int], topics: str = "{incident,silent,battery}",
               wake: bool = True) -> int:  # fmt: skip
    """Somebody who has asked to be told at any hour."""
    person = scene.town.person(login, *grants)
    scene.sql(
        "INSERT INTO notification_subscriptions (user_id, channel, address, address_hint, topics, group_s, quiet_from,"
        " quiet_until, quiet_weekend, wake, zone, language, since)"
        " VALUES (%s, 'sms', %s, '…67', %s, 0, 0, 0, false, %s, 'Europe/Stockholm', 'en', %s)",
        person, f"+467000000{person:02}", topics, wake, NOW - timedelta(days=1),
    )  # fmt: skip
    return person


def task(scene: Scene, unit: int, municipality: int, kind: str, at: datetime) -> None:
    scene.sql(
        "INSERT INTO technician_tasks (municipality_id, unit_id, kind, opened_at, opened_by, last_at) "
        "VALUES (%s, %s, %s, %s, 'x', %s)", municipality, unit, kind, at, at,
    )  # fmt: skip


def gathered(scene: Scene, at: datetime) -> int:
    return scene.town.do("notify", lambda connection: gather(connection, at))  # type: ignore[arg-type]


def items(scene: Scene) -> list[tuple[Any, ...]]:
    return scene.sql(
        "SELECT user_id, topic, subject, notification_id IS NOT NULL FROM notification_items ORDER BY user_id, item_id"
    )


def test_each_hears_of_their_municipalities_by_role_and_topic_and_an_incident_is_one_message(scene: Scene) -> None:
    both = subscribed(scene, "tekniker", ("technician", 1), ("fleet_owner", 2))
    one = subscribed(scene, "agare", ("fleet_owner", 2), topics="{battery}")
    subscribed(scene, "operator", ("operator", 1))
    outage(scene)  # units 1 and 2 of the first municipality, 3 of the second
    task(scene, 1, 1, "silent", NOW)  # explained by the incident
    task(scene, 3, 2, "battery low", NOW)
    task(scene, 4, 2, "SIM moved", NOW)  # nobody has asked for it
    assert gathered(scene, NOW + timedelta(seconds=61)) == 2
    assert [(person, topic) for person, topic, _, _ in items(scene)] == [
        (both, "incident"), (both, "battery"), (one, "battery"),
    ]  # fmt: skip
    assert gathered(scene, NOW + timedelta(minutes=30)) == 0, "nothing is told twice"
    assert scene.sql("SELECT user_id, items, cannot_wait FROM notifications ORDER BY user_id") == [
        (both, 2, True), (one, 1, False),
    ]  # fmt: skip


def at_a_centre(scene: Scene, login: str, municipality: int | None, hours: str = "any") -> int:
    """A subscriber who is technician of an alarm centre of their own, which receives this municipality's alarms."""
    person = subscribed(scene, login)
    [(centre,)] = scene.sql("INSERT INTO alarm_centres (name) VALUES (%s) RETURNING alarm_centre_id", login)
    scene.sql(
        "INSERT INTO person_roles (user_id, municipality_id, alarm_centre_id, role, granted_at, granted_by)"
        " VALUES (%s, 0, %s, 'technician', now(), 'console:test')", person, centre,
    )  # fmt: skip
    if municipality is not None:
        scene.sql(
            "INSERT INTO services (municipality_id, service, valid_from, alarm_centre_id, hours) "
            "VALUES (%s, 'alarm_reception', %s, %s, %s)", municipality, NOW - timedelta(days=1), centre, hours,
        )  # fmt: skip
    return person


def test_somebody_of_an_alarm_centre_is_told_about_whom_the_centre_serves_while_it_does(scene: Scene) -> None:
    """The control is the plan itself: without the right to read it, whoever is at a centre is told nothing."""
    minute = NOW.astimezone(ZoneInfo("Europe/Stockholm"))
    hour = minute.weekday() * 1440 + minute.hour * 60
    window = Window(hour, min(hour + 60, WEEK))
    scene.sql(
        "INSERT INTO office_hours (municipality_id, valid_from, starts_minute, ends_minute) VALUES (0, %s, %s, %s)",
        NOW - timedelta(days=1), window.starts, window.ends,
    )  # fmt: skip
    serving = at_a_centre(scene, "nord", 1)
    later = at_a_centre(scene, "natt", 1, hours="on_call")
    at_a_centre(scene, "syd", 2)
    nobody = at_a_centre(scene, "ingen", None)
    task(scene, 1, 1, "battery low", NOW - timedelta(minutes=2))
    scene.sql("ALTER POLICY notifying ON services USING (false)")
    assert gathered(scene, NOW) == 0 and items(scene) == []
    scene.sql("ALTER POLICY notifying ON services USING (true)")
    assert gathered(scene, NOW) == 1
    assert items(scene) == [(serving, "battery", "task:1", True), (later, "battery", "task:1", False)]
    assert gathered(scene, NOW + timedelta(minutes=61)) == 1, "their hours have begun"
    assert items(scene) == [(serving, "battery", "task:1", True), (later, "battery", "task:1", True)]
    assert scene.sql("SELECT DISTINCT user_id FROM notifications WHERE NOT cannot_wait ORDER BY 1") == [
        (serving,), (later,),
    ]  # fmt: skip

    async def settings(asking: Asking) -> list[int]:
        found = []
        for person in (serving, nobody):
            async with await asking.signed_in(person) as client:
                found.append((await client.get("/notifications", headers=HTML)).status_code)
        return found

    assert ask(scene, settings) == [200, 403], "who serves nobody sees no page"


def test_of_a_case_the_messages_duty_reads_when_it_began_and_no_more(scene: Scene) -> None:
    scene.town.press(1, 1)
    for column, allowed in (("opened_at", True), ("unit_id", False), ("kind", False)):

        async def look(connection: Connection, column: str = column) -> None:
            await connection.execute(f"SELECT {column} FROM cases".encode())

        if allowed:
            scene.town.do("notify", look)
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                scene.town.do("notify", look)


def test_what_is_over_or_no_longer_theirs_is_not_told(scene: Scene) -> None:
    person = subscribed(scene, "tekniker", ("technician", 1), topics="{battery,fault}")
    task(scene, 1, 1, "battery low", NOW)
    assert gathered(scene, NOW) == 0
    scene.sql("UPDATE technician_tasks SET closed_at = now(), closed_by = 'unit 00000001'")
    task(scene, 2, 1, "battery low", NOW)
    assert gathered(scene, NOW + timedelta(seconds=10)) == 0
    scene.sql("DELETE FROM person_roles WHERE user_id = %s", person)
    assert gathered(scene, NOW + timedelta(minutes=5)) == 0
    assert scene.sql("SELECT count(*) FROM notification_items WHERE dropped_at IS NOT NULL") == [(2,)]


@pytest.mark.timeout(200)
def test_a_message_goes_through_the_gateway_is_tried_again_and_has_a_receipt(scene: Scene) -> None:
    """Through Apprise, as the manager's messages go; it names units, and nothing of a person."""
    subscribed(scene, "tekniker", ("technician", 1))
    task(scene, 1, 1, "battery low", NOW - timedelta(minutes=5))
    cases = scene.sql("SELECT count(*) FROM cases")

    async def run() -> str:
        async with sms_operator() as operator:
            operator.status = 500
            link = AppriseLink(f"json://127.0.0.1:{operator.port}/send?:to={{to}}&cto=10&rto=10")
            part = Notifications(scene.town.app_url, {"sms": link}, look_s=0.2)
            await part.start()
            try:
                async with asyncio.timeout(150):
                    while not await asyncio.to_thread(scene.sql, FAILED):
                        await asyncio.sleep(0.1)
                    operator.status = 200
                    _, body = await operator.next(120)
                    while not part.delivered:
                        await asyncio.sleep(0.05)
            finally:
                await part.stop()
            return str(body["message"])

    text = asyncio.run(run())
    assert text == "Livlina: to be seen to\nBattery low, Kristianstad: 00000001"
    [(attempts, outcome, delivered)] = scene.sql("SELECT attempts, last_outcome, delivered_at FROM notifications")
    assert attempts >= 2 and outcome == "delivered" and delivered is not None
    assert scene.sql("SELECT count(*) FROM cases") == cases and scene.sql("SELECT count(*) FROM notices") == [(0,)]


def test_settings_are_ones_own_and_the_address_is_written_unread(scene: Scene) -> None:
    one = scene.town.person("ettan", ("technician", 1))
    other = scene.town.person("annan", ("technician", 1))
    form = {
        "channel": "email", "address": "ettan@kommun.example", "topics": ["incident", "fault"], "group_s": "900",
        "quiet_from": "18:00", "quiet_until": "06:30", "wake": "1",
    }  # fmt: skip

    async def work(asking: Asking) -> None:
        headers = {**HTML, "Accept-Language": "en", "Origin": asking.base}
        async with await asking.signed_in(one) as client:
            kept = await client.post("/notifications", data=form, headers=headers)
            assert kept.headers["location"].endswith("done=kept")
            page = (await client.get("/notifications", headers=headers)).text
            assert "e…@kommun.example" in page and "ettan@" not in page and 'value="18:00"' in page
            again = await client.post(
                "/notifications", data={**form, "address": "", "topics": ["sim"]}, headers=headers
            )
            assert again.headers["location"].endswith("done=kept")
            found = (await client.get("/api/v1/notifications/settings")).json()["settings"]
            assert found["topics"] == ["sim"] and (found["group_s"], found["quiet_until"]) == (900, 390)
            for wrong in ({"address": "x"}, {"topics": []}, {"channel": "pigeon"}, {"quiet_from": "25:00"},
                          {"channel": "sms", "address": ""}):  # fmt: skip
                refused = await client.post("/notifications", data={**form, **wrong}, headers=headers)
                assert "fault=" in refused.headers["location"], wrong
        async with await asking.signed_in(other) as client:
            assert (await client.get("/api/v1/notifications/settings")).json() == {"settings": None}
            assert (await client.delete("/api/v1/notifications/settings", headers=headers)).status_code == 404
        async with await asking.signed_in(one) as client:
            assert (await client.delete("/api/v1/notifications/settings", headers=headers)).status_code == 204

    ask(scene, work)
    assert scene.sql("SELECT count(*) FROM notification_subscriptions") == [(0,)]


def test_the_pages_duty_may_not_read_an_address(scene: Scene) -> None:
    async def look(connection: Connection) -> None:
        await connection.execute("SELECT address FROM notification_subscriptions")

    wanted: Callable[[Connection], Awaitable[None]] = look
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        scene.town.do("web", wanted)
