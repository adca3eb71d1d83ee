"""The API over a real database: each resource, who may use it, and what keeps two callers from colliding."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleet.store.embedded_postgres import EmbeddedPostgres
from tests.api_town import FOREIGN_UNIT, TRACKER, UNIT, ApiTown, api_town
from tests.database import fresh_database

U, F, T = f"{UNIT:08x}", f"{FOREIGN_UNIT:08x}", f"{TRACKER:08x}"


@pytest.fixture(scope="module")
def town(postgres: EmbeddedPostgres) -> Iterator[ApiTown]:
    with fresh_database(postgres) as database, api_town(database) as made:
        yield made


def test_without_a_token_or_with_a_wrong_one_nothing_is_said(town: ApiTown) -> None:
    with town.client(None) as nobody:
        found = nobody.get("/cases")
        assert found.status_code == 401 and found.headers["content-type"] == "application/problem+json"
        assert nobody.get("/units", headers={"Authorization": "Bearer livlina_wrong"}).status_code == 401
        assert nobody.get("/openapi.json").json()["openapi"] == "3.1.0"


def test_a_case_is_taken_once_and_closed(town: ApiTown) -> None:
    case = town.ids[f"case:{U}"]
    with town.client("operator") as operator, town.client("shift_lead") as lead:
        listed = operator.get("/cases").json()["items"]
        assert case in [item["id"] for item in listed] and F not in [item["unit"] for item in listed]
        closed = operator.post(f"/cases/{case}/close", json={"outcome": "helped"})
        assert closed.status_code == 409 and "take the case" in closed.json()["detail"]
        stale = operator.post(f"/cases/{case}/take", json={}, headers={"If-Match": '"another"'})
        assert stale.status_code == 412
        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(lambda who: who.post(f"/cases/{case}/take", json={}), (operator, lead)))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert operator.get(f"/cases/{case}").json()["case"]["state"] == "taken"
        assert operator.post(f"/cases/{case}/close", json={"outcome": "helped"}).status_code == 200
        assert operator.post(f"/cases/{case}/close", json={"outcome": "eaten"}).status_code == 422


def test_a_post_with_a_key_acts_once(town: ApiTown) -> None:
    body = {"municipality": 1, "reference": "NY-1", "priority": 3, "district": "Norr"}
    with town.client("fleet_owner") as owner:
        first = owner.post("/recipients", json=body, headers={"Idempotency-Key": "k-1"})
        again = owner.post("/recipients", json=body, headers={"Idempotency-Key": "k-1"})
        assert first.status_code == again.status_code == 201 and first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"
        other = owner.post("/recipients", json={**body, "reference": "NY-2"}, headers={"Idempotency-Key": "k-1"})
        assert other.status_code == 409 and "Idempotency-Key" in other.json()["detail"]
        assert owner.post("/recipients", json=body).status_code == 409, "without a key it is a second request"
        # What was refused is not stored: the same key goes on once the fault is mended.
        refused = owner.post("/recipients", json=body, headers={"Idempotency-Key": "k-2"})
        assert refused.status_code == 409
        mended = owner.post("/recipients", json={**body, "reference": "NY-3"}, headers={"Idempotency-Key": "k-2"})
        assert mended.status_code == 201
    with town.client("care_assistant") as assistant:
        own = assistant.post("/recipients", json={**body, "reference": "NY-4"}, headers={"Idempotency-Key": "k-1"})
        assert own.status_code == 201, "a key is its caller's own"
    with town.client("fleet_owner") as owner, ThreadPoolExecutor(4) as many:
        body["reference"] = "NY-5"
        answers = list(
            many.map(lambda _: owner.post("/recipients", json=body, headers={"Idempotency-Key": "k-5"}), range(4))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1


def test_edits_do_not_collide(town: ApiTown) -> None:
    number = town.ids["recipient:own"]
    with town.client("fleet_owner") as owner:
        seen = owner.get(f"/recipients/{number}")
        change = {"priority": 4, "district": "Söder", "protected": False}
        tag = {"If-Match": seen.headers["etag"]}
        assert owner.patch(f"/recipients/{number}", json=change, headers=tag).status_code == 200
        assert owner.patch(f"/recipients/{number}", json=change, headers=tag).status_code == 412
        assert owner.get(f"/recipients/{number}").json()["district"] == "Söder"


def test_pages_are_stable_under_inserts(town: ApiTown) -> None:
    with town.client("fleet_owner") as owner:
        for number in range(7):
            body = {"municipality": 1, "reference": f"SIDA-{number}", "priority": 3}
            assert owner.post("/recipients", json=body).status_code == 201
        seen: list[int] = []
        cursor = None
        while True:
            query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
            page = owner.get("/recipients", params=query).json()
            seen += [item["id"] for item in page["items"]]
            body = {"municipality": 1, "reference": f"MELLAN-{len(seen)}", "priority": 3}
            if len(seen) < 9:
                owner.post("/recipients", json=body)
            cursor = page["next"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) and seen == sorted(seen) and len(seen) >= 9
        assert owner.get("/recipients", params={"cursor": "bm9uZQ"}).status_code == 422
        assert owner.get("/recipients", params={"cursor": "_" * 300}).status_code == 422


def test_a_units_life_and_orders(town: ApiTown) -> None:
    with town.client("technician") as technician:
        found = technician.get(f"/units/{U}").json()
        assert found["life"] == "in_stock" and found["inputs"][0]["kind"] == "own"
        assert technician.post(f"/units/{U}/life", json={"event": "return"}).status_code == 409
        assert technician.get(f"/units/{F}").status_code == 404
        assert technician.post(f"/units/{F}/revoke", json={}).status_code == 404
        ordered = technician.post(f"/units/{U}/commands", json={"command": "drill", "input": 0})
        assert ordered.status_code == 202, ordered.text
        listed = technician.get(f"/units/{U}/commands").json()["items"]
        assert listed[0]["command"] == "drill" and listed[0]["number"] == ordered.json()["number"]
        assert technician.post(f"/units/{U}/commands", json={"command": "reboot", "slot": 1}).status_code == 422
        assert technician.post(f"/units/{F}/commands", json={"command": "reboot"}).status_code == 404
        assert technician.post("/units/0000002b/revoke", json={}).json()["registered"] == "revoked"
        assert technician.get("/units/0000002b/log").json()["items"][0]["event"] == "revoke"
    with town.client("operator") as operator:
        assert operator.post(f"/units/{U}/commands", json={"command": "reboot"}).status_code == 403


def test_the_chain_of_a_case_is_explained(town: ApiTown) -> None:
    with town.client("shift_lead") as lead:
        chain = lead.get(f"/units/{U}/route").json()
        assert chain["centres"][0]["name"] == "Norra centralen" and chain["steps"]
        assert lead.get("/route", params={"municipality": 1}).json()["steps"] == chain["steps"]
        assert lead.get("/route", params={"municipality": 2}).status_code == 404
        assert lead.get(f"/units/{F}/route").status_code == 404
        assert "192.0.2.7" not in lead.get("/centres").text


def test_the_record_is_read_by_whoever_may(town: ApiTown) -> None:
    with town.client("auditor") as auditor:
        entries = auditor.get("/audit", params={"limit": 200}).json()["items"]
        assert {"audit", "case_log", "press"} <= {entry["source"] for entry in entries}
        assert {entry["municipality_id"] for entry in entries} <= {1}
        received = auditor.get("/audit", params={"action": "unit.receive"}).json()["items"]
        assert received and {entry["action"] for entry in received} == {"unit.receive"}
        about = auditor.get("/audit", params={"subject": f"unit:{U}"}).json()["items"]
        assert {entry["subject"] for entry in about} == {f"unit:{U}"}
        assert auditor.get("/audit/heads").status_code == 200
    with town.client("operator") as operator:
        assert operator.get("/audit").status_code == 403


def test_people_and_tokens(town: ApiTown) -> None:
    with town.client("administrator") as administrator:
        logins = {item["login"] for item in administrator.get("/people").json()["items"]}
        assert "egen.person" in logins and "kanarie.operator" not in logins
        step_up = administrator.post(
            "/tokens", json={"name": "x", "role": "operator", "municipalities": [1], "days": 1}
        )
        assert step_up.status_code == 403 and "step-up" in step_up.json()["type"], "a program cannot make tokens"
        listed = administrator.get("/tokens").json()["items"]
        assert {item["role"] for item in listed} >= {"operator", "auditor"}
        assert town.tokens["operator"] not in administrator.get("/tokens").text
        ended = administrator.post(f"/tokens/{town.ids['token:care_assistant']}/end", json={})
        assert ended.status_code == 204
    with town.client("care_assistant") as assistant:
        assert assistant.get("/me").status_code == 401, "a token that was ended opens nothing"


def test_webhooks_are_managed(town: ApiTown) -> None:
    with town.client("administrator") as administrator:
        made = administrator.post(
            "/webhooks", json={"municipality": 1, "url": "https://receiver.example/x", "events": ["case.*"]}
        )
        assert made.status_code == 201, made.text
        secret = made.json()["secret"]
        assert secret not in administrator.get("/webhooks").text
        assert administrator.post(f"/webhooks/{made.json()['id']}/end", json={}).status_code == 204
        for body in (
            {"municipality": 1, "url": "ftp://x/", "events": ["case.*"]},
            {"municipality": 1, "url": "https://x/", "events": ["person.*"]},
            {"municipality": 1, "url": "https://u:p@x/", "events": ["case.*"]},
        ):
            assert administrator.post("/webhooks", json=body).status_code == 422
        foreign = {"municipality": 2, "url": "https://x/", "events": ["case.*"]}
        assert administrator.post("/webhooks", json=foreign).status_code == 404


def test_odd_input_is_answered_in_problem_documents(town: ApiTown) -> None:
    with town.client("fleet_owner") as owner:
        good = {"municipality": 1, "reference": "UDDA-1", "priority": 3}
        for content in (
            b"", b"{", b"\xff\xfe", b"[" * 5000, b'"\\ud800"', b"null", b"1e999",
            b'{"municipality": 1, "reference": "UDDA-1", "priority": 3, "district": "\\u0000"}',
            b'{"municipality": 1, "reference": "UDDA-1", "priority": 3, "district": "\\ud800"}',
            b'{"municipality": 99999999999999999999, "reference": "UDDA-1", "priority": 3}',
            b'{"municipality": 1, "reference": "UDDA-1", "priority": 1e400}',
            b'{"municipality": true, "reference": "UDDA-1", "priority": 3}',
        ):  # fmt: skip
            found = owner.post("/recipients", content=content, headers={"Content-Type": "application/json"})
            assert found.status_code in (400, 422), (content[:40], found.status_code, found.text)
            assert found.headers["content-type"] == "application/problem+json"
        assert owner.post("/recipients", json={**good, "surprise": 1}).status_code == 422
        for path in ("/recipients/0", "/recipients/99999999999999999999", "/recipients/x", "/cases/-1", "/units/ZZ"):
            assert owner.get(path).status_code in (403, 422), path
        assert owner.get("/recipients", params={"reference": "\x00"}).status_code == 422
        assert owner.get("/recipients", params={"limit": "9" * 400}).status_code == 422
        assert owner.post("/recipients", content=b"x" * 40000).status_code == 413
