"""Searches for wearers of trackers, and services, in Chromium: by keyboard, in both languages, light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from fleet.registry import units
from fleet.store.pool import Connection
from tests.browser.conftest import Open
from tests.browser.test_accessibility import violations
from tests.looks import LOOKS, Widths
from tests.pairing_hall import REFERENCE, UNIT, Hall
from tests.web_server import PASSWORD, Scene, WebServer, until

TRACKER = 0x3B


@pytest.fixture
def case(scene: Scene) -> int:
    """An open case of a tracker, and somebody who may do everything here."""
    scene.town.unit(TRACKER, 1, "tracker")
    scene.town.person("alla", *((role, 1) for role in ("operator", "technician", "fleet_owner", "administrator")))
    return scene.town.press(TRACKER, 1, unit_type="tracker")


def test_a_search_is_begun_looked_at_and_ended_by_keyboard(
    case: int, scene: Scene, server: WebServer, open_page: Open
) -> None:
    page = open_page(server, "alla", f"/searches?case={case}", locale="sv-SE")
    page.focus("#reason")
    page.keyboard.type("borta sedan i morse")
    page.keyboard.press("Tab")
    page.keyboard.type("dottern har samtyckt")
    page.keyboard.press("Enter")
    page.wait_for_url("**/searches/*")
    if "/step-up" in page.url or page.locator('input[type="password"]').count():
        page.fill('input[type="password"]', PASSWORD)
        page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(f"Var är {TRACKER:08x}?")
    [(search,)] = scene.sql("SELECT search_id FROM search_sessions")
    scene.sql(
        "INSERT INTO search_positions (unit_id, boot, seq, municipality_id, search_id, received_at, age_s, data) "
        "VALUES (%s, 9, 9, 1, %s, now(), 4, %s)", TRACKER, search, bytes.fromhex("a2011a2362a5d8021a0763d0e0"),
    )  # fmt: skip
    page.reload()
    expect(page.locator("td.code")).to_contain_text("59.")
    looks = scene.sql("SELECT count(*) FROM audit_records WHERE action = 'search.looked'")
    assert looks[0][0] >= 2
    page.locator("form button").last.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/searches")
    assert scene.sql("SELECT count(*) FROM search_positions") == [(0,)]
    assert scene.sql("SELECT ended_by IS NOT NULL FROM search_sessions") == [(True,)]
    gone = page.goto(f"{server.base}/searches/{search}")
    assert gone is not None and gone.status == 404


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_axe_finds_nothing_on_searches_and_services(
    case: int, scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str, widths: Widths
) -> None:
    scene.sql("INSERT INTO alarm_centres (name) VALUES ('Norra centralen')")
    scene.sql(
        "INSERT INTO services (municipality_id, service, valid_from, alarm_centre_id, hours, starts_minute) "
        "SELECT 1, 'alarm_reception', now(), alarm_centre_id, 'on_call', 480 FROM alarm_centres"
    )
    scene.sql("INSERT INTO districts (municipality_id, name) VALUES (1, 'Norr')")
    page = open_page(server, "alla", "/searches", color_scheme=scheme, locale=locale, reduced_motion="reduce")

    def look() -> None:
        for width in widths:
            page.set_viewport_size({"width": width, "height": 820})
            assert violations(page) == [], f"{page.url} {width}"

    look()
    page.goto(server.base + "/services")
    expect(page.locator("main")).to_contain_text("Norra centralen")
    look()
    page.goto(server.base + "/searches")
    page.fill("#reason", "borta")
    page.fill("#consent", "ja")
    page.click("main form button.main")
    if page.locator('input[type="password"]').count():
        page.fill('input[type="password"]', PASSWORD)
        page.keyboard.press("Enter")
    expect(page.locator("dl.facts")).to_be_visible()
    look()


def test_a_unit_is_prepared_for_somebody_on_its_page(scene: Scene, server: WebServer, open_page: Open) -> None:
    hall = Hall(scene)
    scene.town.person("alla", ("technician", 1))
    page = open_page(server, "alla", f"/units/{UNIT:08x}")

    def prepare(reference: str) -> None:
        page.fill('input[name="reference"]', reference)
        page.keyboard.press("Enter")

    prepare("K-999999")
    page.wait_for_url("**?refused=1")
    assert hall.life() == "in_stock"
    prepare(REFERENCE)
    until(lambda: hall.life() == "assigned", "the unit to be prepared")

    async def planned(connection: Connection) -> Any:
        return await units.planned_for(connection, UNIT)

    assert scene.town.do("registry", planned) is not None
