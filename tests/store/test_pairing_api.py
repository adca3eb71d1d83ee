"""The pairing page's API over HTTP: its answers, its refusals, whose rows, and whatever else somebody sends."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from fleet.registry.label import label_of, qr_of
from tests.pairing_hall import DIGITS, REFERENCE, UNIT, Hall
from tests.web_server import Scene, postgres, scene

__all__ = ["postgres", "scene"]

API = "/pairing/api/pairings"


@pytest.fixture
def hall(scene: Scene) -> Hall:
    return Hall(scene)


@pytest.fixture
def client(hall: Hall) -> httpx.Client:
    return hall.scene.client(hall.scene.server(), "hemtjanst")


def wish(**more: object) -> dict[str, object]:
    return {"key": str(uuid4()), "label": label_of(UNIT), "reference": REFERENCE, "digits": DIGITS} | more


def test_a_pairing_is_begun_once_and_followed(hall: Hall, client: httpx.Client) -> None:
    asked = wish(label=qr_of(UNIT))
    begun = client.post(API, json=asked)
    assert begun.status_code == 201, begun.text
    assert client.post(API, json=asked).status_code == 200
    found = begun.json()
    assert (found["label"], found["state"], found["now"], len(found["steps"])) == (label_of(UNIT), "open", 0, 4)
    assert "recipient" not in begun.text and REFERENCE not in begun.text
    hall.settle()
    assert client.get(f"{API}/{found['id']}").json()["steps"][0]["state"] == "ordered"
    ended = client.post(f"{API}/{found['id']}/give-up", json={"reason": "wrong_unit"})
    assert ended.json()["state"] == "abandoned"
    over = client.post(f"{API}/{found['id']}/moved", json={})
    assert (over.status_code, over.json()["code"]) == (409, "over")


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"label": "0000-01A-0"}, 422, "label_check"),
        ({"label": "https://example.org"}, 422, "label_foreign"),
        ({"label": "\x00"}, 422, "label_shape"),
        ({"label": label_of(3)}, 404, "unknown_unit"),
        ({"reference": "K-1"}, 404, "unknown_reference"),
        ({"reference": "K\x00' OR 1=1"}, 404, "unknown_reference"),
        ({"digits": "åä"}, 409, "wrong_digits"),
        ({"rooms": ["kitchen", "kitchen"]}, 422, None),
        ({"rooms": ["Annas sovrum"]}, 422, None),
        ({"key": "1"}, 422, None),
        ({"person": "x"}, 422, None),
    ],
)
def test_a_refusal_has_a_code_and_says_what_to_do(
    hall: Hall, client: httpx.Client, more: dict[str, object], status: int, code: str | None
) -> None:
    answer = client.post(API, json=wish(**more), headers={"Accept-Language": "en"})
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if code is not None:
        assert len(answer.json()["words"]) > 20
    assert hall.scene.sql("SELECT count(*) FROM pairings") == [(0,)]


def test_another_municipality_s_pairing_is_not_there(hall: Hall, client: httpx.Client) -> None:
    number = client.post(API, json=wish()).json()["id"]
    hall.scene.town.person("elsewhere", ("care_assistant", 2))
    other = hall.scene.client(hall.scene.servers[0], "elsewhere")
    for method, path in (("GET", ""), ("POST", "/moved"), ("POST", "/again"), ("POST", "/give-up"), ("POST", "/old")):
        body = {"why": "lost"} if path == "/old" else {}
        answer = other.request(method, f"{API}/{number}{path}", json=body if method == "POST" else None)
        assert answer.status_code == 404, path
    assert other.post(API, json=wish()).json()["code"] == "unknown_unit"
    for path in (f"{API}/0", f"{API}/{1 << 70}"):
        assert client.get(path).status_code == 404
    assert client.get(f"{API}/x").status_code == 422


def test_the_camera_is_for_this_page_alone(hall: Hall, client: httpx.Client) -> None:
    page = client.get("/pairing", headers={"Accept": "text/html"})
    assert "camera=(self)" in page.headers["permissions-policy"]
    assert "'wasm-unsafe-eval'" in page.headers["content-security-policy"]
    other = client.get("/units", headers={"Accept": "text/html"})
    assert "camera=()" in other.headers["permissions-policy"]
    assert "wasm" not in other.headers["content-security-policy"]
    assert client.get("/pairing/manifest.webmanifest").json()["start_url"] == "/pairing"
    assert client.get("/pairing/worker.js").headers["service-worker-allowed"] == "/pairing"
