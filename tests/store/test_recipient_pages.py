"""Recipients' pages over HTTP: who may do what, and a canary person who is in one answer and in nothing else."""

from __future__ import annotations

import httpx
import pytest

from tests.store.test_web_pages import HTML
from tests.web_server import Scene, WebServer, postgres, scene

__all__ = ["postgres", "scene"]

CANARY = {
    "name": "Kanariefågel Gulsdotter", "address": "Burvägen 17", "key_note": "Nyckel hos Kvitter",
    "contact": ["Sång Gulsdotter", ""], "telephone": ["0706-123321", ""],
}  # fmt: skip
WORDS = ("Kanariefågel", "Gulsdotter", "Burvägen", "Kvitter", "0706-123321")
REASON = "The door is locked and nobody answers"


class Town:
    """People of one role each, in municipality 1; `other` is an operator of municipality 2."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.number = {}
        for login, role, place in (
            ("vera", "care_assistant", 1), ("olle", "operator", 1), ("agnes", "fleet_owner", 1), ("rut", "auditor", 1),
            ("other", "operator", 2),
        ):  # fmt: skip
            self.number[login] = scene.town.person(login, (role, place))
        self.server: WebServer = scene.server()
        self.answers: list[httpx.Response] = []
        self.clients: dict[str, httpx.Client] = {}

    def ask(self, login: str, method: str, path: str, **data: object) -> httpx.Response:
        if login not in self.clients:
            self.clients[login] = self.scene.client(self.server, login)
        headers = {**HTML, "Origin": self.server.base, "Referer": self.server.base + "/recipients"}
        answer = self.clients[login].request(method, path, headers=headers, data=data or None)
        self.answers.append(answer)
        return answer

    def add(self, reference: str = "K-1", **more: str) -> int:
        made = self.ask("vera", "POST", "/recipients", reference=reference, municipality="1", priority="2", **more)
        assert made.status_code == 303 and made.headers["location"].startswith("/recipients/"), made.text
        number = int(made.headers["location"].rsplit("/", 1)[1])
        sealed = self.ask("vera", "POST", f"/recipients/{number}/person", **CANARY)
        assert sealed.headers["location"] == f"/recipients/{number}?sealed=1"
        return number

    def case(self, recipient: int) -> int:
        self.scene.sql(
            "INSERT INTO unit_recipients (unit_id, recipient_id, municipality_id, unit_type, role, since) "
            "VALUES (1, %s, 1, 'social', 'responsible', now())", recipient,
        )  # fmt: skip
        return self.scene.town.press(1, 1)


@pytest.fixture
def town(scene: Scene) -> Town:
    return Town(scene)


def shows(answer: httpx.Response) -> list[str]:
    return [word for word in WORDS if word in answer.text or word in str(answer.headers) or word in str(answer.url)]


def test_who_it_is_stands_in_one_answer_and_in_nothing_else(town: Town) -> None:
    recipient = town.add()
    path = f"/recipients/{recipient}"
    for login, page in (
        ("vera", path), ("olle", path), ("agnes", path), ("vera", "/recipients"), ("olle", "/recipients?find=K"),
        ("agnes", "/openings?all=1"), ("rut", "/openings"), ("olle", "/operators"), ("vera", "/units/00000001"),
    ):  # fmt: skip
        answer = town.ask(login, "GET", page)
        assert answer.status_code == 200, (login, page)
        assert shows(answer) == [], (login, page)
    opened = town.ask("olle", "POST", f"{path}/open", reason=REASON)
    assert opened.status_code == 200 and shows(opened) == list(WORDS)
    assert opened.headers["cache-control"] == "no-store"
    assert [len(shows(one)) for one in town.answers].count(0) == len(town.answers) - 1
    seen = town.ask("agnes", "GET", "/openings")
    assert REASON in seen.text and f"person:{town.number['olle']}" in seen.text
    assert town.scene.sql("SELECT count(*) FROM audit_records WHERE action = 'recipient.opened'") == [(1,)]


def test_nobody_does_what_their_role_does_not_hold(town: Town) -> None:
    recipient = town.add()
    path = f"/recipients/{recipient}"
    for login, method, page in (
        ("vera", "POST", f"{path}/open"), ("agnes", "POST", f"{path}/open"), ("rut", "GET", path),
        ("olle", "POST", "/recipients"), ("olle", "POST", f"{path}/person"), ("olle", "GET", "/openings"),
        ("vera", "POST", f"{path}/staff"), ("olle", "GET", "/pairing"), ("olle", "POST", "/units/00000001/revoke"),
        ("vera", "POST", "/units/00000001/life"),
    ):  # fmt: skip
        answer = town.ask(login, method, page, reason=REASON, person="1", event="receive", opening="1")
        assert answer.status_code == 403, (login, page, answer.status_code)
    for page in (path, f"{path}/open"):
        answer = town.ask("other", "GET" if page == path else "POST", page, reason=REASON)
        assert answer.status_code == 404 and shows(answer) == []


def test_a_protected_identity_opens_to_the_list_for_an_open_case(town: Town) -> None:
    recipient = town.add(protected="1")
    path, case = f"/recipients/{recipient}/open", town.case(recipient)
    for why in ({"reason": REASON}, {"case": str(case)}):
        answer = town.ask("olle", "POST", path, **why)
        assert answer.status_code == 403 and shows(answer) == []
    listed = town.ask("agnes", "POST", f"/recipients/{recipient}/staff", person=str(town.number["olle"]), listed="1")
    assert listed.status_code == 303
    assert shows(town.ask("olle", "POST", path, case=str(case))) == list(WORDS)
    assert shows(town.ask("olle", "POST", path, reason=REASON)) == []
    town.ask("agnes", "POST", f"/recipients/{recipient}/staff", person=str(town.number["olle"]), listed="0")
    assert shows(town.ask("olle", "POST", path, case=str(case))) == []


def test_without_a_reason_or_with_a_foreign_case_it_stays_shut(town: Town) -> None:
    recipient, neighbour = town.add(), town.add("K-2")
    case = town.case(neighbour)
    for why in ({}, {"reason": "short"}, {"case": str(case)}, {"case": "999999"}, {"case": "x"}):
        answer = town.ask("olle", "POST", f"/recipients/{recipient}/open", **why)
        assert answer.status_code == 403 and shows(answer) == [], why


def test_a_unit_is_moved_on_by_its_page_and_never_made_active_there(town: Town) -> None:
    path = "/units/00000002/life"
    assert town.ask("agnes", "POST", path, event="receive").headers["location"] == "/units/00000002"
    for event in ("prove", "pair", "assign", "nonsense"):
        assert town.ask("agnes", "POST", path, event=event).status_code == 404
    assert town.ask("agnes", "POST", path, event="clean").headers["location"] == "/units/00000002?refused=1"
    assert town.ask("agnes", "POST", path, event="leave", until="soon").headers["location"].endswith("refused=1")
    assert town.ask("agnes", "POST", "/units/00000002/revoke").status_code == 303
    assert town.scene.sql("SELECT life, state FROM units WHERE unit_id = 2") == [("in_stock", "revoked")]
    assert town.ask("agnes", "POST", "/units/00000003/life", event="receive").status_code == 404, "a foreign unit"
    page = town.ask("agnes", "GET", "/units/00000002")
    assert "0000-002-2" in page.text


def test_units_and_persons_are_found_by_label_and_reference(town: Town) -> None:
    town.add("K-77")
    for find, there in (
        ("00000002", "/units/00000002"), ("0000-002-2", "/units/00000002"), ("k-77", "/recipients?find=k-77"),
    ):  # fmt: skip
        answer = town.ask("vera", "GET", f"/units?find={find}")
        assert (answer.status_code, answer.headers.get("location")) == (303, there)
    assert "K-77" in town.ask("vera", "GET", "/recipients?find=k-7").text
    assert "K-77" not in town.ask("vera", "GET", "/recipients?find=k-8").text
    assert town.ask("rut", "GET", "/units?find=K-77").status_code == 200, "an auditor sees no recipients"
