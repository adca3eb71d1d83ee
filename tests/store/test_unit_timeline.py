"""A unit's timeline: what was written about it is there once, in order, whatever the pages; never a position."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tests.asking import HTML, Asking, ask
from tests.web_server import Scene, postgres, scene

__all__ = ["lived", "postgres", "scene"]

NOW = datetime.now(UTC).replace(microsecond=0)
ENGLISH = {**HTML, "Accept-Language": "en"}


def lived(scene: Scene) -> None:
    """Unit 1 has pressed, changed its SIM, been silent in an outage and come back; unit 3 is another municipality's."""
    scene.town.press(1, 1, received_at=NOW - timedelta(hours=5), kind=1, input=0)
    scene.sql("UPDATE presses SET accepted_at = received_at + interval '2 s', taken_at = received_at + interval '40 s'")
    for hours in range(48):
        at = NOW - timedelta(hours=48 - hours)
        scene.sql(
            "INSERT INTO readings (day, unit_id, boot, seq, municipality_id, received_at, next_due_s, transport, "
            "bearer, battery, signal, operator, radio) VALUES (%s, 1, 1, %s, 1, %s, 300, 'coap', %s, %s, %s, %s, 3)",
            at.date(), 100 + hours, at, 3 if hours < 24 else 4, 90 - hours, -80 - hours % 20,
            24001 if hours < 24 else 24007,
        )  # fmt: skip
    scene.sql(
        "INSERT INTO unit_supervision_log (unit_id, municipality_id, at, was, state, cause, told) VALUES "
        "(1, 1, %s, 'known', 'late', 'overdue', false), (1, 1, %s, 'late', 'silent', 'no answer', true),"
        "(3, 2, %s, 'known', 'late', 'overdue', false)",
        NOW - timedelta(hours=3), NOW - timedelta(hours=2), NOW,
    )  # fmt: skip
    scene.sql(
        "INSERT INTO incidents (incident_id, kind, scopes, began_at, opened_at, report) "
        "VALUES (7, 'outage', '[]', %s, %s, '{}')", NOW - timedelta(hours=4), NOW - timedelta(hours=4),
    )  # fmt: skip
    scene.sql(
        "INSERT INTO incident_units (incident_id, unit_id, municipality_id, fate, fate_at, since, single, switch_by,"
        " was_down, priority, district, reference) VALUES (7, 1, 1, 'back', %s, %s, true, %s, true, 1, 'Norr', 'R1')",
        NOW, NOW - timedelta(hours=4), NOW,
    )  # fmt: skip
    scene.sql(
        "INSERT INTO unit_events (unit_id, boot, seq, municipality_id, received_at, kind, data, raw) "
        "VALUES (1, 1, 900, 1, %s, 2, NULL, 'x'), (1, 1, 901, 1, %s, 1, 'somewhere', 'x')",
        NOW - timedelta(hours=6), NOW - timedelta(hours=6),
    )  # fmt: skip
    scene.sql(
        "INSERT INTO supervision_steps (unit_id, municipality_id, step, asked_at, outcome) "
        "VALUES (1, 1, 'sms wake', %s, 'sent')", NOW - timedelta(minutes=150),
    )  # fmt: skip


def test_everything_is_there_once_and_in_order_whatever_the_pages(scene: Scene) -> None:
    lived(scene)
    person = scene.town.person("tekniker", ("technician", 1))

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(person) as client:
            whole = (await client.get("/api/v1/units/00000001/timeline?limit=200")).json()["items"]
            assert [one["source"] for one in whole if one["source"] != "life"] == [
                "state", "step", "state", "incident", "taken", "accepted", "press", "event", "way",
            ]  # fmt: skip
            way = next(one["detail"] for one in whole if one["source"] == "way")
            assert (way["was_bearer"], way["bearer"], way["was_operator"], way["operator"]) == (3, 4, 24001, 24007)
            pages, cursor = [], ""
            while cursor is not None:
                found = (await client.get(f"/api/v1/units/00000001/timeline?limit=2&cursor={cursor}")).json()
                pages += found["items"]
                cursor = found["next"]
            assert pages == whole
            page = (await client.get("/units/00000001/timeline", headers=ENGLISH)).text
            assert len(re.findall("data-source=", page)) == len(whole)
            assert (
                "late → is silent: no answer on any path" in page and "SIM 1" in page and "woken by SMS: sent" in page
            )
            assert "somewhere" not in page and page.count("<svg") == 2
            assert (await client.get("/units/00000003/timeline", headers=ENGLISH)).status_code == 404
            assert (await client.get("/api/v1/units/00000003/timeline")).status_code == 404
            for odd in (
                "x",
                "2026-01-01,press,1",
                "2026-01-01T00:00:00+00:00,none,1",
                "9999-01-01T00:00:00+00:00,way,1",
            ):
                answer = await client.get("/units/00000001/timeline", params={"after": odd}, headers=ENGLISH)
                assert answer.status_code == 200, odd

    ask(scene, work)


def test_steps_of_six_hours_hold_every_message(scene: Scene) -> None:
    lived(scene)
    person = scene.town.person("tekniker", ("technician", 1))

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(person) as client:
            items = (await client.get("/api/v1/units/00000001/readings?days=14")).json()["items"]
            assert sum(one["heard"] for one in items) == 48
            assert items[-1]["battery_least"] == 43 and items[0]["battery"] <= 90
            assert all(one["signal_least"] <= one["signal"] for one in items)

    ask(scene, work)
