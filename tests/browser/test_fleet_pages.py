"""The fleet's pages in a browser: readable for everybody, in light and dark, by the keyboard alone, offline."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Open
from tests.browser.test_accessibility import violations
from tests.store.test_fleet_page import trouble
from tests.store.test_planner_page import doomed
from tests.store.test_unit_timeline import lived
from tests.web_server import Scene, WebServer


def shoot(page: Page, name: str) -> None:
    """Keeps a picture where somebody wants to look at it: LIVLINA_SHOTS names a folder."""
    if folder := os.environ.get("LIVLINA_SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize(("scheme", "locale"), [("light", "sv-SE"), ("dark", "en-GB")])
def test_the_fleet_and_a_filter_by_the_keyboard(
    scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str
) -> None:
    trouble(scene)
    page = open_page(server, "anna", "/fleet", color_scheme=scheme, locale=locale)
    elsewhere: list[str] = []
    page.on("request", lambda asked: None if asked.url.startswith(server.base) else elsewhere.append(asked.url))
    page.reload()
    for width in (1366, 360):
        page.set_viewport_size({"width": width, "height": 820})
        assert violations(page) == [], width
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        shoot(page, f"fleet-{scheme}-{width}")
    assert page.locator("figure.map path:not(.other)").count() == 2
    page.focus('li[data-concern="silent"] a')
    page.keyboard.press("Enter")
    page.wait_for_url("**/fleet/units?concern=silent**")
    for width in (1366, 360):
        page.set_viewport_size({"width": width, "height": 820})
        assert violations(page) == [], width
        shoot(page, f"fleet-units-{scheme}-{width}")
    page.focus('input[name="name"]')
    page.keyboard.type("Tysta")
    page.keyboard.press("Enter")
    page.wait_for_url("**saved=yes")
    page.goto(server.base + "/fleet")
    assert page.locator("h2#filters + ul li").inner_text().startswith("3 Tysta")
    scene.sql(
        "INSERT INTO battery_forecasts (unit_id, municipality_id, at, days, least, most, sigma, share, percent) "
        "VALUES (2, 1, now(), 0.4, 0.1, 0.8, 0.2, 0.02, 9)"
    )
    page.goto(server.base + "/fleet/weekend")
    assert page.locator("tr[data-stop]").count() == 1 and violations(page) == []
    shoot(page, f"weekend-{scheme}")
    assert elsewhere == []


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "sv-SE")])
def test_a_units_timeline(scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str) -> None:
    lived(scene)
    page = open_page(server, "anna", "/units/00000001/timeline", color_scheme=scheme, locale=locale)
    page.locator("details summary").focus()
    page.keyboard.press("Enter")
    for width in (1366, 360):
        page.set_viewport_size({"width": width, "height": 820})
        assert violations(page) == [], width
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        shoot(page, f"timeline-{scheme}-{width}")
    assert page.locator("details table").is_visible()


@pytest.mark.parametrize(("scheme", "locale"), [("light", "sv-SE"), ("dark", "en-GB")])
def test_a_plan_is_made_compared_and_printed(
    scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str
) -> None:
    doomed(scene)
    scene.town.person("agare", ("fleet_owner", 1), ("fleet_owner", 2))
    page = open_page(server, "agare", "/planner", color_scheme=scheme, locale=locale)
    page.fill('input[name="installers"]', "1")
    page.fill('input[name="per_day"]', "1")
    page.fill('input[name="start"]', "2027-12-01")
    page.focus("main form button.main")
    page.keyboard.press("Enter")
    page.wait_for_url("**/planner/1")
    page.select_option('select[name="network"]', "telia:gsm:SE")
    page.fill('input[name="moved_to"]', "2027-12-02")
    page.keyboard.press("Enter")
    page.wait_for_url("**/planner/2")
    while page.locator("p.empty[role=status]").count():
        page.reload()
    assert page.locator("figure.chart path.second").count() == 1
    for path in ("/planner", "/planner/2", "/planner/2/work?day=1"):
        page.goto(server.base + path)
        for width in (1366, 360):
            page.set_viewport_size({"width": width, "height": 820})
            assert violations(page) == [], (path, width)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (path, width)
            shoot(page, f"{path.strip('/').replace('/', '-').partition('?')[0]}-{scheme}-{width}")
    page.emulate_media(media="print")
    assert page.locator("tr[data-visit]").count() == 1
    assert not page.locator("header.top").is_visible() and not page.locator("form.filters").is_visible()


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "sv-SE")])
def test_somebody_says_what_he_wants_to_be_told(
    scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str
) -> None:
    person = scene.town.person("tekniker", ("technician", 1))
    page = open_page(server, "tekniker", "/notifications", color_scheme=scheme, locale=locale)
    page.fill("#address", "tekniker@kommun.example")
    page.uncheck('input[value="sim"]')
    page.focus("#quiet_until")
    page.keyboard.press("Enter")
    page.wait_for_url("**done=kept")
    scene.sql(
        "INSERT INTO notifications (user_id, queued_at, items, cannot_wait, attempts, next_try_at, last_outcome) "
        "VALUES (%s, now(), 3, true, 2, now(), 'no answer')", person,
    )  # fmt: skip
    page.goto(server.base + "/notifications")
    for width in (1366, 360):
        page.set_viewport_size({"width": width, "height": 820})
        assert violations(page) == [], width
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        shoot(page, f"notifications-{scheme}-{width}")
    assert not page.locator('input[value="sim"]').is_checked() and page.locator('input[value="fault"]').is_checked()
