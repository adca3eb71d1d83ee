"""Pages of units, recipients and pairing: nobody is shut out by how they look, and nobody is named unasked."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from fleet.registry import recipients
from fleet.registry.label import label_of
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection
from tests.browser.conftest import Open
from tests.browser.test_accessibility import violations
from tests.looks import LOOKS, Widths
from tests.pairing_hall import DIGITS, REFERENCE, UNIT, Hall
from tests.web_server import PASSWORD, Scene, WebServer, until


@pytest.fixture
def hall(scene: Scene) -> Hall:
    return Hall(scene)


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_axe_finds_nothing_on_any_of_these_pages(
    hall: Hall, scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str, widths: Widths
) -> None:
    scene.town.person("alla", *((role, 1) for role in ("care_assistant", "technician", "operator", "fleet_owner")))
    page = open_page(server, "alla", "/pairing", color_scheme=scheme, locale=locale, reduced_motion="reduce")
    expect(page.locator("#contact")).to_have_attribute("data-state", "ok")
    recipient = scene.sql("SELECT recipient_id FROM care_recipients")[0][0]

    def look() -> None:
        for width in widths:
            page.set_viewport_size({"width": width, "height": 820})
            assert violations(page) == [], f"{page.url} {width}"

    look()
    page.fill("#label", label_of(UNIT))
    page.fill("#reference", REFERENCE)
    page.fill("#digits", "00")
    page.click("#begin")
    expect(page.locator("#fault")).to_be_visible()
    look()
    page.fill("#digits", DIGITS)
    page.click("#begin")
    expect(page.locator("#steps li")).to_have_count(4)
    hall.settle()
    hall.press(*hall.take_orders())
    hall.take_orders()
    expect(page.locator("#say")).to_have_attribute("data-state", "ready")
    look()
    for path in ("/units", f"/units/{UNIT:08x}", "/recipients", f"/recipients/{recipient}", "/openings"):
        page.goto(server.base + path)
        look()


def test_who_it_is_shows_only_after_the_dialogue_and_the_look_is_seen(
    hall: Hall, scene: Scene, server: WebServer, open_page: Open
) -> None:
    recipient = scene.sql("SELECT recipient_id FROM care_recipients")[0][0]
    person = recipients.Person("Kanariefågel Gulsdotter", "Burvägen 17", "Nyckel hos Kvitter")

    async def seal(connection: Connection) -> None:
        await recipients.seal_person(
            connection, SecretBox(bytes(32)), recipient, person, actor="person:9", at=datetime.now(UTC)
        )

    scene.town.do("registry", seal)
    scene.town.person("alla", *((role, 1) for role in ("operator", "fleet_owner")))
    page = open_page(server, "alla", f"/recipients/{recipient}")
    assert "Kanariefågel" not in page.content()
    page.fill("#reason", "Dörren är låst och ingen svarar")
    page.click("main form button.main")
    if "/step-up" in page.url:
        page.fill('input[type="password"]', PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/recipients/{recipient}")
        assert "Kanariefågel" not in page.content()
        page.fill("#reason", "Dörren är låst och ingen svarar")
        page.click("main form button.main")
    expect(page.locator("#person-head")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Burvägen 17")
    assert "Kanarie" not in page.url
    page.goto(server.base + "/openings")
    expect(page.locator("main")).to_contain_text("Dörren är låst och ingen svarar")
    assert "Kanariefågel" not in page.content()
    page.click("main form button.main")
    until(
        lambda: scene.sql("SELECT count(*) FROM recipient_openings WHERE seen_by IS NULL") == [(0,)], "both to be seen"
    )
