"""The sunset planner: a plan asked for on the page is the command's own, is kept, and is its makers' to see."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from fleet.attention.worker import WorkerFailed, in_worker, work
from tests.asking import HTML, Asking, ask
from tests.web_server import Scene, postgres, scene

__all__ = ["doomed", "in_this_process", "postgres", "scene"]

ENGLISH = {**HTML, "Accept-Language": "en"}
START = date(2027, 12, 1)
FORM = {"installers": "1", "per_day": "1", "start": START.isoformat()}


def doomed(scene: Scene) -> None:
    """All four units live on Telia's 2G and can do nothing else; the first municipality has 1 and 2."""
    now = datetime.now(UTC)
    scene.sql("UPDATE units SET life = 'active', grounds = 'import:1'")
    scene.sql(
        "INSERT INTO unit_bearers (unit_id, slot, operator, radio, municipality_id, first_seen, last_seen) "
        "SELECT unit_id, 1, 24001, 1, municipality_id, %s, %s FROM units", now, START,
    )  # fmt: skip
    scene.sql(
        "INSERT INTO modem_answers (unit_id, municipality_id, technologies, actor, at) "
        "SELECT unit_id, municipality_id, '{gsm}', 'console:test', now() FROM units"
    )


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's work without its process: a start of Python costs more than the plan."""
    monkeypatch.setattr("fleet.web.plan_work._in_worker", work)


def test_a_plan_is_the_command_s_own_and_two_are_shown_side_by_side(scene: Scene, in_this_process: None) -> None:
    doomed(scene)
    owner = scene.town.person("agare", ("fleet_owner", 1), ("fleet_owner", 2))

    async def talk(asking: Asking) -> None:
        async with await asking.signed_in(owner) as client:
            headers = {**ENGLISH, "Origin": asking.base}
            first = (await client.post("/planner", data=FORM, headers=headers)).headers["location"]
            page = (await client.get(first, headers=ENGLISH)).text
            assert "In time for 2027-12-31: 4 visits, room for 20." in page or "In time for 2027-12-31" in page
            sooner = {**FORM, "based_on": first.rpartition("/")[2], "network": "telia:gsm:SE", "moved_to": "2027-12-02"}
            second = (await client.post("/planner", data=sooner, headers=headers)).headers["location"]
            page = (await client.get(second, headers=ENGLISH)).text
            assert "2 visits too late for 2027-12-02: 2.0 installers needed" in page
            assert '">+2</td>' in page and page.count('<path class="line"') == page.count('<path class="second"') == 1
            plan = (await client.get(f"/api/v1/sunset/plans/{second.rpartition('/')[2]}")).json()
            assert plan["document"]["shortage"]["short"] == 2 and plan["document"]["classes"]["hardware_swap"] == 4
            visits = (await client.get(f"/api/v1/sunset/plans/{plan['plan_id']}/visits")).json()["items"]
            assert [visit["day"] for visit in visits] == [1, 2, 3, 4] and {v["swap"] for v in visits} == {"open"}
            paper = (await client.get(f"{second}/work?day=1", headers=ENGLISH)).text
            assert re.findall(r'data-visit="(\w+)"', paper) == [visits[0]["unit"]]
            for wrong in ({"installers": "0"}, {"start": "x"}, {"network": "a:b:c", "moved_to": "2027-01-01"}):
                refused = await client.post("/planner", data={**FORM, **wrong}, headers=headers)
                assert "fault=" in refused.headers["location"], wrong

    ask(scene, talk)


def test_a_date_is_moved_for_good_by_the_installation_s_owner_and_by_nobody_else(scene: Scene) -> None:
    doomed(scene)
    owner = scene.town.person("agare", ("fleet_owner", 0))
    town, technician = scene.town.person("ettan", ("fleet_owner", 1)), scene.town.person("tekniker", ("technician", 0))
    form = {"operator": "Telia", "technology": "gsm", "last_day": "2029-06-30", "source": "the operator's letter"}

    async def talk(asking: Asking) -> None:
        headers = {**ENGLISH, "Origin": asking.base}
        for person in (town, technician):
            async with await asking.signed_in(person) as client:
                assert 'action="/planner/calendar"' not in (await client.get("/planner", headers=ENGLISH)).text
                refused = await client.post("/planner/calendar", data=form, headers=headers)
                assert refused.status_code == 403 or "fault=installation" in refused.headers["location"]
                body = {**form, "operator": "telia"}
                assert (await client.post("/api/v1/sunset/calendar", json=body)).status_code == 403
        assert scene.sql("SELECT count(*) FROM sunset_changes") == [(0,)]
        async with await asking.signed_in(owner) as client:
            assert 'action="/planner/calendar"' in (await client.get("/planner", headers=ENGLISH)).text
            moved = await client.post("/planner/calendar", data=form, headers=headers)
            assert moved.headers["location"] == "/planner?moved=1"
            page = (await client.get("/planner?moved=1", headers=ENGLISH)).text
            assert "The date is moved." in page and "2029-06-30" in page and "the operator&#39;s letter" in page
            body = {**form, "operator": "telia", "last_day": "2027-06-30"}
            made = await client.post("/api/v1/sunset/calendar", json=body)
            assert made.status_code == 201 and made.json()["last_day"] == "2027-06-30"
            rows = (await client.get("/api/v1/sunset/calendar")).json()
            held = {(row["operator"], row["technology"]): row["last_day"] for row in rows["items"]}
            assert held["telia", "gsm"] == "2027-06-30"
            for wrong in ({"last_day": "x"}, {"operator": "no operator"}, {"technology": "6g"}, {"source": " "}):
                refused = await client.post("/planner/calendar", data={**form, **wrong}, headers=headers)
                assert "fault=" in refused.headers["location"], wrong
                if "last_day" not in wrong:
                    assert (await client.post("/api/v1/sunset/calendar", json={**body, **wrong})).status_code == 422

    ask(scene, talk)
    assert scene.sql("SELECT last_day::text, actor FROM sunset_changes ORDER BY change_id") == [
        ("2029-06-30", f"person:{owner}"), ("2027-06-30", f"person:{owner}"),
    ]  # fmt: skip
    recorded = scene.sql("SELECT actor, subject FROM audit_records WHERE action = 'sunset.date_moved'")
    assert recorded == [(f"person:{owner}", "sunset:telia:gsm:SE")] * 2


def test_a_plan_over_two_municipalities_is_not_there_for_who_sees_one(scene: Scene, in_this_process: None) -> None:
    doomed(scene)
    owner = scene.town.person("agare", ("fleet_owner", 1), ("fleet_owner", 2))
    one = scene.town.person("ettan", ("technician", 1))
    reader = scene.town.person("lasare", ("operator", 1))

    async def talk(asking: Asking) -> None:
        async with await asking.signed_in(owner) as client:
            whole = (await client.post("/planner", data=FORM, headers={**HTML, "Origin": asking.base})).headers
        async with await asking.signed_in(one) as client:
            assert (await client.get(whole["location"], headers=HTML)).status_code == 404
            body = {"installers": 1, "per_day": 1, "start": "2027-12-01"}
            own = (await client.post("/api/v1/sunset/plans", json=body)).json()
            assert own["municipalities"] == [1]
            visits = (await client.get(f"/api/v1/sunset/plans/{own['plan_id']}/visits")).json()["items"]
            assert {visit["unit"] for visit in visits} == {"00000001", "00000002"}
            elsewhere = await client.post("/api/v1/sunset/plans", json={**body, "municipality": 2})
            assert elsewhere.status_code == 404
        async with await asking.signed_in(reader) as client:
            assert (await client.get(f"/planner/{own['plan_id']}", headers=HTML)).status_code == 200
            assert (await client.post("/api/v1/sunset/plans", json=body)).status_code == 403

    ask(scene, talk)


def test_a_plan_that_cannot_be_made_says_so_and_too_many_at_once_are_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed(scene)
    owner = scene.town.person("agare", ("fleet_owner", 1))

    async def failing(_url: str, _asked: Any) -> dict[str, Any]:
        raise WorkerFailed("out of memory")

    async def never(_url: str, _asked: Any) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def talk(asking: Asking) -> None:
        async with await asking.signed_in(owner) as client:
            monkeypatch.setattr("fleet.web.plan_work._in_worker", failing)
            asking.app.state.web.plan_work._work = failing
            headers = {**ENGLISH, "Origin": asking.base}
            first = (await client.post("/planner", data=FORM, headers=headers)).headers["location"]
            assert "was not made" in (await client.get(first, headers=ENGLISH)).text
            asking.app.state.web.plan_work._work = never
            monkeypatch.setattr("fleet.web.plan_work.PATIENCE_S", 0.01)
            scene.sql(
                "INSERT INTO sunset_plans (municipalities, made_by, made_at, asked) SELECT '{1}', %s, now(), '{}' "
                "FROM generate_series(1, 2)", f"person:{owner}",
            )  # fmt: skip
            assert "fault=busy" in (await client.post("/planner", data=FORM, headers=headers)).headers["location"]
            scene.sql("UPDATE sunset_plans SET made_at = now() - %s", timedelta(hours=1))
            rows = (await client.get("/api/v1/sunset/plans")).json()["items"]
            assert {row["state"] for row in rows} == {"failed"}
            await asking.app.state.web.plan_work.stop()

    ask(scene, talk)


def test_the_worker_s_process_does_a_job_and_says_when_it_cannot(scene: Scene) -> None:
    doomed(scene)
    assert asyncio.run(in_worker(scene.town.app_url, {"job": "low_battery"})) == {"units": 0}
    with pytest.raises(WorkerFailed) as failed:
        asyncio.run(in_worker(scene.town.app_url, {"job": "none"}))
    assert scene.town.app_url not in str(failed.value)
