"""No page of the fleet's web is wider than a narrow telephone: every one that the web side has. In Swedish in each run,
whose words are the longest; tests of single pages look at them in English, too."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from fleet.people.model import ROLES
from tests.browser.conftest import Open
from tests.browser.test_accessibility import SIDEWAYS, many_alarms
from tests.browser.test_sign_in_pages import furnished
from tests.pairing_hall import UNIT, Hall
from tests.store.test_fleet_page import trouble
from tests.store.test_unit_timeline import lived
from tests.unit.web.test_route_permissions import routes, the_app
from tests.web_server import Scene, WebServer

NO_PAGES = {
    "/", "/healthz", "/pairing/worker.js", "/pairing/manifest.webmanifest", "/pairing/api/pairings/{pairing}",
    "/sign-in/oidc/callback", "/sign-in/oidc/{provider}", "/step-up/oidc/{provider}", "/account/oidc/{provider}",
}  # fmt: skip
"""Addresses that answer with something else, or lead elsewhere."""


def pages() -> set[str]:
    """The address of every page, with its parameters' names; what programs ask stands apart."""
    found = {path for path, route in routes(the_app()) if "GET" in (getattr(route, "methods", None) or ())}
    assert found >= NO_PAGES
    return {path for path in found - NO_PAGES if not path.startswith("/api")}


def planned(page: Page, server: WebServer) -> str:
    page.goto(server.base + "/planner")
    page.fill('input[name="installers"]', "1")
    page.fill('input[name="per_day"]', "1")
    page.fill('input[name="start"]', "2027-12-01")
    page.click("main form button.main")
    page.wait_for_url("**/planner/1")
    while page.locator("p.empty[role=status]").count():
        page.reload()
    return "1"


def searched(page: Page, server: WebServer, case: int) -> str:
    page.goto(f"{server.base}/searches?case={case}")
    page.fill("#reason", "borta")
    page.fill("#consent", "ja")
    page.click("main form button.main")
    expect(page.locator("dl.facts")).to_be_visible()
    return page.url.rpartition("/")[2]


@pytest.mark.parametrize("language", ["sv", pytest.param("en", marks=pytest.mark.proof)])
def test_no_page_scrolls_sideways_at_360_pixels(
    scene: Scene, server: WebServer, open_page: Open, language: str
) -> None:
    trouble(scene)
    lived(scene)
    Hall(scene)
    case, _ = many_alarms(scene)
    scene.town.unit(0x3B, 1, "tracker")
    missing = scene.town.press(0x3B, 1, unit_type="tracker")
    person, _ = furnished(scene)
    scene.town.person("alla", *((role, 1) for role in ROLES if role != "administrator"), ("administrator", 0))
    [(recipient,)] = scene.sql("SELECT recipient_id FROM care_recipients")
    page = open_page(server, "alla", "/fleet", viewport={"width": 360, "height": 820})
    plan = planned(page, server)
    which = {
        "/people/{person}": person, "/operators/cases/{case_id}": case, "/units/{unit_id}": f"{UNIT:08x}",
        "/units/{unit_id}/timeline": "00000001", "/recipients/{recipient}": recipient, "/incidents/{number}": 7,
        "/planner/{number}": plan, "/planner/{number}/work": plan,
        "/searches/{search}": searched(page, server, missing),
    }  # fmt: skip
    wide, seen = [], sorted(pages())
    for path in seen:
        answer = page.goto(server.base + re.sub(r"\{.+\}", str(which.get(path)), path) + f"?lang={language}")
        assert answer is not None and answer.status == (200 if path != "/welcome" else 404), path
        assert page.locator("html").get_attribute("lang") == language
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        wide += [(path, found) for found in page.evaluate(SIDEWAYS)]
    assert wide == [] and len(seen) > 30
