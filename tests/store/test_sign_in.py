"""Ways in and what guards them: one-time links, sessions, cookies, stepping up, requests from other sites."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleet.people import store
from tests.asking import HTML, Asking, ask
from tests.web_server import LOCAL, PASSWORD, Scene, postgres, scene

__all__ = ["postgres", "scene"]

NEW = "ett helt nytt lösenord"
STALE = "UPDATE web_sessions SET stepped_up_at = now() - interval '5 minutes 1 second'"


def link_for(scene: Scene, person: int, **odd: timedelta) -> str:
    return scene.town.do("registry", lambda c: store.make_link(c, LOCAL, person, datetime.now(UTC), **odd))


# One-time links -----------------------------------------------------------------------------------------------


def test_a_link_opens_once_and_ends_what_was_open_before(scene: Scene) -> None:
    person = scene.town.person("tina", ("technician", 1))
    link, second = link_for(scene, person), link_for(scene, person)

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(person) as old, asking.client() as client:
            for _ in range(3):  # mail programs look at links: looking uses nothing up
                shown = await client.get(f"/welcome?link={link}")
                assert shown.status_code == 200
                assert "tina" in shown.text
                assert f'href="?link={link}&amp;lang=en"' in shown.text, "another language keeps the link"
            short = await client.post("/welcome", data={"link": link, "password": "kort"}, headers=HTML)
            assert short.status_code == 400
            done = await client.post("/welcome", data={"link": link, "password": NEW}, headers=HTML)
            assert done.status_code == 303
            assert (await client.get("/technicians", headers=HTML)).status_code == 200
            assert (await old.get("/technicians", headers=HTML)).status_code == 303, "signed out"
            for used in (link, second, "x"):
                assert (await client.get(f"/welcome?link={used}", headers=HTML)).status_code == 404
                again = await client.post("/welcome", data={"link": used, "password": NEW}, headers=HTML)
                assert again.status_code == 404
            assert (await client.post("/api/login", json={"login": "tina", "password": PASSWORD})).status_code == 401
            assert (await client.post("/api/login", json={"login": "tina", "password": NEW})).status_code == 204

    ask(scene, work)
    assert scene.sql("SELECT bool_and(used_at IS NOT NULL), count(*) FROM one_time_links") == [(True, 2)]


@pytest.mark.parametrize("over", ["expired", "closed"])
def test_a_link_that_is_over_opens_nothing(scene: Scene, over: str) -> None:
    person = scene.town.person("tina", ("technician", 1))
    link = link_for(scene, person)
    scene.sql(
        "UPDATE one_time_links SET expires_at = now()" if over == "expired" else "UPDATE users SET closed_at = now()"
    )

    async def work(asking: Asking) -> None:
        async with asking.client() as client:
            assert (await client.get(f"/welcome?link={link}", headers=HTML)).status_code == 404
            answer = await client.post("/welcome", data={"link": link, "password": NEW}, headers=HTML)
            assert answer.status_code == 404
            assert not client.cookies

    ask(scene, work)


def test_an_invited_person_gets_in_by_the_link_that_is_shown_once(scene: Scene) -> None:
    root = scene.town.person("root", ("administrator", 0))

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(root) as client, asking.client() as guest:
            form = {"login": "Nils.N", "display_name": "Nils N", "role": "care_assistant", "place": "m2"}
            made = await client.post("/people", data=form, headers=HTML)
            assert made.status_code == 200
            link = made.text.split("/welcome?link=")[1].split("<")[0]
            assert link not in (await client.get("/people", headers=HTML)).text
            taken = await client.post("/people", data=form, headers=HTML)
            assert taken.status_code == 422
            assert (await guest.post("/welcome", data={"link": link, "password": ""}, headers=HTML)).status_code == 303
            assert (await guest.get("/account", headers=HTML)).status_code == 200
            assert (await guest.get("/technicians", headers=HTML)).status_code == 403

    ask(scene, work)
    held = "SELECT r.municipality_id, r.role FROM person_roles r JOIN users USING (user_id) WHERE login = 'nils.n'"
    assert scene.sql(held) == [(2, "care_assistant")]
    records = scene.sql("SELECT detail::text FROM audit_records")
    assert "Nils" not in str(records), "a record holds no names"


def test_whoever_has_no_role_has_an_account_and_nothing_more(scene: Scene) -> None:
    person = scene.town.person("nemo")

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(person) as client:
            assert (await client.get("/", headers=HTML)).headers["location"] == "/account"
            assert (await client.get("/account", headers=HTML)).status_code == 200
            for path in ("/operators", "/technicians", "/units", "/centres", "/people", "/tokens", "/api/cases"):
                assert (await client.get(path, headers=HTML)).status_code == 403, path

    ask(scene, work)


# Stepping up --------------------------------------------------------------------------------------------------


async def invite_when_stale(asking: Asking, scene: Scene, root: int) -> int:
    """The answer to an invitation by somebody whose step-up is over."""
    async with await asking.signed_in(root) as client:
        scene.sql(STALE)
        form = {"login": "nils", "role": "auditor", "place": "m1"}
        return (await client.post("/people", data=form, headers=HTML)).status_code


def test_a_change_of_people_needs_somebody_who_has_just_shown_who_they_are(scene: Scene) -> None:
    root = scene.town.person("root", ("administrator", 0))
    assert ask(scene, lambda asking: invite_when_stale(asking, scene, root)) == 303
    assert scene.sql("SELECT count(*) FROM users WHERE login = 'nils'") == [(0,)]


def test_negative_control_without_the_step_up_the_change_goes_through(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.web.access.stepped_up", lambda _actor, _at: True)
    root = scene.town.person("root", ("administrator", 0))
    assert ask(scene, lambda asking: invite_when_stale(asking, scene, root)) == 200
    assert scene.sql("SELECT count(*) FROM users WHERE login = 'nils'") == [(1,)]


def test_stepping_up_by_password_leads_back_and_wrong_ones_are_counted(scene: Scene) -> None:
    root = scene.town.person("root", ("administrator", 0))

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(root) as client:
            scene.sql(STALE)
            sent = await client.post(
                "/tokens", data={"name": "x"}, headers={**HTML, "Referer": "http://localhost/tokens?done=x"}
            )
            assert sent.headers["location"] == "/step-up?next=/tokens"
            wrong = await client.post("/step-up", data={"password": "fel", "next": "/tokens"}, headers=HTML)
            assert wrong.status_code == 401
            assert scene.sql("SELECT failures FROM login_failures") == [(1,)]
            away = await client.post("/step-up", data={"password": PASSWORD, "next": "//evil.example"}, headers=HTML)
            assert away.headers["location"] == "/account"
            form = {"name": "x", "role": "auditor", "place": "1", "days": "30"}
            assert (await client.post("/tokens", data=form, headers=HTML)).status_code == 200
            program = await client.post("/account/passkeys/question", json={})
            assert program.status_code == 200
            scene.sql(STALE)
            refused = await client.post("/account/passkeys/question", json={})
            assert refused.status_code == 403
            assert refused.json()["type"] == "urn:livlina:step-up"

    ask(scene, work)


# Sessions and cookies -----------------------------------------------------------------------------------------


def test_over_https_the_cookie_belongs_to_this_host_alone(scene: Scene) -> None:
    async def work(asking: Asking) -> None:
        async with asking.client() as client:
            done = await client.post("/api/login", json={"login": "bo", "password": PASSWORD})
            assert done.status_code == 204
            cookie = next(c for c in done.headers.get_list("set-cookie") if "session" in c)
            assert cookie.startswith("__Host-livlina_session=")
            for part in ("Path=/", "Secure", "HttpOnly", "SameSite=strict"):
                assert part in cookie
            assert "domain" not in cookie.lower()
            token = cookie.split("=", 1)[1].split(";")[0]
        # A neighbour's site could plant a cookie without the prefix: it is not taken.
        async with asking.client(livlina_session=token) as planted:
            assert (await planted.get("/api/cases")).status_code == 401

    ask(scene, work, "https://larm.example")


def test_a_planted_session_is_worth_nothing_after_signing_in(scene: Scene) -> None:
    bo = scene.sql("SELECT user_id FROM users WHERE login = 'bo'")[0][0]

    async def work(asking: Asking) -> None:
        planted = await asking.app.state.web.sessions.start(bo, "password")
        async with asking.client(livlina_session=planted) as victim, asking.client(livlina_session=planted) as thief:
            assert (await thief.get("/api/cases")).status_code == 200
            assert (await victim.post("/api/login", json={"login": "anna", "password": PASSWORD})).status_code == 204
            assert (await thief.get("/api/cases")).status_code == 401
        async with asking.client(livlina_session="chosen-by-somebody-else") as fixed:
            answer = await fixed.post("/api/login", json={"login": "anna", "password": PASSWORD})
            assert "chosen-by-somebody-else" not in str(answer.headers)

    ask(scene, work)


def test_signing_out_everywhere_leaves_this_browser_and_closing_a_person_none(scene: Scene) -> None:
    bo = scene.sql("SELECT user_id FROM users WHERE login = 'bo'")[0][0]
    root = scene.town.person("root", ("administrator", 0))

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(bo) as here, await asking.signed_in(bo) as there:
            assert (await here.post("/account/log-out-everywhere", headers=HTML)).status_code == 303
            assert (await there.get("/api/cases")).status_code == 401
            assert (await here.get("/api/cases")).status_code == 200
            async with await asking.signed_in(root) as admin:
                assert (await admin.post(f"/people/{bo}/close", headers=HTML)).headers["location"].endswith("closed")
                own = await admin.post(f"/people/{root}/close", headers=HTML)
                assert own.headers["location"].endswith("wrong=own_roles")
            assert (await here.get("/api/cases")).status_code == 401
        with pytest.raises(LookupError):
            await asking.app.state.web.sessions.start(bo, "password")

    ask(scene, work)


def test_every_way_in_and_out_stands_in_the_audit_and_no_name_that_was_typed(scene: Scene) -> None:
    async def work(asking: Asking) -> None:
        async with asking.client() as client:
            await client.post("/api/login", json={"login": "bo", "password": "fel"})
            await client.post("/api/login", json={"login": PASSWORD.replace(" ", "-"), "password": "fel"})
            await client.post("/api/login", json={"login": "bo", "password": PASSWORD})
            await client.post("/logout")

    ask(scene, work)
    bo = scene.sql("SELECT user_id FROM users WHERE login = 'bo'")[0][0]
    told = scene.sql("SELECT action, subject FROM audit_records WHERE action LIKE 'person.sign%' ORDER BY record_id")
    who = f"person:{bo}"
    assert told == [("person.sign_in_failed", who), ("person.signed_in", who), ("person.signed_out", who)]
    assert "häst" not in str(scene.sql("SELECT * FROM audit_records"))


# Other sites --------------------------------------------------------------------------------------------------


async def forged(asking: Asking, root: int) -> list[int]:
    """The answers to another site's requests with the administrator's cookie."""
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    forms = {
        "/people": {"login": "nils", "role": "administrator", "place": "m0"},
        "/tokens": {"name": "x", "role": "administrator", "place": "0", "days": "30"},
        "/account/password": {"password": NEW},
        "/account/log-out-everywhere": {},
    }
    async with await asking.signed_in(root) as client:
        return [(await client.post(path, data=form, headers=evil)).status_code for path, form in forms.items()]


def test_another_sites_form_changes_no_people_no_tokens_and_no_password(scene: Scene) -> None:
    root = scene.town.person("root", ("administrator", 0))
    assert ask(scene, lambda asking: forged(asking, root)) == [403] * 4
    assert scene.sql("SELECT count(*) FROM api_tokens") == [(0,)]


def test_negative_control_without_the_check_of_origin_the_forms_go_through(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.web.edge.is_same_origin", lambda _headers, _scheme: True)
    root = scene.town.person("root", ("administrator", 0))
    assert 403 not in ask(scene, lambda asking: forged(asking, root))
    assert scene.sql("SELECT count(*) FROM api_tokens") == [(1,)]
