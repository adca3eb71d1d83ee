"""Centres, services, districts and the import of a fleet in Chromium: by keyboard, both languages, light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.test_accessibility import violations
from tests.looks import LOOKS, Widths
from tests.web_server import Scene, WebServer

HEAD = "kind,municipality,reference,priority,unit,type,life\n"


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_axe_finds_nothing_and_a_file_comes_in_by_keyboard(
    scene: Scene, server: WebServer, open_page: Open, tmp_path: Path, scheme: str, locale: str, widths: Widths
) -> None:
    scene.town.person("alla", ("administrator", 0), ("fleet_owner", 1))
    scene.sql("INSERT INTO alarm_centres (name) VALUES ('Norra centralen')")
    scene.sql("INSERT INTO districts (municipality_id, name) VALUES (1, 'Norr'), (1, 'Söder')")
    page = open_page(server, "alla", "/import", color_scheme=scheme, locale=locale, reduced_motion="reduce")

    def look() -> None:
        for width in widths:
            page.set_viewport_size({"width": width, "height": 820})
            assert violations(page) == [], f"{page.url} {width}"

    def choose(text: str, button: str) -> None:
        file = tmp_path / "fleet.csv"
        file.write_text(text)
        page.set_input_files('input[type="file"]', file)
        page.focus(button)
        page.keyboard.press("Enter")
        expect(page.locator('[role="status"]')).to_be_visible()

    look()
    choose(f"{HEAD}unit,1,,,0000aa02,social,active\nrecipient,1,AB-1,9,,,\n", "main form button.main")
    expect(page.locator("main table tbody tr")).to_have_count(2)
    look()
    good = f"{HEAD}recipient,1,AB-1,2,,,\nunit,1,,,0000aa02,social,in_stock\n"
    choose(good, "main form button.main")
    expect(page.locator('input[name="looked"]')).to_have_count(1)
    look()
    assert scene.sql("SELECT 1 FROM units WHERE unit_id = %s", 0xAA02) == []
    choose(good, 'button[name="write"]')
    expect(page.locator('input[name="looked"]')).to_have_count(0)
    assert scene.sql("SELECT life FROM units WHERE unit_id = %s", 0xAA02) == [("in_stock",)]
    page.goto(server.base + "/services")
    page.locator('form[action$="/name"] input').first.fill("Nordost")
    page.keyboard.press("Enter")
    expect(page.locator('[role="status"]')).to_be_visible()
    assert scene.sql("SELECT count(*) FROM districts WHERE name = 'Nordost'") == [(1,)]
    look()
    page.goto(server.base + "/centres/setup")
    page.fill('input[name="name"]', "Södra")
    page.fill('input[name="to"]', "192.0.2.8:7000")
    page.select_option('select[name="municipality"]', "1")
    page.select_option('select[name="rank"]', "2")
    page.select_option('select[name="reports_taken"]', "webhook")
    page.focus("main form button.main")
    page.keyboard.press("Enter")
    expect(page.locator("p.secret")).to_be_visible()
    look()
