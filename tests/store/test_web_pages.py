"""What the pages show besides the queue, over a real server and database: who sees it, and what is never shown."""

from __future__ import annotations

import re

import httpx
import psycopg
import pytest

from fleet.store.pool import Connection, fetch_all
from fleet.web import around
from tests import web_night
from tests.store.test_web_stream import Watcher
from tests.web_server import Scene, postgres, scene, until

__all__ = ["postgres", "scene"]

HTML = {"Accept": "text/html", "Accept-Language": "en"}


def shown(client: httpx.Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers={**HTML, **headers})
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
    return answer.text


def test_a_case_says_who_was_told_where_it_was_moved_and_what_comes_next(scene: Scene) -> None:
    made = web_night.night(scene)
    client = scene.client(scene.server(), "bo")
    cases = {case["id"] for case in client.get("/api/cases").json()["cases"]}
    assert made["test"] not in cases
    assert cases == set(made.values()) - {made["test"]}
    around = client.get(f"/api/cases/{made['escalated']}").json()["around"]
    assert [(one["who"], one["told"], one["trying"]) for one in around["told"]] == [("manager", 1, 0), ("guard", 0, 1)]
    assert around["escalated"]["to"] == ["Nattpatrullen"]
    assert (around["next"]["place"], around["next"]["tell"]) == (3, ["shift_lead"])
    assert len(around["pressed"]) == 3
    moved = client.get(f"/api/cases/{made['moved']}").json()["around"]["moved"]
    assert (moved["from"], moved["to"], moved["why"]) == (web_night.NORTH, web_night.SOUTH, "refused")
    page = shown(client, f"/operators/cases/{made['escalated']}")
    for words in ("the routine", "Nattpatrullen", "shift lead", "not reached, tried again", "Escalated", "SIM 1, 80 %"):
        assert words in page, words
    assert "never reports that a person has taken it" in shown(client, f"/operators/cases/{made['never']}")
    assert "Repetition of an old alarm" in shown(client, f"/operators/cases/{made['replay']}")


def test_tasks_are_filtered_paged_and_closed_in_the_name_of_who_did_it(scene: Scene) -> None:
    web_night.night(scene)
    for unit in range(100, 130):
        scene.town.unit(unit, 1)
        web_night.task(scene, unit, "fault", 1, unit)
    client = scene.client(scene.server(), "bo")
    seen: list[str] = []
    path = "/technicians?kind=fault"
    while path:
        page = shown(client, path, **({"HX-Request": "true"} if seen else {}))
        assert ("<html" in page) == (not seen)
        seen += re.findall(r'data-task="(\d+)"', page)
        more = re.search(r'href="(/technicians\?[^"]*after=[^"]+)"', page)
        path = more[1].replace("&amp;", "&") if more else ""
    assert len(seen) == len(set(seen)) == 31
    assert "Drill that never came" not in shown(client, "/technicians")  # municipality 2's
    page = shown(client, "/technicians?kind=stuck input&municipality=1")
    for words in ("Button stuck", "pendant 2", "stays closed", "released since", "2 h 0 min", "Kristianstad"):
        assert words in page, words
    task = re.findall(r'data-task="(\d+)"', page)[0]
    form = {"kind": "stuck input", "municipality": "1"}
    closed = client.post(f"/technicians/tasks/{task}/close", data=form, headers=HTML, follow_redirects=True)
    assert f"Task {task} is closed." in closed.text
    assert scene.sql("SELECT closed_by FROM technician_tasks WHERE task_id = %s", int(task)) == [("bo",)]
    again = client.post(f"/technicians/tasks/{task}/close", data=form, headers=HTML, follow_redirects=True)
    assert "Nothing was closed" in again.text
    foreign = scene.sql("SELECT task_id FROM technician_tasks WHERE municipality_id = 2")[0][0]
    client.post(f"/technicians/tasks/{foreign}/close", data={}, headers=HTML)
    assert scene.sql("SELECT closed_at FROM technician_tasks WHERE task_id = %s", foreign) == [(None,)]
    evil = client.post(f"/technicians/tasks/{task}/close", data={}, headers={"Origin": "https://evil.example"})
    assert evil.status_code == 403
    for odd in (
        "/technicians?kind=%00",
        "/technicians?municipality=99999999999",
        "/technicians?after=x,1",
        "/units?after=zz",
    ):
        shown(client, odd)


def test_units_and_one_unit_in_words(scene: Scene) -> None:
    web_night.night(scene)
    client = scene.client(scene.server(), "bo")
    listed = shown(client, "/units")
    assert re.findall(r'data-unit="([0-9a-f]+)"', listed)[:2] == ["00000001", "00000002"]
    assert "00000003" not in listed
    assert "overdue by 1 h 0 min" in listed
    assert 'data-unit="00000001"' in shown(client, "/units?overdue=1")
    assert client.get("/units?find=00000001", headers=HTML).headers["location"] == "/units/00000001"
    scene.sql("UPDATE units SET life = 'active', grounds = 'import:1' WHERE unit_id = 1")
    scene.sql("UPDATE unit_states SET interval_s = 1200 WHERE unit_id = 1")
    scene.sql(
        "INSERT INTO unit_paths (unit_id, slot, operator, radio, municipality_id, first_seen_at, seen_at) "
        "SELECT 1, n, 24001, 3, 1, now(), now() - n * interval '50 hours' FROM generate_series(1, 2) n"
    )
    scene.sql(
        "INSERT INTO supervision_profiles (municipality_id, unit_type, name, report_s, spare_s, source, set_by) "
        "VALUES (1, 'social', 'DP3', 180, 90000, 'norm', 'test')"
    )
    page = shown(client, "/units/00000001")
    for words in (
        "hardware watchdog", "SIM 2, Telenor, LTE-M", "No mains", "9 %", "21.5 °C", "1.4.2", "not now",
        "no answer yet", "its time is over", "pendant 1", "livlina unit command 00000001 drill",
        "proven 4 d 4 h ago", "was due by", "every 1,200 s, DP3 bears 145 s at most",
    ):  # fmt: skip
        assert words in page, words
    assert "490154203237518" not in page
    assert "8946012345678901234" not in page
    assert [client.get(f"/units/{unit}", headers=HTML).status_code for unit in ("00000003", "ffffffff", "x")] == [
        404
    ] * 3


def test_centres_are_those_of_the_sessions_municipalities(scene: Scene) -> None:
    web_night.night(scene)
    server = scene.server()
    page = shown(scene.client(server, "bo"), "/centres")
    for words in ("Larmcentral Nord", "Down", "probe unanswered", "7 min", "3 min", "never reported", "nothing known"):
        assert words in page, words
    assert "Larmcentral Öst" not in page
    assert "centre.example" not in page
    assert "Larmcentral Nord" not in shown(scene.client(server, "cilla"), "/centres")


SECRETS = {
    "keys of units": "SELECT secret FROM unit_keys",
    "certificates": "SELECT * FROM unit_certificates",
    "secrets of centres": "SELECT sealed FROM centre_secrets",
    "addresses of centres": "SELECT host FROM centres",
    "options of centres": "SELECT options FROM centres",
    "addresses of people": "SELECT address FROM recipients",
    "gateways": "SELECT * FROM sms_gateways",
    "arguments of orders": "SELECT args FROM unit_commands",
    "answers to orders": "SELECT answer FROM unit_commands",
    "passwords": "SELECT password_hash FROM users",
    "log-ins": "SELECT * FROM web_sessions",
    "passkeys": "SELECT * FROM passkeys",
    "tokens": "SELECT token_hash FROM api_tokens",
    "links": "SELECT * FROM one_time_links",
    "providers' secrets": "SELECT client_secret FROM identity_providers",
}
CHANGES = {
    "what became of an order": "UPDATE unit_commands SET result = 0",
    "people's passwords": "UPDATE users SET password_hash = 'x'",
    "a session": "DELETE FROM web_sessions",
    "timers": "UPDATE case_timers SET ended_at = now()",
    "a task's detail": "UPDATE technician_tasks SET detail = '{}'",
    "health": "UPDATE centre_health SET state = 'good'",
    "a centre": "UPDATE centres SET reports_taken = 'none'",
    "a message": "UPDATE notices SET withdrawn_at = now()",
}


def refused(scene: Scene, statement: str) -> bool:
    """Whether livlina_web may not do it, whatever its municipalities."""

    async def attempt(connection: Connection) -> None:
        await connection.execute("SELECT set_config('livlina.municipalities', '0,1,2', true)")
        await connection.execute(statement)

    try:
        scene.town.do("web", attempt)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def test_the_pages_duty_reads_no_secret_and_changes_nothing_but_cases_and_tasks(scene: Scene) -> None:
    allowed = [name for name, statement in {**SECRETS, **CHANGES}.items() if not refused(scene, statement)]
    assert allowed == []


def test_negative_control_a_grant_would_be_noticed(scene: Scene) -> None:
    scene.sql("GRANT SELECT ON unit_keys TO livlina_web")
    assert not refused(scene, SECRETS["keys of units"])


def test_what_stands_around_many_cases_costs_two_statements(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    web_night.night(scene)
    asked: list[str] = []

    async def counted(connection: Connection, query: str, parameters: object = None) -> list[dict[str, object]]:
        asked.append(query)
        return await fetch_all(connection, query, parameters)

    monkeypatch.setattr(around, "fetch_all", counted)

    async def look(connection: Connection) -> int:
        await connection.execute("SELECT set_config('livlina.municipalities', '1,2', true)")
        return len(await around.around_cases(connection))

    assert scene.town.do("web", look) == 7
    assert len(asked) <= 2


def test_the_stream_tells_what_changes_around_a_case_without_a_log_entry(scene: Scene) -> None:
    web_night.centres(scene)
    case = scene.town.press(1, 1)
    server = scene.server(around=0.05)
    watcher = Watcher(server, scene.client(server, "bo")).open()
    watcher.until_beat()
    assert watcher.around[case]["told"] == []
    before = watcher.cursor
    web_night.notice(scene, case, "manager", delivered=False, attempts=2)
    until(lambda: watcher.frame() and watcher.around[case]["told"], "the message to be told")
    web_night.next_step(scene, case, 3, 100)
    until(lambda: watcher.frame() and watcher.around[case]["next"]["place"] == 3, "the next step to be told")
    assert watcher.cursor == before
    foreign = scene.town.press(3, 2)
    watcher.until_beat()
    watcher.until_beat()
    assert foreign not in watcher.around
    watcher.close()
