"""Reporting times on the page and by the API: chosen by a municipality's fleet owner, by nobody else, and recorded."""

from __future__ import annotations

from tests.asking import HTML, Asking, ask
from tests.web_server import Scene, postgres, scene

__all__ = ["postgres", "scene"]

ENGLISH = {**HTML, "Accept-Language": "en"}
OWN = {"profile": "own", "name": "ours", "report_s": "120", "spare_s": "18000", "source": "contract 12"}


def chosen(scene: Scene) -> list[tuple[object, ...]]:
    return scene.sql(
        "SELECT municipality_id, unit_type, name, report_s, spare_s FROM supervision_profiles ORDER BY 1, 2"
    )


def test_an_owner_chooses_in_his_municipality_on_the_page_and_by_the_api(scene: Scene) -> None:
    owner = scene.town.person("agare", ("fleet_owner", 1))

    async def talk(asking: Asking) -> None:
        headers = {**ENGLISH, "Origin": asking.base}
        async with await asking.signed_in(owner) as client:
            assert "No municipality has chosen yet." in (await client.get("/profiles", headers=ENGLISH)).text
            form = {"municipality": "1", "unit_type": "social"}
            for more in ({"profile": "DP2"}, OWN):
                done = await client.post("/profiles", data={**form, **more}, headers=headers)
                assert done.headers["location"] == "/profiles?done=1", more
            page = (await client.get("/profiles?done=1", headers=ENGLISH)).text
            assert "Supervision goes by it" in page and "contract 12" in page and "5 h" in page
            for wrong, fault in (
                ({"municipality": "2"}, "nowhere"), ({"municipality": "x"}, "nowhere"), ({"profile": "DP9"}, "profile"),
                ({"unit_type": "toaster"}, "profile"), ({**OWN, "source": " "}, "profile"),
                ({**OWN, "report_s": "4"}, "profile"), ({**OWN, "report_s": "-5"}, "profile"),
                ({**OWN, "spare_s": "x"}, "profile"), ({**OWN, "name": "DP2"}, "profile"),
            ):  # fmt: skip
                refused = await client.post("/profiles", data={**form, "profile": "DP2", **wrong}, headers=headers)
                assert refused.headers["location"] == f"/profiles?fault={fault}", wrong
            body = {"municipality": 1, "unit_type": "personal", "name": "SP6"}
            made = await client.post("/api/v1/supervision/profiles", json=body)
            assert made.status_code == 201 and made.json()["report_s"] == 20
            for more, status in (({"municipality": 2}, 404), ({"name": "DP9"}, 422), ({"unit_type": "x"}, 422)):
                assert (await client.post("/api/v1/supervision/profiles", json={**body, **more})).status_code == status
            listed = (await client.get("/api/v1/supervision/profiles")).json()
            assert [row["name"] for row in listed["items"]] == ["SP6", "ours"]
            assert listed["until_then"]["social"] == "DP3"

    ask(scene, talk)
    assert chosen(scene) == [(1, "personal", "SP6", 20, None), (1, "social", "ours", 120, 18000)]
    recorded = scene.sql("SELECT actor, subject FROM audit_records WHERE action = 'supervision.profile_chosen'")
    assert recorded == [(f"person:{owner}", "municipality:1")] * 3


def test_who_sees_another_municipality_sees_and_chooses_nothing_of_this_one(scene: Scene) -> None:
    other = scene.town.person("andra", ("fleet_owner", 2))
    technician = scene.town.person("tekniker", ("technician", 1))
    scene.sql(
        "INSERT INTO supervision_profiles (municipality_id, unit_type, name, report_s, source, set_by) "
        "VALUES (1, 'social', 'ours', 120, 'contract 12', 'console:t')"
    )

    async def talk(asking: Asking) -> None:
        async with await asking.signed_in(other) as client:
            assert "contract 12" not in (await client.get("/profiles", headers=ENGLISH)).text
            assert (await client.get("/api/v1/supervision/profiles")).json()["items"] == []
        async with await asking.signed_in(technician) as client:
            page = (await client.get("/profiles", headers=ENGLISH)).text
            assert "contract 12" in page and 'method="post" action="/profiles"' not in page
            form = {"municipality": "1", "unit_type": "social", "profile": "DP2"}
            refused = await client.post("/profiles", data=form, headers={**ENGLISH, "Origin": asking.base})
            assert refused.status_code == 403
            body = {"municipality": 1, "unit_type": "social", "name": "DP2"}
            assert (await client.post("/api/v1/supervision/profiles", json=body)).status_code == 403

    ask(scene, talk)
    assert chosen(scene) == [(1, "social", "ours", 120, None)]
