"""The fleet's pages in a browser: readable for everybody, in light and dark, by the keyboard alone, offline."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Open
from tests.browser.test_accessibility import violations
from tests.store.test_fleet_page import trouble
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
