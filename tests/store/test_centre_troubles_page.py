"""What is wrong with a centre stands on its page, for those who may see it."""

from __future__ import annotations

from tests import web_night
from tests.store.test_web_pages import shown
from tests.web_server import Scene, postgres, scene

__all__ = ["postgres", "scene"]


def test_troubles_stand_beside_the_state_of_their_centre(scene: Scene) -> None:
    web_night.night(scene)
    for kind, unit, code in (("authentication", None, "sip 403 Forbidden"), ("unit", 1, "5 not treated")):
        scene.sql(
            "INSERT INTO centre_troubles (centre_id, municipality_id, kind, unit_id, code, times, began_at, last_at) "
            "SELECT n.centre_id, coalesce(u.municipality_id, 0), %s, u.unit_id, %s, 37, now(), now() "
            "FROM centres n LEFT JOIN units u ON u.unit_id = %s WHERE n.name = %s",
            kind, code, unit, web_night.NORTH,
        )  # fmt: skip
    server = scene.server()
    page = shown(scene.client(server, "bo"), "/centres")
    for words in ("Our password is refused", "sip 403 Forbidden", "37 times", "Unit not known there", "00000001"):
        assert words in page, words
    assert "sip 403" not in shown(scene.client(server, "cilla"), "/centres")
