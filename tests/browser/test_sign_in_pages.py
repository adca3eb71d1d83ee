"""Signing in, one's own account, people and tokens in real Chromium, passkeys with its virtual authenticator."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import CDPSession, Page, expect

from fleet.people import store
from tests.browser.conftest import Open
from tests.browser.test_accessibility import violations
from tests.looks import LOOKS, Widths
from tests.web_server import LOCAL, PASSWORD, Scene, WebServer

STALE = "UPDATE web_sessions SET stepped_up_at = now() - interval '10 minutes'"
UNVERIFIED = """async () => {
  const post = (path, body) =>
    fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const options = await (await post("/sign-in/passkey/question", {})).json();
  options.userVerification = "discouraged";
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = (await navigator.credentials.get({ publicKey })).toJSON();
  return (await post("/sign-in/passkey", { credential })).status;
}"""


def named(server: WebServer) -> str:
    """The server under a host name: passkeys belong to one."""
    return server.base.replace("127.0.0.1", "localhost")


def sign_in(page: Page, server: WebServer, login: str, path: str = "/account") -> None:
    page.goto(f"{named(server)}/login?next={path}")
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/login?" not in address)


def authenticator(page: Page, *, verified: bool = True) -> tuple[CDPSession, str]:
    """A device of the person that keeps passkeys and has checked its user, or could not."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    made = session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
                "isUserVerified": verified, "automaticPresenceSimulation": True,
            }
        },
    )  # fmt: skip
    return session, made["authenticatorId"]


def add_passkey(page: Page, name: str = "Min mobil") -> None:
    page.fill("#passkey-name", name)
    page.click("[data-passkey='add']")
    page.wait_for_url("**/account?done=passkey_added")
    expect(page.locator(".rows").first).to_contain_text(name)


def sign_out(page: Page) -> None:
    page.click("form[action='/logout'] button")
    page.wait_for_url("**/login")


def test_a_passkey_signs_in_without_name_or_password(scene: Scene, server: WebServer, open_page: Open) -> None:
    page = open_page(server, path="/login")
    sign_in(page, server, "anna")
    authenticator(page)
    add_passkey(page)
    sign_out(page)
    page.click("[data-passkey='sign-in']")
    page.wait_for_url("**/operators")
    assert scene.sql("SELECT method FROM web_sessions") == [("passkey",)]
    assert scene.sql("SELECT count(*) FROM passkeys WHERE used_at IS NOT NULL AND sign_count > 0") == [(1,)]
    told = scene.sql(
        "SELECT action, detail->>'method' FROM audit_records WHERE actor LIKE 'person:%' ORDER BY record_id"
    )
    assert told[-3:] == [("person.passkey_added", None), ("person.signed_out", None), ("person.signed_in", "passkey")]


def test_a_passkey_that_was_removed_or_copied_signs_nobody_in(scene: Scene, server: WebServer, open_page: Open) -> None:
    page = open_page(server, path="/login")
    sign_in(page, server, "anna")
    authenticator(page)
    add_passkey(page)
    sign_out(page)
    # Somebody else's copy has been used since: its counter is ahead of this device's.
    scene.sql("UPDATE passkeys SET sign_count = 1000")
    page.click("[data-passkey='sign-in']")
    expect(page.locator("#passkey-fault")).to_have_text(
        "Passnyckeln godtogs inte. Försök igen, eller logga in på ett annat sätt."
    )
    scene.sql("DELETE FROM passkeys")
    page.click("[data-passkey='sign-in']")
    expect(page.locator("#passkey-fault")).to_be_visible()
    assert scene.sql("SELECT count(*) FROM web_sessions") == [(0,)]


def test_with_the_second_step_the_password_alone_is_not_enough(
    scene: Scene, server: WebServer, open_page: Open
) -> None:
    page = open_page(server, path="/login")
    sign_in(page, server, "anna")
    device, number = authenticator(page)
    add_passkey(page)
    page.click("form[action='/account/second-step'] button")
    page.wait_for_url("**/account?done=second_step")
    sign_out(page)
    sign_in(page, server, "anna", "/units")
    expect(page.locator("h1")).to_have_text("Andra steget")
    assert scene.sql("SELECT count(*) FROM web_sessions") == [(0,)]
    assert page.request.get(f"{named(server)}/api/cases").status == 401
    page.click("[data-passkey='second']")
    page.wait_for_url("**/units")
    sign_out(page)
    # A passkey alone signs in only if the device has verified its owner, whatever a page of somebody else's asks it.
    device.send("WebAuthn.setUserVerified", {"authenticatorId": number, "isUserVerified": False})
    page.click("[data-passkey='sign-in']")
    expect(page.locator("#passkey-fault")).to_be_visible()
    assert page.evaluate(UNVERIFIED) == 401
    device.send("WebAuthn.setUserVerified", {"authenticatorId": number, "isUserVerified": True})
    assert page.evaluate(UNVERIFIED.replace("discouraged", "required")) == 200, "the control"
    scene.sql("DELETE FROM web_sessions")
    assert scene.sql("SELECT count(*) FROM web_sessions") == [(0,)]
    program = page.request.post(f"{named(server)}/api/login", data={"login": "anna", "password": PASSWORD})
    assert program.status == 403


def test_stepping_up_by_passkey_leads_back_to_where_one_was(scene: Scene, server: WebServer, open_page: Open) -> None:
    scene.town.person("root", ("administrator", 0))
    page = open_page(server, path="/login")
    sign_in(page, server, "root")
    authenticator(page)
    add_passkey(page)
    scene.sql(STALE)
    page.goto(f"{named(server)}/people")
    expect(page.locator("input[name='login']")).to_have_count(0)
    page.click("main a.button")
    page.wait_for_url("**/step-up?next=/people")
    page.click("[data-passkey='step-up']")
    page.wait_for_url("**/people")
    expect(page.locator("input[name='login']")).to_be_visible()


def test_an_administrator_invites_by_keyboard_and_the_invited_gets_in(
    scene: Scene, server: WebServer, open_page: Open
) -> None:
    scene.town.person("root", ("administrator", 0))
    page = open_page(server, path="/login")
    sign_in(page, server, "root", "/people")
    page.focus("input[name='login']")
    page.keyboard.type("nils")
    page.keyboard.press("Tab")
    page.keyboard.type("Nils N")
    page.keyboard.press("Tab")
    page.keyboard.type("Tek")
    page.keyboard.press("Tab")
    page.keyboard.type("Krist")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    link = page.locator(".secret").inner_text()
    expect(page.locator(".rows")).to_contain_text("Tekniker")
    guest = open_page(server, path="/login")
    guest.goto(link)
    guest.fill("#password", "ett helt nytt lösenord")
    guest.keyboard.press("Enter")
    guest.wait_for_url("**/account?done=welcome")
    expect(guest.locator("nav").get_by_text("Larm", exact=True)).to_have_count(0)
    expect(guest.locator("nav")).to_contain_text("Uppgifter")
    guest.goto(f"{named(server)}/operators")
    expect(guest.locator(".fault")).to_have_text(
        "Dina roller tillåter inte detta. Fråga din administratör om du behöver det."
    )
    guest.goto(link)
    expect(guest.locator(".fault")).to_contain_text("Länken är redan använd")
    page.click("form[action$='/revoke'] button")
    expect(page.locator(".done")).to_have_text("Det är borttaget.")
    guest.goto(f"{named(server)}/technicians")
    expect(guest.locator(".fault")).to_be_visible()


def furnished(scene: Scene, login: str = "root") -> tuple[int, str]:
    """People, a provider and tokens, so that every part of the pages is there; returns a person and a link."""
    scene.town.person(login, ("administrator", 0))
    number = scene.town.person("nina.nilsson", ("operator", 1), ("technician", 2))
    at = datetime.now(UTC)
    link = scene.town.do("registry", lambda c: store.make_link(c, LOCAL, number, at))
    scene.sql(
        "INSERT INTO identity_providers (municipality_id, name, issuer, client_id, made_at) "
        "VALUES (1, 'Kommunens inloggning', 'https://id.example', 'us', now())"
    )
    scene.sql(
        "INSERT INTO api_tokens (municipality_id, token_hash, prefix, name, role, municipalities, made_at, made_by, "
        "expires_at, revoked_at) VALUES "
        "(1, sha256('a'), 'livlina_Ab3', 'Journalsystem', 'fleet_owner', '{1}', now(), 'x', now() + '9 days', NULL), "
        "(0, sha256('b'), 'livlina_Qw9', 'Rapporter', 'auditor', '{0}', now(), 'x', now() - interval '1 day', NULL), "
        "(2, sha256('c'), 'livlina_Zz0pLk', 'Gammal', 'operator', '{2}', now(), 'x', now() + '9 days', now())"
    )
    return number, link


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_axe_finds_nothing_on_the_pages_of_people(
    scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str, widths: Widths
) -> None:
    number, link = furnished(scene)
    page = open_page(server, path="/login", color_scheme=scheme, locale=locale, reduced_motion="reduce")
    seen = ["/login", f"/welcome?link={link}", "/welcome?link=x"]
    for path in seen:
        look(page, server, path, f"{scheme}-{locale[:2]}", widths)
    sign_in(page, server, "root")
    authenticator(page)
    add_passkey(page, "Telefon")
    for path in ("/account", "/people", f"/people/{number}", "/tokens", "/step-up", "/operators"):
        look(page, server, path, f"{scheme}-{locale[:2]}", widths)
    scene.sql(STALE)
    for path in ("/account", "/people", f"/people/{number}?wrong=last_administrator", "/tokens?done=gone"):
        look(page, server, path, f"{scheme}-{locale[:2]}-stale", widths)


def look(page: Page, server: WebServer, path: str, kind: str, widths: Widths) -> None:
    """axe, nothing out of sight sideways, targets large enough; a picture where the environment names a folder."""
    page.goto(named(server) + path)
    for width in widths:
        page.set_viewport_size({"width": width, "height": 820})
        assert violations(page) == [], (path, width)
        small = page.locator("button:visible, .button:visible, select:visible").evaluate_all(
            "all => all.filter(one => one.getBoundingClientRect().height < 24).map(one => one.outerHTML)"
        )
        assert small == [], (path, width)
        if folder := os.environ.get("LIVLINA_PICTURES"):
            name = path.strip("/").split("?")[0].replace("/", "-") or "home"
            page.screenshot(path=str(Path(folder) / f"{name}-{kind}-{width}.png"), full_page=True)


def test_negative_control_a_label_that_is_missing_is_found(scene: Scene, server: WebServer, open_page: Open) -> None:
    furnished(scene)
    page = open_page(server, path="/login")
    sign_in(page, server, "root", "/people")
    page.evaluate(
        "document.querySelector('input[name=login]').parentElement.replaceWith(document.querySelector('input[name=login]'))"
    )
    assert any("label" in found for found in violations(page))
