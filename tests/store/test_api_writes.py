"""What the API does beside the pages: a fleet, routines, services, districts, identity providers, searches, notices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from fleet.store.embedded_postgres import EmbeddedPostgres
from tests.api_callers import INSTALLATION, sign_in
from tests.api_town import FOREIGN, FOREIGN_UNIT, OWN, TRACKER, ApiTown, api_town
from tests.database import fresh_database


@pytest.fixture(scope="module")
def town(postgres: EmbeddedPostgres) -> Iterator[ApiTown]:
    with fresh_database(postgres) as database, api_town(database) as made:
        yield made


def cookies_of(town: ApiTown) -> dict[str, dict[str, str]]:
    """Signed in once for the whole town."""
    if "cookies" not in town.ids:
        town.ids["cookies"] = sign_in(town)
    return dict(town.ids["cookies"])


def fleet(*units: dict[str, Any], recipients: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"format": "livlina-fleet-1", "units": list(units), "recipients": list(recipients)}


def unit(number: int, **more: Any) -> dict[str, Any]:
    return {"unit": f"{number:08x}", "municipality": OWN, "type": "social", "life": "in_stock", **more}


def person(number: int, **more: Any) -> dict[str, Any]:
    return {"municipality": OWN, "reference": f"IMP-{number}", "priority": 3, "district": "Ny", **more}


def test_an_import_is_looked_at_first_and_says_what_is_wrong_in_which_row(town: ApiTown) -> None:
    document = fleet(
        unit(0x700), unit(0x701, life="active", grounds="import:x"), unit(0x702, municipality=FOREIGN),
        recipients=(person(1), person(2, name="Någon", address="Gatan 1")),
    )  # fmt: skip
    with town.client("fleet_owner") as owner:
        looked = owner.post("/fleet/import?dry_run=true", json=document)
        assert looked.status_code == 200, looked.text
        told = looked.json()
        assert (told["written"], told["dry_run"], told["rows_wrong"]) == (False, True, 3)
        assert {(one["line"], one["field"]) for one in told["faults"]} == {
            (2, "name"), (4, "life"), (5, "municipality")
        }  # fmt: skip
        whole = owner.post("/fleet/import", json=document).json()
        assert not whole["written"], "one wrong row keeps all from being written"
        assert owner.get("/units/00000700").status_code == 404
        partly = owner.post("/fleet/import?partial=true", json=document, headers={"Idempotency-Key": "i-1"})
        assert (partly.json()["units_added"], partly.json()["recipients_added"]) == (1, 1)
        again = owner.post("/fleet/import?partial=true", json=document, headers={"Idempotency-Key": "i-1"})
        assert again.headers["idempotent-replayed"] == "true"
        assert owner.get("/units/00000700").json()["life"] == "in_stock"
        export = owner.get("/fleet/export").json()
        same = owner.post("/fleet/import", json=export)
        assert same.status_code == 200, same.text
        assert (same.json()["faults"], same.json()["units_added"], same.json()["units_changed"]) == ([], 0, 0)
        assert owner.post("/fleet/import", json={"format": "another"}).status_code == 422
    with town.client("technician") as technician:
        assert technician.post("/fleet/import", json=document).status_code == 403


def test_a_unit_of_somebody_else_is_not_taken_over_by_an_import(town: ApiTown) -> None:
    with town.client("fleet_owner") as owner:
        taken = owner.post("/fleet/import", json=fleet(unit(FOREIGN_UNIT)))
        assert taken.status_code == 409 and "00c0ffee" in taken.json()["detail"], taken.text
        assert owner.post("/fleet/import", json=fleet(unit(FOREIGN_UNIT, owner="we"))).status_code == 409
    assert town.sql("SELECT count(*) FROM unit_life_log WHERE unit_id = %s AND event = 'import'", FOREIGN_UNIT) == [
        (0,)
    ]
    assert town.sql("SELECT municipality_id FROM units WHERE unit_id = %s", FOREIGN_UNIT) == [(FOREIGN,)]


def test_the_database_itself_lets_no_page_bring_a_unit_into_use(town: ApiTown) -> None:
    columns = "unit_id, municipality_id, unit_type, life, grounds"
    statement = f"INSERT INTO units ({columns}) VALUES (1793, 1, 'social', 'active', 'x')"
    with psycopg.connect(town.database.app_url) as connection:
        connection.execute("SET ROLE livlina_web")
        connection.execute("SELECT set_config('livlina.municipalities', '1', true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute(statement)  # type: ignore[call-overload]


def test_a_large_body_is_taken_by_the_import_alone_and_from_nobody_unknown(town: ApiTown) -> None:
    body = fleet(*(unit(0x10000 + n) for n in range(400)))
    with town.client("fleet_owner") as owner:
        assert owner.post("/fleet/import?dry_run=true", json=body).json()["units_added"] == 400
        assert owner.post("/recipients", json=body).status_code == 413
    with httpx.Client(base_url=f"{town.base}/api/v1") as nobody:
        assert nobody.post("/fleet/import", json=body).status_code == 413


def test_a_district_is_a_row_that_recipients_stand_in(town: ApiTown) -> None:
    with town.client("administrator") as administrator, town.client("fleet_owner") as owner:
        made = administrator.post("/districts", json={"municipality": OWN, "name": "Öster"}).json()
        assert administrator.post("/districts", json={"municipality": OWN, "name": "Öster"}).json() == made
        body = {"municipality": OWN, "reference": "DIS-1", "priority": 2, "district": "Öster"}
        assert owner.post("/recipients", json=body).status_code == 201
        body |= {"reference": "DIS-2", "district": "Aldrig nämnt"}
        assert owner.post("/recipients", json=body).status_code == 201
        found = {one["name"]: one for one in owner.get("/districts?limit=200").json()["items"]}
        assert found["Öster"] == {**made, "recipients": 1} and found["Aldrig nämnt"]["recipients"] == 1
        assert "Gula buren" not in found
        assert owner.post("/districts", json={"municipality": OWN, "name": "X"}).status_code == 403
        assert administrator.post("/districts", json={"municipality": FOREIGN, "name": "X"}).status_code == 404
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        town.sql("DELETE FROM districts WHERE name = 'Öster'")


def test_a_district_is_renamed_with_its_recipients_and_removed_into_another_one(town: ApiTown) -> None:
    def recipients(name: str) -> list[Any]:
        return town.sql("SELECT reference FROM care_recipients WHERE district = %s ORDER BY reference", name)

    with town.client("administrator") as administrator, town.client("fleet_owner") as owner:
        for name in ("Hamnen", "Backen"):
            administrator.post("/districts", json={"municipality": OWN, "name": name})
        numbers = {one["name"]: one["id"] for one in owner.get("/districts?limit=200").json()["items"]}
        harbour, hill = numbers["Hamnen"], numbers["Backen"]
        body = {"municipality": OWN, "reference": "HA-1", "priority": 2, "district": "Hamnen"}
        assert owner.post("/recipients", json=body).status_code == 201
        assert owner.patch(f"/districts/{harbour}", json={"name": "X"}).status_code == 403
        taken = administrator.patch(f"/districts/{harbour}", json={"name": "Backen"})
        assert taken.status_code == 409 and "another district" in taken.json()["detail"]
        assert administrator.patch(f"/districts/{harbour}", json={"name": "Kajen"}).json()["name"] == "Kajen"
        assert recipients("Kajen") == [("HA-1",)] and recipients("Hamnen") == []
        stays = administrator.post(f"/districts/{harbour}/end", json={})
        assert stays.status_code == 409 and "1 recipients" in stays.json()["detail"]
        foreign = town.sql("SELECT district_id FROM districts WHERE municipality_id = %s", FOREIGN)[0][0]
        for other in (foreign, harbour, 99_999):
            assert administrator.post(f"/districts/{harbour}/end", json={"into": other}).status_code == 409
        gone = administrator.post(f"/districts/{harbour}/end", json={"into": hill})
        assert gone.json() == {"id": harbour, "into": hill, "recipients": 1}, gone.text
        assert recipients("Backen") == [("HA-1",)]
        assert administrator.post(f"/districts/{harbour}/end", json={}).status_code == 404
        assert administrator.patch(f"/districts/{foreign}", json={"name": "Y"}).status_code == 404
    assert town.sql("SELECT count(*) FROM audit_records WHERE action IN ('district.renamed', 'district.removed')") == [
        (2,)
    ]


def test_a_table_comes_in_as_it_is_and_a_fleet_in_use_by_somebody_who_has_stepped_up(town: ApiTown) -> None:
    head = "kind,municipality,reference,priority,name,address,unit,type,life,inputs,recipient"
    table = f"{head}\nrecipient,1,CSV-1,2,Ada Tabell,Radgatan 1,,,,,\nunit,1,,,,,00007c5a,social,active,0:own,CSV-1\n"
    foreign = f"{head}\nunit,2,,,,,00007c5b,social,active,0:own,\n"
    with town.client("fleet_owner") as program:
        csv = {"content": table.encode(), "headers": {"Content-Type": "text/csv"}}
        told = program.post("/fleet/import?dry_run=true", **csv).json()  # type: ignore[arg-type]
        assert {(one["line"], one["field"]) for one in told["faults"]} == {(2, "name"), (3, "life")}, told
        for wish in ("in_use=true", "persons=true"):
            assert program.post(f"/fleet/import?{wish}", **csv).status_code == 403, "a token steps up never"  # type: ignore[arg-type]
        assert program.post("/fleet/import", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 422
    cookies = cookies_of(town)
    with httpx.Client(base_url=f"{town.base}/api/v1", cookies=cookies["fleet_owner"], timeout=60) as owner:
        unsaid = owner.post("/fleet/import?in_use=true", **csv).json()  # type: ignore[arg-type]
        assert {(one["line"], one["field"]) for one in unsaid["faults"]} == {(2, "name"), (3, "recipient")}
        looked = owner.post("/fleet/import?in_use=true&persons=true&dry_run=true", **csv).json()  # type: ignore[arg-type]
        assert (looked["faults"], looked["written"], looked["persons"]) == ([], False, 1), looked
        assert town.sql("SELECT 1 FROM units WHERE unit_id = %s", 0x7C5A) == []
        done = owner.post("/fleet/import?in_use=true&persons=true", **csv).json()  # type: ignore[arg-type]
        assert (done["faults"], done["written"], done["units_added"]) == ([], True, 1), done
        assert town.sql("SELECT life, left(grounds, 4) FROM units WHERE unit_id = %s", 0x7C5A) == [("active", "api:")]
        other = owner.post(
            "/fleet/import?in_use=true", content=foreign.encode(), headers={"Content-Type": "text/csv"}
        ).json()
        assert [one["field"] for one in other["faults"]] == ["municipality"] and not other["written"]
    assert not any("Radgatan" in str(row) for row in town.sql("SELECT * FROM care_recipients"))
    assert town.sql("SELECT count(*) FROM recipient_openings WHERE kind = 'write' AND actor LIKE 'person:%'") == [(1,)]


def test_where_alarms_are_sent_to_is_set_by_whoever_administers_the_installation(town: ApiTown) -> None:
    secret = "5ec4e75ec4e75ec4e75ec4e75ec4e75e"
    body = {"name": "Östra", "to": "192.0.2.9:7000", "municipalities": [OWN], "rank": 2, "secret": secret}
    cookies = cookies_of(town)
    with town.client("administrator") as program:
        assert program.post("/centre-settings", json=body).status_code == 403
    with httpx.Client(base_url=f"{town.base}/api/v1", cookies=cookies["administrator"], timeout=60) as local:
        assert local.post("/centre-settings", json=body).status_code == 403
        assert local.get("/centre-settings").status_code == 403
    with httpx.Client(base_url=f"{town.base}/api/v1", cookies=cookies[INSTALLATION], timeout=60) as client:
        for wrong in (
            {"to": "nowhere"}, {"protocol": "jsonl"}, {"options": {"strange": "1"}}, {"secret": "no key"},
            {"protocol": "scaip"}, {"options": {"transport": "tls", "pin": "12"}},
        ):  # fmt: skip
            refused = client.post("/centre-settings", json=body | wrong)
            assert refused.status_code == 422 and secret not in refused.text and "--" not in refused.text, refused.text
        made = client.post("/centre-settings", json=body | {"reports_taken": "webhook"})
        assert made.status_code == 201 and secret not in made.text, made.text
        assert client.post("/centre-settings", json=body | {"municipalities": [77]}).status_code == 404
        listed = {one["centre"]: one for one in client.get("/centre-settings").json()["items"]}
        one = listed["Östra"]
        assert (one["host"], one["port"], one["secret"], one["token"]) == ("192.0.2.9", 7000, True, True)
        assert one["routes"] == ["1 any rank 2"] and secret not in str(listed)
        again = client.post(f"/centre-settings/{one['id']}/token", json={})
        assert again.status_code == 201 and again.json()["token"] != made.json()["token"]
        assert client.post(f"/centre-settings/{one['id']}/end", json={}).status_code == 409, "a route leads to it"
        assert client.post("/centre-settings/99999/end", json={}).status_code == 404
        assert client.post("/centre-settings", json=body | {"name": "Nya", "secret": None}).status_code == 201
        assert client.post(f"/centre-settings/{one['id']}/end", json={}).status_code == 204
    actions = town.sql("SELECT action, actor LIKE 'person:%' FROM audit_records WHERE action LIKE 'centre.%'")
    assert actions == [(name, True) for name in
                       ("centre.added", "centre.token_made", "centre.added", "centre.removed")]  # fmt: skip
    assert secret not in str(town.sql("SELECT * FROM audit_records"))


def test_a_persons_doors_looks_pairings_and_incidents_are_had_as_on_the_pages(town: ApiTown) -> None:
    cookies = cookies_of(town)
    ((mine,),) = town.sql("SELECT user_id FROM users WHERE login = 'egen.person'")
    ((foreign,),) = town.sql("SELECT user_id FROM users WHERE municipality_id = %s AND login LIKE 'kanarie%%'", FOREIGN)
    with httpx.Client(base_url=f"{town.base}/api/v1", cookies=cookies["administrator"], timeout=60) as local:
        made = local.post(f"/people/{mine}/link", json={})
        assert made.status_code == 201 and "/welcome?link=" in made.json()["link"]
        assert local.post(f"/people/{foreign}/link", json={}).status_code == 404
        assert local.post(f"/people/{mine}/close", json={}).status_code == 409
    with httpx.Client(base_url=f"{town.base}/api/v1", cookies=cookies[INSTALLATION], timeout=60) as client:
        for closed in (True, False):
            assert client.post(f"/people/{mine}/close", json={"closed": closed}).status_code == 204
            assert town.sql("SELECT closed_at IS NOT NULL FROM users WHERE user_id = %s", mine) == [(closed,)]
        assert client.post("/people/99999/close", json={}).status_code == 404
        # Places that are not there are no fault of the database's.
        for nowhere in ({"municipality": 99999}, {"centre": 99999}):
            given = client.post(f"/people/{mine}/roles", json={"role": "operator"} | nowhere)
            assert (given.status_code, given.json()["status"]) == (404, 404)
        stranger = {"login": "ny.person", "name": "Ny", "language": "sv", "municipality": 99999}
        assert client.post("/people", json=stranger).status_code == 404
        assert town.sql("SELECT count(*) FROM users WHERE login = 'ny.person'") == [(0,)]
    with town.client("auditor") as auditor:
        looks = auditor.get("/openings?unseen=true").json()["items"]
        numbers = [one["opening_id"] for one in looks]
        elses = [
            row[0] for row in town.sql("SELECT opening_id FROM recipient_openings WHERE municipality_id = %s", FOREIGN)
        ]
        assert numbers and elses and not set(numbers) & set(elses)
        assert auditor.post("/openings/seen", json={"openings": numbers + elses}).status_code == 204
        assert auditor.get("/openings?unseen=true").json()["items"] == []
    assert (
        town.sql("SELECT 1 FROM recipient_openings WHERE municipality_id = %s AND seen_at IS NOT NULL", FOREIGN) == []
    )
    with town.client("technician") as technician:
        assert technician.get("/incidents").json() == {"items": [], "next": None}
        assert technician.get("/incidents/1").status_code == 404
        for wish, body in (("moved", {}), ("again", {}), ("old", {"why": "lost"})):
            assert technician.post(f"/pairings/1/{wish}", json=body).status_code == 404


def test_routines_are_written_as_a_document_and_never_another_municipalitys(town: ApiTown) -> None:
    since = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    document = {
        "recipient": [{"municipality": OWN, "name": "Guard", "channel": "sms", "address": "+46700000009"}],
        "role": [{"municipality": OWN, "name": "guard"}],
        "holder": [{"municipality": OWN, "role": "guard", "recipient": "Guard", "valid_from": since}],
    }
    with town.client("fleet_owner") as owner:
        looked = owner.post("/routines?dry_run=true", json=document)
        assert looked.status_code == 200, looked.text
        assert looked.json()["rows"] == 3 and "+46700000009" not in looked.text
        assert town.sql("SELECT count(*) FROM roles WHERE name = 'guard'") == [(0,)]
        assert owner.post("/routines", json=document).json()["rows"] == 3
        assert town.sql("SELECT address FROM recipients WHERE name = 'Guard'") == [("+46700000009",)]
        again = owner.post("/routines", json=document).json()
        assert [one["kind"] for one in again["changes"]] == ["recipient"], "its address is not read, so it is written"
        for wrong, status in (
            ({"role": [{"municipality": FOREIGN, "name": "guard"}]}, 409),
            ({"role": [{"municipality": 0, "name": "guard"}]}, 409),
            ({"role": [{"municipality": OWN, "nam": "guard"}]}, 422),
            ({"centre": [{"name": "A", "reports_taken": "no"}]}, 422),
            ({"route": [{"municipality": OWN, "rank": 1, "centre": "Nobody", "valid_from": since}]}, 409),
        ):
            refused = owner.post("/routines", json=wrong)
            assert refused.status_code == status, refused.text
    with town.client("operator") as operator:
        assert operator.post("/routines", json=document).status_code == 403
    actions = town.sql("SELECT action FROM audit_records WHERE action = 'routine.set'")
    assert len(actions) >= 2


def test_services_are_chosen_by_administrators_of_centres_that_they_see(town: ApiTown) -> None:
    with town.client("administrator") as administrator:
        assert administrator.post("/alarm-centres", json={"name": "Ny central"}).status_code == 403
        body = {"municipality": OWN, "service": "alarm_reception", "centre": "Ny central"}
        assert administrator.post("/services", json=body).status_code == 409
        town.sql("INSERT INTO alarm_centres (name) VALUES ('Ny central')")
        town.sql(
            "INSERT INTO services (municipality_id, service, valid_from, alarm_centre_id) "
            "SELECT 1, 'on_call', now(), alarm_centre_id FROM alarm_centres WHERE name = 'Ny central'"
        )
        chosen = administrator.post("/services", json={**body, "hours": "office"})
        assert chosen.status_code == 201, chosen.text
        past = {**body, "valid_from": "2020-01-01T00:00:00Z"}
        assert administrator.post("/services", json=past).status_code == 409
        assert administrator.post("/services", json={**body, "municipality": FOREIGN}).status_code == 404
        listed = administrator.get("/services?municipality=1").json()["items"]
        assert ("alarm_reception", "Ny central", "office", True) in [
            (one["service"], one["centre"], one["hours"], one["now"]) for one in listed
        ]
        assert "Ny central" in [one["name"] for one in administrator.get("/alarm-centres").json()["items"]]


def test_an_identity_provider_is_a_persons_to_add_and_its_secret_is_shown_to_nobody(town: ApiTown) -> None:
    body = {
        "municipality": OWN, "name": "Kommunen", "issuer": "https://id.example", "client_id": "livlina",
        "client_secret": "mycket-hemligt",
    }  # fmt: skip
    cookies = cookies_of(town)
    with town.client("administrator") as token:
        assert token.post("/identity-providers", json=body).status_code == 403, "no token can"
    origin = {"Origin": town.base}
    with httpx.Client(
        base_url=f"{town.base}/api/v1", cookies=cookies["administrator"], headers=origin
    ) as administrator:
        made = administrator.post("/identity-providers", json=body)
        assert made.status_code == 201, made.text
        listed = administrator.get("/identity-providers")
        assert "hemligt" not in made.text + listed.text and "https://id.example" in listed.text
        [(sealed,)] = town.sql("SELECT client_secret FROM identity_providers WHERE name = 'Kommunen'")
        assert sealed is not None and b"hemligt" not in bytes(sealed)
        ended = administrator.post(f"/identity-providers/{made.json()['id']}/end", json={})
        assert ended.status_code == 204
        assert administrator.post(f"/identity-providers/{made.json()['id']}/end", json={}).status_code == 404


def test_a_search_is_listed_without_positions_and_ended_with_them_deleted(town: ApiTown) -> None:
    case = town.ids[f"case:{TRACKER:08x}"]
    with town.client("operator") as operator:
        body = {"case": case, "reason": "borta sedan i morse", "consent": "dottern", "minutes": 30}
        begun = operator.post("/searches", json=body)
        assert begun.status_code in (201, 409), begun.text
        running = operator.get("/searches?running=true").json()["items"]
        (search,) = [one["id"] for one in running if one["unit"] == f"{TRACKER:08x}"]
        town.sql(
            "INSERT INTO search_positions (unit_id, boot, seq, municipality_id, search_id, received_at, data) "
            "VALUES (%s, 9, 9, 1, %s, now(), 'x')", TRACKER, search,
        )  # fmt: skip
        assert operator.post(f"/searches/{search}/end", json={"delete_now": True}).status_code == 204
        assert town.sql("SELECT count(*) FROM search_positions WHERE search_id = %s", search) == [(0,)]
        assert operator.get("/searches?running=true").json()["items"] == []
        assert search in [one["id"] for one in operator.get("/searches").json()["items"]]
    with town.client("technician") as technician:
        assert technician.get("/searches").status_code == 403


def test_security_notices_are_read_newest_first_and_nobody_elses(town: ApiTown) -> None:
    for hours, number, place in ((1, 0x2A, OWN), (2, 0x2A, OWN), (1, FOREIGN_UNIT, FOREIGN)):
        town.sql(
            "INSERT INTO security_notices (unit_id, hour, municipality_id, moved, first_at, last_at) "
            "VALUES (%s, date_trunc('hour', now()) - %s * interval '1 hour', %s, 1, now(), now())",
            number, hours, place,
        )  # fmt: skip
    with town.client("technician") as technician:
        first = technician.get("/security-notices?limit=1").json()
        rest = technician.get(f"/security-notices?limit=5&cursor={first['next']}").json()
        assert [one["unit"] for one in first["items"] + rest["items"]] == ["0000002a", "0000002a"]
        assert first["items"][0]["hour"] > rest["items"][0]["hour"] and rest["next"] is None
    with town.client("care_assistant") as assistant:
        assert assistant.get("/security-notices").status_code == 403
