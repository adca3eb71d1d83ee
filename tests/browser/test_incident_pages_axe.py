"""An incident with its visits: readable for everybody, in light and dark, on a narrow screen and on paper."""

from __future__ import annotations

import pytest

from tests import web_night
from tests.browser.conftest import Open
from tests.browser.test_accessibility import violations
from tests.store.test_incident_pages import outage
from tests.web_server import Scene, WebServer


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_paper_holds_the_visits(
    scene: Scene, server: WebServer, open_page: Open, scheme: str
) -> None:
    web_night.night(scene)
    outage(scene)
    page = open_page(server, "anna", "/incidents", color_scheme=scheme)
    for path in ("/incidents", "/incidents/7"):
        page.goto(server.base + path)
        for width in (1366, 360):
            page.set_viewport_size({"width": width, "height": 820})
            assert violations(page) == [], (path, width)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (path, width)
    page.emulate_media(media="print")
    assert page.locator("tr[data-visit]").count() == 3
    assert not page.locator("header.top").is_visible()
