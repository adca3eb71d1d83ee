"""Logging in over a real server and a real database: who gets in, who is slowed down, what other sites cannot do."""

from __future__ import annotations

import asyncio
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from fleet.web.edge import CONTENT_SECURITY_POLICY
from fleet.web.passwords import Passwords
from tests.web_server import PASSWORD, Scene, acting_pool, postgres, scene

__all__ = ["postgres", "scene"]

HTML = {"Accept": "text/html"}


def test_log_in_by_form_and_out_again(scene: Scene) -> None:
    client = scene.client(scene.server())
    turned_away = client.get("/operators/cases/7", headers=HTML)
    assert turned_away.status_code == 303
    assert turned_away.headers["location"] == "/login?next=/operators/cases/7"
    form = {"login": "Anna ", "password": PASSWORD, "next": "/operators/closed"}
    inside = client.post("/login", data=form, headers=HTML)
    assert inside.status_code == 303
    assert inside.headers["location"] == "/operators/closed"
    assert client.get("/operators", headers=HTML).status_code == 200
    cookie = inside.headers["set-cookie"]
    assert all(part in cookie for part in ("livlina_session=", "HttpOnly", "SameSite=strict", "Path=/"))
    assert "Secure" not in cookie  # loopback http only
    token = client.cookies["livlina_session"]
    assert len(token) == 43
    stored = scene.sql("SELECT token_hash FROM web_sessions")
    assert stored == [(hashlib.sha256(token.encode()).digest(),)]
    assert client.post("/logout").status_code == 303
    assert scene.sql("SELECT count(*) FROM web_sessions") == [(0,)]
    again = httpx.get(f"{client.base_url}/api/cases", cookies={"livlina_session": token})
    assert again.status_code == 401


def test_the_cookie_is_secure_behind_https_and_refused_over_open_http(scene: Scene) -> None:
    client = scene.client(scene.server())
    body = {"login": "anna", "password": PASSWORD}
    https = client.post("/api/login", json=body, headers={"X-Forwarded-Proto": "https"})
    assert https.status_code == 204
    assert "Secure" in https.headers["set-cookie"]
    assert "strict-transport-security" in https.headers
    open_http = client.post("/api/login", json=body, headers={"Host": "larm.example"})
    assert open_http.status_code == 400
    assert "set-cookie" not in open_http.headers


def test_wrong_password_and_unknown_name_look_the_same(scene: Scene) -> None:
    client = scene.client(scene.server())
    answers = [
        client.post("/api/login", json={"login": login, "password": "fel lösenord här"})
        for login in ("anna", "nobody", "no such\x00name", "x" * 500)
    ]
    assert {(a.status_code, a.text, a.headers["content-type"]) for a in answers} == {
        (401, answers[0].text, "application/problem+json")
    }
    assert scene.sql("SELECT count(*) FROM web_sessions") == [(0,)]
    # What no log-in can be called leaves no row behind.
    assert scene.sql("SELECT login, failures FROM login_failures ORDER BY 1") == [("anna", 1), ("nobody", 1)]


def test_guessing_is_slowed_down_in_every_process_and_forgotten_after_the_delay(scene: Scene) -> None:
    first, second = scene.client(scene.server()), scene.client(scene.server())
    wrong, right = {"login": "anna", "password": "x"}, {"login": "anna", "password": PASSWORD}
    scene.sql("INSERT INTO login_failures (login, failures, last_at) VALUES ('anna', 8, now() + interval '5 s')")
    for client in (first, second):  # as of now even the right password has to wait
        answer = client.post("/api/login", json=right)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 8
    form = first.post("/login", data=wrong, headers=HTML)
    assert form.status_code == 429
    assert "retry-after" in form.headers
    assert scene.sql("SELECT failures FROM login_failures") == [(8,)]  # a refused attempt is not counted
    scene.sql("UPDATE login_failures SET last_at = now() - interval '9 s'")
    assert second.post("/api/login", json=right).status_code == 204
    assert scene.sql("SELECT count(*) FROM login_failures") == [(0,)]


def test_a_stranger_who_never_stops_guessing_keeps_nobody_from_his_own_console(scene: Scene) -> None:
    server = scene.server()
    console, elsewhere = scene.client(server, "anna"), scene.client(server)
    right, wrong = {"login": " Anna", "password": PASSWORD}, {"login": "anna", "password": "x"}
    assert console.post("/logout").status_code == 303
    besieged = "INSERT INTO login_failures (login, failures, last_at) VALUES ('anna', 20, now() + interval '20 s')"
    scene.sql(besieged)
    assert elsewhere.post("/api/login", json=right).status_code == 429, "negative control: a browser nobody knows waits"
    assert console.post("/api/login", json=right).status_code == 204
    assert scene.sql("SELECT login, failures FROM login_failures") == [("anna", 20)], "strangers are not forgiven"
    # The known browser is slowed down for its own failures, and being known for one name is nothing for another.
    answers = [console.post("/api/login", json=wrong).status_code for _ in range(7)]
    assert answers.count(401) >= 5 and 429 in answers
    name = next(name for name in console.cookies if name.startswith("livlina_browser_"))
    for forged in ("", ".", "0" * 32 + "." + "0" * 64, console.cookies[name][:-1] + "g", "é", "a" * 5000):
        jar = {"Cookie": f"{name}={forged}".encode("latin-1")}
        assert httpx.post(f"{server.base}/api/login", json=right, headers=jar).status_code == 429, forged
    scene.sql("UPDATE login_failures SET login = 'bo' WHERE login = 'anna'")
    assert console.post("/api/login", json=right | {"login": "bo"}).status_code == 429
    # A new password makes every browser a stranger again.
    scene.sql("DELETE FROM login_failures")
    scene.town.operator("anna", 1, 2)
    scene.sql(besieged)
    assert console.post("/api/login", json=right).status_code == 429


def test_a_flood_of_strangers_does_not_keep_a_known_browser_waiting(scene: Scene) -> None:
    """Their checks have taken every place: the known browser has one, a browser that nobody knows waits its turn."""

    async def run() -> None:
        async with acting_pool(scene.town.app_url, "login", size=2) as pool:
            passwords = Passwords(pool)
            first = await passwords.check("anna", PASSWORD)
            assert first is not None
            async with passwords._strangers_checks, passwords._strangers_checks:
                unknown = asyncio.create_task(passwords.check("anna", PASSWORD))
                assert await passwords.check("anna", PASSWORD, browser=first.browser) is not None
                assert not unknown.done()
            assert await unknown is not None

    asyncio.run(run())


def test_a_clock_that_was_set_back_keeps_nobody_out(scene: Scene) -> None:
    client = scene.client(scene.server())
    scene.sql("INSERT INTO login_failures (login, failures, last_at) VALUES ('anna', 1, now() + interval '1 hour')")
    assert client.post("/api/login", json={"login": "anna", "password": PASSWORD}).status_code == 204


@pytest.mark.parametrize("login", ["anna", "nobody"])
def test_many_attempts_at_once_do_not_slip_through(scene: Scene, login: str) -> None:
    servers = [scene.server(), scene.server()]
    with ThreadPoolExecutor(12) as threads:
        answers = list(
            threads.map(
                lambda n: (
                    httpx.post(
                        f"{servers[n % 2].base}/api/login", json={"login": login, "password": "x"}, timeout=60
                    ).status_code
                ),
                range(12),
            )
        )
    # Five are free; on a busy machine a late one may come when its second, or its two, are over.
    counted = scene.sql("SELECT failures FROM login_failures")[0][0]
    assert answers.count(401) == counted
    assert 5 <= counted <= 7
    assert answers.count(429) == 12 - counted


def test_an_idle_session_and_an_old_one_end(scene: Scene) -> None:
    server = scene.server()
    for stale in ("used_at = now() - interval '16 minutes'", "made_at = now() - interval '12 hours 1 second'"):
        client = scene.client(server, "anna")
        assert client.get("/api/cases").status_code == 200
        scene.sql(f"UPDATE web_sessions SET {stale}")
        assert client.get("/api/cases").status_code == 401
    client = scene.client(server, "anna")
    scene.sql("UPDATE web_sessions SET used_at = now() - interval '14 minutes', made_at = now() - interval '11 hours'")
    assert client.get("/api/cases").status_code == 200  # negative control; and it counts as use
    fresh = "SELECT count(*) FROM web_sessions WHERE used_at > now() - interval '1 minute'"
    assert scene.sql(fresh) == [(1,)]
    scene.sql("UPDATE users SET closed_at = now() WHERE login = 'anna'")
    assert client.get("/api/cases").status_code == 401
    assert client.post("/api/login", json={"login": "anna", "password": PASSWORD}).status_code == 401


def test_a_new_password_ends_what_the_old_one_opened(scene: Scene) -> None:
    server = scene.server()
    client, other = scene.client(server, "anna"), scene.client(server, "bo")
    assert client.get("/api/cases").status_code == other.get("/api/cases").status_code == 200
    scene.town.operator("anna", 1)
    assert client.get("/api/cases").status_code == 401
    assert other.get("/api/cases").status_code == 200, "nobody else's"


def test_another_sites_page_can_do_nothing(scene: Scene) -> None:
    server = scene.server()
    client = scene.client(server, "bo")
    case = scene.town.press(1, 1)
    take = f"/api/cases/{case}/take"
    host = server.base.removeprefix("http://")
    for evil in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://{host}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": server.base},
    ):
        for path, content in ((take, {}), ("/logout", {}), ("/api/login", {"login": "bo", "password": PASSWORD})):
            answer = client.post(path, json=content, headers=evil)
            assert answer.status_code == 403, (evil, path)
            assert answer.headers["content-type"] == "application/problem+json"
    assert scene.sql("SELECT state FROM cases") == [("open",)]
    # Negative control: the same requests from our own page, and from a program, are heard.
    ours = {"Origin": server.base, "Sec-Fetch-Site": "same-origin"}
    assert client.post(take, json={}, headers=ours).status_code == 200
    assert client.post(f"/api/cases/{case}/close", json={"outcome": "test"}).status_code == 200
    # A form of another site can send no JSON, and ours takes nothing else.
    assert client.post(take, data={"outcome": "test"}).status_code == 422


def test_every_answer_carries_the_security_headers(scene: Scene) -> None:
    server = scene.server()
    client = scene.client(server, "anna")
    case = scene.town.press(1, 1)
    pages = [
        "/login",
        "/operators",
        "/operators/closed",
        f"/operators/cases/{case}",
        "/operators/cases/999",
        "/nothing",
    ]
    others = ["/api/cases", "/static/operators.js", "/healthz", "/api/nothing"]
    for path in [*pages, *others]:
        answer = client.get(path, headers=HTML if path in pages else {})
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == ("no-cache" if "static" in path else "no-store")
        if path in pages:
            assert answer.headers["content-type"].startswith("text/html"), path
            assert not re.search(r"<style|style=|\son\w+=|javascript:|https?://", answer.text), path
            scripts = re.findall(r"<script([^>]*)>", answer.text)
            assert all("src=" in s or 'type="application/json"' in s for s in scripts)


def test_bad_input_is_refused_and_nothing_happens(scene: Scene) -> None:
    client = scene.client(scene.server(), "anna")
    case = scene.town.press(1, 1)
    big = b'{"login": "' + b"a" * 20000 + b'"}'
    assert client.post("/api/login", content=big).status_code == 413
    assert client.post("/api/login", content=b"{" * 5000).status_code == 422
    shape = client.post("/api/login", json={"login": "anna", "password": ["hemligt"]})
    assert shape.status_code == 422
    assert "hemligt" not in shape.text
    for path in ("/api/cases/x/take", "/api/cases/-1/take", f"/api/cases/{10**30}/take", "/api/cases/999/take"):
        assert client.post(path, json={}).status_code == 404, path
    for body in ({"outcome": "eaten"}, {}, {"outcome": "test", "more": 1}):
        assert client.post(f"/api/cases/{case}/close", json=body).status_code == 422
    closed = client.get("/operators/closed", params={"before": "yesterday,'"}, headers=HTML)
    assert closed.status_code == 200
    assert scene.sql("SELECT state FROM cases") == [("open",)]


def test_the_login_form_leads_only_to_our_own_pages(scene: Scene) -> None:
    client = scene.client(scene.server())
    for goal in (
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
    ):
        answer = client.post("/login", data={"login": "anna", "password": PASSWORD, "next": goal}, headers=HTML)
        assert answer.headers["location"] == "/", goal
