"""Every role asks every route of pages and API: refused exactly where docs/people.md says so, and never a fault."""

from __future__ import annotations

import re

import pytest

from fleet.people.decide import PERMISSIONS
from fleet.people.model import ROLES
from fleet.web.access import permission_of
from tests.asking import HTML, Asking, ask
from tests.unit.web.test_route_permissions import routes
from tests.web_server import Scene, postgres, scene

__all__ = ["postgres", "scene"]

FILLED = {"unit_id": "00000001", "unit": "00000001"}


def filled(path: str) -> str:
    """A path with something in each of its places; whether it is there does not matter."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: FILLED.get(found[1], "1"), path)


def of_the_installation(path: str) -> bool:
    """Where alarms are sent to: for who administers the installation, and refused to who administers a municipality."""
    return path.removeprefix("/api/v1").startswith(("/centre-settings", "/centres/setup"))


async def asked(asking: Asking, role: str | None, person: int | None) -> list[str]:
    """What was not as the table says, over all routes that need a permission."""
    client = await asking.signed_in(person) if person is not None else asking.client()
    wrong = []
    count = 0
    async with client:
        for path, route in routes(asking.app):
            permission = permission_of(route)
            if permission is None or permission.startswith("open: "):
                continue
            for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
                count += 1
                answer = await client.request(method, filled(path), json={} if method != "GET" else None)
                expected = role is not None and role in PERMISSIONS[permission]
                # Who administers a municipality is refused here, or told that his request has no shape.
                if role == "administrator" and of_the_installation(path) and answer.status_code in (403, 422):
                    continue
                # A wrong password while stepping up is a 401 too, for somebody who is signed in.
                refused = answer.status_code == (401 if role is None else 403)
                if answer.status_code >= 500 or refused == expected:
                    wrong.append(f"{role} {method} {path} ({permission}): {answer.status_code}")
    assert count > 40
    return wrong


@pytest.mark.parametrize("role", [*ROLES, None])
def test_every_route_by_every_role(scene: Scene, role: str | None) -> None:
    person = None if role is None else scene.town.person("somebody", (role, 1))
    assert ask(scene, lambda asking: asked(asking, role, person)) == []


def test_negative_control_a_guard_that_lets_everybody_in_is_found(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.web.access.may", lambda _actor, _permission: True)
    person = scene.town.person("somebody", ("technician", 1))
    wrong = ask(scene, lambda asking: asked(asking, "technician", person))
    assert any("/operators " in line for line in wrong)


def test_a_role_in_one_municipality_opens_nothing_of_another(scene: Scene) -> None:
    """Operator in the first, technician in the second: alarms of the first and units of both, and nothing more."""
    person = scene.town.person("somebody", ("operator", 1), ("technician", 2))
    own, foreign = scene.town.press(1, 1), scene.town.press(3, 2)

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(person) as client:
            assert [case["id"] for case in (await client.get("/api/cases")).json()["cases"]] == [own]
            assert (await client.get(f"/operators/cases/{foreign}", headers=HTML)).status_code == 404
            assert (await client.post(f"/api/cases/{foreign}/take", json={})).status_code == 404
            assert (await client.get("/units/00000003", headers=HTML)).status_code == 200

    ask(scene, work)
