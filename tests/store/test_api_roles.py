"""The matrix of roles: who may read which resource, and who may open whom."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fleet.people.decide import PERMISSIONS
from fleet.people.model import ROLES
from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.web.api.app import make_api, openapi
from tests.api_callers import CALLERS, calling, canaries_in, sign_in
from tests.api_town import CANARIES, ApiTown, api_town
from tests.database import fresh_database

Signed = tuple[ApiTown, dict[str, dict[str, str]]]
OPENERS = {"operator", "shift_lead"}


@pytest.fixture(scope="module")
def signed(postgres: EmbeddedPostgres) -> Iterator[Signed]:
    with fresh_database(postgres) as database, api_town(database) as town:
        yield town, sign_in(town)


def test_every_role_reads_what_its_permission_says_and_no_more(signed: Signed) -> None:
    town, cookies = signed
    document = openapi(make_api(None, None))
    lists = [
        (path, methods["get"]) for path, methods in document["paths"].items() if "get" in methods and "{" not in path
    ]
    assert len(lists) >= 10
    seen = 0
    for caller in CALLERS:
        with calling(town, cookies[caller]) as client:
            for path, operation in lists:
                found = client.get(path, params={"municipality": 1} if path == "/route" else {})
                role = "administrator" if caller.endswith("administrator") else caller
                # Where alarms are sent to is the installation's: no municipality's administrator sees it.
                allowed = role in PERMISSIONS[operation["x-permission"]]
                allowed = allowed and (path != "/centre-settings" or caller == "installation's administrator")
                here = caller != "foreign administrator" or path != "/route"
                wanted = 401 if caller == "nobody" else 403 if not allowed else 200 if here else 404
                assert found.status_code == wanted, f"{caller} {path}: {found.status_code} {found.text[:200]}"
                assert canaries_in(found.text, caller) == [], f"{caller} {path}"
                seen += 1
    assert seen == len(CALLERS) * len(lists)


def test_who_opens_whom(signed: Signed) -> None:
    town, cookies = signed
    reason = {"reason": "the neighbour has rung and nobody answers"}
    for caller in CALLERS:
        with calling(town, cookies[caller]) as client:
            for whom, name in (
                ("own", "Berit Öppen"),
                ("protected", CANARIES["a protected person"]),
                ("foreign", "Astrid"),
            ):
                found = client.post(f"/recipients/{town.ids[f'recipient:{whom}']}/open", json=reason)
                wanted = {"own": 200, "protected": 403, "foreign": 404}[whom] if caller in OPENERS else 403
                assert found.status_code == (401 if caller == "nobody" else wanted), f"{caller} {whom}: {found.text}"
                assert (name in found.text) == (found.status_code == 200), f"{caller} {whom}"
    rows = town.sql("SELECT kind, count(*) FROM recipient_openings WHERE kind <> 'write' GROUP BY kind")
    assert rows == [("break_glass", len(OPENERS))], "each look is written down, and a refused one shows nothing"
    assert set(ROLES) > OPENERS


def test_without_a_step_up_nobody_is_opened(signed: Signed) -> None:
    town, cookies = signed
    town.sql("UPDATE web_sessions SET stepped_up_at = now() - interval '6 minutes'")
    try:
        with calling(town, cookies["operator"]) as client:
            found = client.post(
                f"/recipients/{town.ids['recipient:own']}/open", json={"reason": "a reason that is long"}
            )
            assert found.status_code == 403 and found.json()["type"] == "urn:livlina:step-up"
        with calling(town, cookies["technician"]) as client:
            assert client.post("/units/0000002b/revoke", json={}).status_code == 403
    finally:
        town.sql("UPDATE web_sessions SET stepped_up_at = now()")
