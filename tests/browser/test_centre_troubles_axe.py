"""A centre with troubles on its page: readable for everybody, in light and dark."""

from __future__ import annotations

import pytest

from tests import web_night
from tests.browser.conftest import Open
from tests.browser.test_accessibility import violations
from tests.looks import LOOKS, Widths
from tests.web_server import Scene, WebServer


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_axe_finds_nothing_on_a_centre_with_troubles(
    scene: Scene, server: WebServer, open_page: Open, locale: str, scheme: str, widths: Widths
) -> None:
    web_night.night(scene)
    for kind, unit in (("authentication", None), ("certificate", None), ("refusing", None), ("unit", 1)):
        scene.sql(
            "INSERT INTO centre_troubles (centre_id, municipality_id, kind, unit_id, code, times, began_at, last_at) "
            "SELECT n.centre_id, coalesce(u.municipality_id, 0), %s, u.unit_id, 'sip 403 Forbidden', 37, now(), now() "
            "FROM centres n LEFT JOIN units u ON u.unit_id = %s WHERE n.name = %s",
            kind, unit, web_night.NORTH,
        )  # fmt: skip
    page = open_page(server, "anna", "/centres", color_scheme=scheme, locale=locale)
    assert page.locator(".troubles li").count() == 4
    for width in widths:
        page.set_viewport_size({"width": width, "height": 820})
        assert violations(page) == [], width
