"""The operators' API over a real server and a real database: the queue, taking, closing, and who may see what."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from websockets.sync.client import connect

from fleet.alarms import store as alarms
from fleet.store.pool import tenant_transaction
from fleet.web.decide import scope_of
from tests.web_server import Scene, acting_pool, postgres, scene

__all__ = ["postgres", "scene"]

HTML = {"Accept": "text/html"}


def ids(listed: dict[str, Any]) -> list[int]:
    return [case["id"] for case in listed["cases"]]


def test_the_queue_is_ordered_by_priority_then_oldest_first(scene: Scene) -> None:
    client = scene.client(scene.server(), "anna")
    high = scene.town.press(1, 1)
    normal = scene.town.press(2, 1, unit_type="camera")
    later_high = scene.town.press(3, 2)
    acute = scene.town.press(4, 2, kind=2)
    listed = client.get("/api/cases").json()
    assert ids(listed) == [acute, high, later_high, normal]
    assert listed["cursor"] == scene.sql("SELECT max(position) FROM case_log")[0][0]
    scene.town.press(3, 2)  # the second press raises it
    raised = client.get("/api/cases").json()
    assert ids(raised) == [later_high, acute, high, normal]
    assert raised["cases"][0]["presses"] == 2


def test_take_close_and_history(scene: Scene) -> None:
    client = scene.client(scene.server(), "bo")
    case = scene.town.press(1, 1, marks=("clock_wrong",))
    early = client.post(f"/api/cases/{case}/close", json={"outcome": "helped"})
    assert early.status_code == 409
    assert early.json()["case"]["state"] == "open"
    taken = client.post(f"/api/cases/{case}/take", json={})
    assert (taken.status_code, taken.json()["state"], taken.json()["taken_by"]) == (200, "taken", "bo")
    closed = client.post(f"/api/cases/{case}/close", json={"outcome": "false_alarm"})
    assert (closed.status_code, closed.json()["outcome"], closed.json()["closed_by"]) == (200, "false_alarm", "bo")
    assert client.post(f"/api/cases/{case}/take", json={}).status_code == 409
    history = client.get(f"/api/cases/{case}").json()
    assert [entry["change"] for entry in history["log"]] == ["opened", "taken", "closed"]
    assert "raw" not in history["presses"][0]
    page = client.get(f"/operators/cases/{case}", headers={**HTML, "Accept-Language": "sv"}).text
    assert all(word in page for word in ("Enhetens klocka går fel", "Falsklarm", "00000001", "Kristianstad", "enhet"))


def test_of_twenty_who_take_at_once_exactly_one_wins(scene: Scene) -> None:
    servers = [scene.server(), scene.server()]
    clients = [scene.client(servers[n % 2], "anna" if n % 4 < 2 else "bo") for n in range(20)]
    case = scene.town.press(1, 1)
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda client: client.post(f"/api/cases/{case}/take", json={}), clients))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    winner = next(answer.json()["taken_by"] for answer in answers if answer.status_code == 200)
    assert {a.json()["case"]["taken_by"] for a in answers if a.status_code == 409} == {winner}
    assert scene.sql("SELECT actor FROM case_log WHERE change = 'taken'") == [(winner,)]


def test_negative_control_without_compare_and_set_several_win(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    case = scene.town.press(1, 1)
    naive = alarms.SQL["take_case"].replace("AND state = 'open'", "")
    monkeypatch.setitem(alarms.SQL, "take_case", naive)

    async def all_take() -> None:
        async with acting_pool(scene.database.app_url, "web", 4) as pool:

            async def take() -> None:
                async with tenant_transaction(pool, [1]) as connection:
                    await alarms.take_case(connection, case, "bo")

            await asyncio.gather(*(take() for _ in range(4)))

    asyncio.run(all_take())
    assert scene.sql("SELECT count(*) FROM case_log WHERE change = 'taken'") == [(4,)]


def everything_bo_can_reach(scene: Scene, foreign: int) -> list[Any]:
    """What an operator of the first municipality gets out of every way towards a case of the second."""
    server = scene.server()
    client = scene.client(server, "bo")
    reached: list[Any] = []
    reached += [case for case in ids(client.get("/api/cases").json()) if case == foreign]
    reached += [path for path in (f"/api/cases/{foreign}",) if client.get(path).status_code != 404]
    page = client.get(f"/operators/cases/{foreign}", headers=HTML)
    reached += [page.url.path] if page.status_code != 404 or "Östra" in page.text else []
    cookie = {"Cookie": f"livlina_session={client.cookies['livlina_session']}"}
    url = server.base.replace("http", "ws")
    with connect(f"{url}/ws", additional_headers=cookie) as stream:
        reached += re.findall(rf'"id": {foreign}\b', str(stream.recv(10)))
    with connect(f"{url}/ws?after=0&scope={scope_of([1])}", additional_headers=cookie) as stream:
        while '"beat"' not in (frame := str(stream.recv(10))):
            reached += re.findall(rf'"id": {foreign}\b', frame)
    taken = client.post(f"/api/cases/{foreign}/take", json={})
    reached += ["take"] if taken.status_code != 404 else []
    closed = client.post(f"/api/cases/{foreign}/close", json={"outcome": "test"})
    reached += ["close"] if closed.status_code != 404 else []
    listed = client.get("/operators/closed", headers=HTML).text
    return reached + re.findall(rf'data-case="{foreign}"', listed)


def test_an_operator_never_reaches_another_municipalitys_cases(scene: Scene) -> None:
    scene.town.press(1, 1)
    foreign = scene.town.press(3, 2)
    assert everything_bo_can_reach(scene, foreign) == []
    assert scene.sql("SELECT state FROM cases WHERE case_id = %s", foreign) == [("open",)]


def test_negative_control_without_row_level_security_he_would(scene: Scene) -> None:
    scene.town.press(1, 1)
    foreign = scene.town.press(3, 2)
    for table in ("cases", "case_log", "presses", "municipalities"):
        scene.sql(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    reached = everything_bo_can_reach(scene, foreign)
    assert len(reached) == 8, reached


def test_closed_cases_are_paged_with_and_without_htmx(scene: Scene) -> None:
    client = scene.client(scene.server(), "anna")
    scene.closed_cases(60)
    seen, path = [], "/operators/closed"
    for headers in (HTML, {**HTML, "HX-Request": "true"}, HTML):
        page = client.get(path, headers=headers).text
        assert ("<html" in page) == ("HX-Request" not in headers)
        seen += [int(found) for found in re.findall(r'data-case="(\d+)"', page)]
        older = re.search(r'href="(/operators/closed\?before=[^"]+)"', page)
        path = older[1] if older else ""
    assert not path
    assert seen == list(range(60, 0, -1))


def test_the_database_away_is_said_and_changes_nothing(scene: Scene) -> None:
    server = scene.server()
    client = scene.client(server, "anna")
    case = scene.town.press(1, 1)
    with scene.database_away():
        answer = client.post(f"/api/cases/{case}/take", json={})
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert client.get("/operators", headers=HTML).status_code == 503
    assert client.post(f"/api/cases/{case}/take", json={}).status_code == 200
