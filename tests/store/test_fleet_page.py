"""The fleet's page: what each person sees counted, the units behind a count, and filters that are one's own."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from fleet.attention import store
from fleet.attention.model import CONCERNS
from fleet.store.pool import Connection
from tests.asking import HTML, Asking, ask
from tests.web_server import Scene, postgres, scene

__all__ = ["look", "postgres", "scene", "trouble"]

ENGLISH = {**HTML, "Accept-Language": "en"}


def trouble(scene: Scene) -> None:
    """All four units in use; unit 1 silent, 2 switched off, 3 of the other municipality silent; one battery ends."""
    scene.sql("UPDATE units SET life = 'active', grounds = 'import:1'")
    scene.sql(
        "INSERT INTO unit_supervision (unit_id, municipality_id, state, cause, since) VALUES "
        "(1, 1, 'silent', 'no answer', now() - interval '1 hour'),"
        "(2, 1, 'off', 'switched off', now() - interval '2 hours'), (3, 2, 'silent', 'no answer', now())"
    )
    scene.sql("UPDATE units SET unit_type = 'personal' WHERE unit_id = 2")
    look(scene)


def look(scene: Scene) -> None:
    async def work(connection: Connection) -> None:
        for concern in CONCERNS:
            if concern in store.BY_SQL:
                await store.look(connection, concern, datetime.now(UTC))

    scene.town.do("supervise", work)


def rows(page: str) -> list[str]:
    return re.findall(r'data-unit="([0-9a-f]{8})"', page)


def test_everybody_sees_counts_and_units_of_their_municipalities_only(scene: Scene) -> None:
    trouble(scene)
    both = scene.town.person("alla", ("technician", 1), ("technician", 2))
    one = scene.town.person("ettan", ("technician", 1))

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(both) as client:
            page = (await client.get("/fleet", headers=ENGLISH)).text
            assert re.search(r'data-concern="silent" data-some="true".*?class="number">3<', page, re.DOTALL)
            assert re.findall(r'data-town="(\d)"', page) == ["1", "2"]
            assert page.count('class="level-') >= 2 and "Not on the map" not in page
            # What nobody has looked at is no zero.
            assert re.search(r'data-concern="unprotected" data-some="false".*?class="number">0<', page, re.DOTALL)
            assert not re.search(r'data-concern="low_battery"[^/]*class="number">0<', page)
            assert re.search(
                r'data-concern="low_battery".*?class="number"><span aria-hidden="true">–<', page, re.DOTALL
            )
            assert rows((await client.get("/fleet/units?concern=silent", headers=ENGLISH)).text) == [
                "00000002", "00000001", "00000003",
            ]  # fmt: skip
        async with await asking.signed_in(one) as client:
            page = (await client.get("/fleet", headers=ENGLISH)).text
            assert re.search(r'data-concern="silent" data-some="true".*?class="number">2<', page, re.DOTALL)
            assert re.findall(r'data-town="(\d)"', page) == ["1"]
            for query in ("", "&municipality=2"):
                found = await client.get(f"/fleet/units?concern=silent{query}", headers=ENGLISH)
                assert "00000003" not in rows(found.text)
            narrow = await client.get("/fleet/units?concern=silent&type=personal", headers=ENGLISH)
            assert rows(narrow.text) == ["00000002"] and "switched off" in narrow.text
            api = (await client.get("/api/v1/fleet/attention")).json()
            assert api["counts"]["silent"] == 2 and [t["municipality_id"] for t in api["municipalities"]] == [1]

    ask(scene, work)


def test_filters_are_ones_own_and_their_counts_are_of_now(scene: Scene) -> None:
    trouble(scene)
    one, other = scene.town.person("ettan", ("technician", 1)), scene.town.person("annan", ("technician", 1))

    async def work(asking: Asking) -> None:
        form = {"concern": "silent", "name": "Tysta personlarm", "type": "personal", "municipality": "1"}
        async with await asking.signed_in(one) as client:
            headers = {**ENGLISH, "Origin": asking.base}
            answer = await client.post("/fleet/filters", data=form, headers=headers)
            assert answer.status_code == 303 and answer.headers["location"].endswith("saved=yes")
            again = await client.post("/fleet/filters", data=form, headers=headers)
            assert again.headers["location"].endswith("saved=taken")
            page = (await client.get("/fleet", headers=ENGLISH)).text
            assert re.search(r"<strong>1</strong> Tysta personlarm", page)
            kept = (await client.get("/api/v1/fleet/filters")).json()["items"]
            assert [(found["name"], found["units"]) for found in kept] == [("Tysta personlarm", 1)]
        async with await asking.signed_in(other) as client:
            assert (await client.get("/api/v1/fleet/filters")).json()["items"] == []
            number = kept[0]["filter_id"]
            assert (await client.delete(f"/api/v1/fleet/filters/{number}", headers=headers)).status_code == 404
        async with await asking.signed_in(one) as client:
            assert (await client.delete(f"/api/v1/fleet/filters/{number}", headers=headers)).status_code == 204

    ask(scene, work)


def test_lists_page_by_urgency_and_odd_cursors_do_no_harm(scene: Scene) -> None:
    trouble(scene)
    person = scene.town.person("ettan", ("technician", 1), ("technician", 2))

    async def work(asking: Asking) -> None:
        async with await asking.signed_in(person) as client:
            first = (await client.get("/api/v1/fleet/attention/silent/units?limit=2")).json()
            rest = (await client.get(f"/api/v1/fleet/attention/silent/units?cursor={first['next']}")).json()
            assert [one["unit"] for one in first["items"] + rest["items"]] == ["00000002", "00000001", "00000003"]
            assert rest["next"] is None
            for after in ("nan,1", "1e999,2", "x,y", "-5", "1,99999999999999999999999"):
                odd = await client.get(f"/fleet/units?concern=silent&after={after}", headers=ENGLISH)
                assert odd.status_code == 200, after
            assert (await client.get("/fleet/units?concern=nothing", headers=ENGLISH)).status_code == 303

    ask(scene, work)
