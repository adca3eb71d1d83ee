"""The fleet's pages in a browser: readable for everybody, in light and dark, by the keyboard alone, offline."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.test_accessibility import violations
from tests.looks import LOOKS, Widths
from tests.store.test_fleet_page import trouble
from tests.store.test_incident_pages import without_a_path
from tests.store.test_planner_page import doomed
from tests.store.test_unit_timeline import lived
from tests.web_server import Scene, WebServer


def shoot(page: Page, name: str) -> None:
    """Keeps a picture where somebody wants to look at it: LIVLINA_SHOTS names a folder."""
    if folder := os.environ.get("LIVLINA_SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def look(page: Page, name: str, widths: Widths) -> None:
    """Readable for everybody, and nothing runs out of sight."""
    for width in widths:
        page.set_viewport_size({"width": width, "height": 820})
        assert violations(page) == [], (name, width)
        shoot(page, f"{name}-{width}")


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_the_fleet_its_units_and_an_incident_by_the_keyboard(
    scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str, widths: Widths
) -> None:
    """One evening over all of them: what needs attention, a list, a unit, its timeline, an outage, its paper."""
    trouble(scene)
    lived(scene)
    without_a_path(scene, datetime.now(UTC))
    scene.sql(
        "INSERT INTO battery_forecasts (unit_id, municipality_id, at, days, least, most, sigma, share, percent) "
        "VALUES (2, 1, now(), 0.4, 0.1, 0.8, 0.2, 0.02, 9)"
    )
    scene.sql(
        "INSERT INTO unit_paths (unit_id, slot, operator, radio, municipality_id, first_seen_at, seen_at) "
        "SELECT 1, n, 24001, 3, 1, now(), now() - n * interval '2 days' FROM generate_series(1, 2) n"
    )
    page = open_page(server, "anna", "/fleet", color_scheme=scheme, locale=locale)
    elsewhere: list[str] = []
    page.on("request", lambda asked: None if asked.url.startswith(server.base) else elsewhere.append(asked.url))
    page.reload()
    look(page, f"fleet-{scheme}", widths)
    assert page.locator("figure.map path:not(.other)").count() == 2
    page.focus('li[data-concern="silent"] a')
    page.keyboard.press("Enter")
    page.wait_for_url("**/fleet/units?concern=silent**")
    look(page, f"fleet-units-{scheme}", widths)
    page.focus('input[name="name"]')
    page.keyboard.type("Tysta")
    page.keyboard.press("Enter")
    page.wait_for_url("**saved=yes")
    page.goto(server.base + "/fleet")
    assert page.locator("h2#filters + ul li").inner_text().startswith("3 Tysta")
    page.goto(server.base + "/fleet/weekend")
    assert page.locator("tr[data-stop]").count() == 1
    look(page, f"weekend-{scheme}", widths)
    for path in ("/units/00000001", "/units/00000001/timeline"):
        page.goto(server.base + path)
        page.locator("details summary").last.focus()
        page.keyboard.press("Enter")
        assert page.locator("details table").is_visible() and page.locator("svg .line").count() == 2
        look(page, f"{path.strip('/').replace('/', '-')}-{scheme}", widths)
    for path in ("/incidents", "/incidents/7"):
        page.goto(server.base + path)
        look(page, f"{path.strip('/').replace('/', '-')}-{scheme}", widths)
    page.emulate_media(media="print")
    assert page.locator("tr[data-visit]").count() == 3
    assert not page.locator("header.top").is_visible()
    page.emulate_media(media="screen")
    _stays_up_to_date_and_says_when_it_does_not(scene, server, page)
    assert elsewhere == []


def _stays_up_to_date_and_says_when_it_does_not(scene: Scene, server: WebServer, page: Page) -> None:
    page.clock.install()
    page.reload()
    page.focus('tr[data-visit="00000003"] a')
    scene.sql("UPDATE incident_units SET fate = 'back' WHERE unit_id = 2")
    page.clock.fast_forward(10_500)
    expect(page.locator('tr[data-visit="00000002"]')).to_have_count(0)
    expect(page.locator('tr[data-visit="00000003"] a')).to_be_focused()
    expect(page.locator("#news")).not_to_be_empty()
    expect(page.locator("#stale")).to_be_hidden()
    server.stop()
    page.clock.fast_forward(30_000)
    expect(page.locator("#stale")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_a_plan_is_made_compared_and_printed(
    scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str, widths: Widths
) -> None:
    doomed(scene)
    scene.town.person("agare", ("fleet_owner", 0))
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
        for one in page.locator("details.edit summary").all():
            one.click()
        look(page, f"{path.strip('/').replace('/', '-').partition('?')[0]}-{scheme}", widths)
    page.emulate_media(media="print")
    assert page.locator("tr[data-visit]").count() == 1
    assert not page.locator("header.top").is_visible() and not page.locator("form.filters").is_visible()


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_reporting_times_are_chosen(
    scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str, widths: Widths
) -> None:
    scene.town.person("agare", ("fleet_owner", 1))
    page = open_page(server, "agare", "/profiles", color_scheme=scheme, locale=locale)
    page.focus("main form button.main")
    page.keyboard.press("Enter")
    assert page.url.endswith("/profiles"), "nobody chooses 32 days by a key that he did not mean"
    page.focus("details.edit summary")
    page.keyboard.press("Enter")
    for name, text in (("name", "ours"), ("report_s", "120"), ("source", "contract 12")):
        page.fill(f'input[name="{name}"]', text)
    page.keyboard.press("Enter")
    page.wait_for_url("**/profiles?done=1")
    assert page.get_by_text("contract 12").count() == 1
    page.locator("details.edit summary").click()
    look(page, f"profiles-{scheme}", widths)


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_somebody_says_what_he_wants_to_be_told(
    scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str, widths: Widths
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
    look(page, f"notifications-{scheme}", widths)
    assert not page.locator('input[value="sim"]').is_checked() and page.locator('input[value="fault"]').is_checked()
