"""Incidents as pages: what a municipality sees of an outage, its visits in order, and nothing of another's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.types.json import Jsonb

from tests import web_night
from tests.asking import Asking, ask
from tests.store.test_web_pages import HTML, shown
from tests.web_server import Scene, postgres, scene

__all__ = ["postgres", "scene"]

NOW = datetime.now(UTC)
REPORT = {"scope": [{"kind": "operator", "name": "24001"}]}


def outage(scene: Scene, *, closed: bool = False) -> None:
    """Incident 7: units 1 and 2 of the session's municipality without a path, unit 3 of another's; a late press."""
    began = NOW - timedelta(hours=1)
    scene.sql(
        "INSERT INTO incidents (incident_id, kind, scopes, began_at, opened_at, closed_at, report)"
        " VALUES (7, 'outage', '[[1, \"24001\"]]', %s, %s, %s, %s) RETURNING 1",
        began, began + timedelta(seconds=30), NOW if closed else None, Jsonb(REPORT),
    )  # fmt: skip
    without_a_path(scene, began)


def without_a_path(scene: Scene, since: datetime) -> None:
    """The members of incident 7."""
    for unit, municipality, priority in ((1, 1, 3), (2, 1, 1), (3, 2, 1)):
        scene.sql(
            "INSERT INTO incident_units (incident_id, unit_id, municipality_id, fate, fate_at, since, single,"
            " switch_by, was_down, priority, district, reference)"
            " VALUES (7, %s, %s, 'down', %s, %s, true, %s, true, %s, 'Norr', %s)"
            " ON CONFLICT (incident_id, unit_id) DO UPDATE SET fate = excluded.fate, reference = excluded.reference",
            unit, municipality, since, since, since, priority, f"REF{unit}",
        )  # fmt: skip


def figures(page: str) -> dict[str, int]:
    """What an incident's page counts."""
    found = re.findall(r'class="number">(\d+)</span> <span class="name">([^<]+)<', page)
    return {name: int(number) for number, name in found}


def test_a_visit_list_is_in_order_and_holds_the_session_s_municipalities_only(scene: Scene) -> None:
    web_night.night(scene)
    outage(scene)
    client = scene.client(scene.server(), "bo")
    listed = shown(client, "/incidents")
    assert re.findall(r'data-incident="(\d+)"', listed) == ["7"]
    assert "operator Telia" in listed
    page = shown(client, "/incidents/7")
    assert re.findall(r'data-visit="([0-9a-f]+)"', page) == ["00000002", "00000001"]
    assert "REF3" not in page
    assert figures(page) == {
        "units touched": 2, "without any path": 2, "down": 2, "on another path": 0, "back": 0, "presses came late": 0,
    }  # fmt: skip


def test_a_closed_incident_has_no_visits(scene: Scene) -> None:
    web_night.night(scene)
    outage(scene, closed=True)
    page = shown(scene.client(scene.server(), "bo"), "/incidents/7")
    assert "data-visit" not in page
    assert "goes on" not in page


def test_an_incident_that_touches_nobody_of_theirs_is_not_there(scene: Scene) -> None:
    web_night.night(scene)
    outage(scene)
    scene.sql("DELETE FROM incident_units WHERE municipality_id = 1 RETURNING 1")
    client = scene.client(scene.server(), "bo")
    assert "data-incident" not in shown(client, "/incidents")
    paths = ("/incidents/7", "/incidents/x", "/incidents/99999999999999999999999")
    assert [client.get(path, headers=HTML).status_code for path in paths] == [404, 404, 404]


def test_silent_units_are_counted(scene: Scene) -> None:
    web_night.night(scene)
    scene.sql("INSERT INTO unit_supervision (unit_id, municipality_id, state, cause, since, told)"
              " VALUES (1, 1, 'silent', 'no answer', %s, true), (3, 2, 'silent', 'no answer', %s, true) RETURNING 1",
              NOW, NOW)  # fmt: skip
    page = shown(scene.client(scene.server(), "bo"), "/incidents")
    assert "<strong>1</strong> silent" in page


def test_a_page_that_looks_again_by_itself_keeps_nobody_signed_in(scene: Scene) -> None:
    """The control: a look by hand counts as use."""
    outage(scene)
    person = scene.town.person("agare", ("fleet_owner", 1))
    old = "UPDATE web_sessions SET used_at = now() - interval '5 minutes' RETURNING used_at"
    used = "SELECT used_at FROM web_sessions"

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(person) as client:
            before = scene.sql(old)
            again = await client.get("/incidents/7", headers={**HTML, "X-Livlina-Look": "again"})
            assert again.status_code == 200 and scene.sql(used) == before
            await client.get("/incidents/7", headers=HTML)
            assert scene.sql(used) != before
            scene.sql("UPDATE web_sessions SET used_at = now() - interval '1 hour'")
            ended = await client.get("/incidents/7", headers={**HTML, "X-Livlina-Look": "again"})
            assert ended.status_code == 303 and ended.headers["location"].startswith("/login")

    ask(scene, work)


def test_a_very_long_visit_list_says_how_long_it_is_and_is_there_as_a_whole(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.web.incidents.MOST_VISITS", 1)
    outage(scene)
    person = scene.town.person("agare", ("fleet_owner", 1))

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(person) as client:
            headers = {**HTML, "Accept-Language": "en"}
            page = (await client.get("/incidents/7", headers=headers)).text
            assert re.findall(r'data-visit="([0-9a-f]+)"', page) == ["00000002"] and "The first 1 of 2." in page
            assert figures(page)["without any path"] == 2 and "fresh.js" in page
            every = (await client.get("/incidents/7?all=1", headers=headers)).text
            assert re.findall(r'data-visit="([0-9a-f]+)"', every) == ["00000002", "00000001"]
            assert "The first" not in every and "fresh.js" not in every

    ask(scene, work)
