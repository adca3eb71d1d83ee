"""The bench's page in a browser: two virtual boards on real esptool, side by side, from bare to labelled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from fleet.web.bench_log import BenchLog, Place
from livlina.provision_page import bench_of, run_at_page, served
from livlina.provision_run import Materials
from provisioning.flash_esptool import Port
from provisioning.label_reading import read_back
from provisioning.plan import BoardKind, plan
from sim.board_rom.bench import VirtualBench
from sim.board_rom.board import make_board
from tests.browser.conftest import PATIENCE_MS
from tests.browser.test_accessibility import violations
from tests.provision_bench import KIND, ORDER, CountingFleet, Workshop


class HearingFleet(CountingFleet):
    """One that hears every board; a press comes through when the test's finger has been asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.pressed = threading.Event()

    def heard(self, unit: int, patience_s: float = 0) -> dict[str, object] | None:
        return {"heard": "Heartbeat"}

    def order_test(self, unit: int, since: datetime, sims: int = 0, *, button: bool = True) -> None:
        pass

    def tested(self, unit: int, kind: BoardKind, press: Any, since: datetime, patience_s: float = 0) -> dict[str, Any]:
        press()
        assert self.pressed.wait(60)
        return {"button": "proven", "iccids": []}


@dataclass
class Scene:
    """A station at work with its page."""

    base: str
    log: BenchLog
    fleet: HearingFleet
    links: list[str]
    bench: VirtualBench
    ended: threading.Event = field(default_factory=threading.Event)
    documents: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Scene]:
    shop = Workshop(tmp_path)
    fleet = HearingFleet()
    boards = [shop.board, make_board(tmp_path / "board2", "esp32s3", bytes.fromhex("020000000008"))]
    order = replace(ORDER, quantity=1)
    work = shop.bench()
    materials = Materials(tmp_path, work.station, work.ledger, fleet, work.firmware, work.romfs, None, "38x19", 60)
    links: list[str] = []
    with VirtualBench(boards) as bench:
        ports = [Port(url, "esp32s3", tries=5) for url in bench.addresses]
        log = bench_of(materials, order, ports)
        with served(log, tmp_path / "labels", links.append) as base:
            scene = Scene(base, log, fleet, links, bench)

            def run() -> None:
                scene.documents.append(run_at_page(materials, order, KIND, ports, plan(order, KIND), log))
                scene.ended.set()

            working = threading.Thread(target=run)
            working.start()
            try:
                yield scene
            finally:
                fleet.pressed.set()
                log.end()
                working.join(60)


@pytest.fixture
def page_of(chromium: Browser, complaints: list[str]) -> Iterator[Any]:
    contexts: list[BrowserContext] = []

    def make(link: str, **options: Any) -> Page:
        context = chromium.new_context(**{"locale": "sv-SE", "viewport": {"width": 1366, "height": 820}, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if "Content Security Policy" in m.text else None)
        page.goto(link)
        return page

    yield make
    for context in contexts:
        context.close()


def link_of(said: str) -> str:
    return said.rsplit(maxsplit=1)[-1]


def place(page: Page, number: int) -> Any:
    return page.locator(f"section[aria-labelledby=place-{number}]")


@pytest.mark.timeout(200)
def test_a_board_is_made_at_the_page_and_one_too_many_is_refused(station: Scene, page_of: Any) -> None:
    expect.set_options(timeout=PATIENCE_MS)
    page = page_of(link_of(station.links[0]))
    assert page.url == station.base + "/" and len(station.links) == 2
    expect(page.locator("#contact")).to_have_attribute("data-state", "ok")
    expect(place(page, 1).locator(".hands")).to_have_text("Sätt ett kort på kabeln. Tryck sedan på Starta.")
    page.keyboard.press("Alt+Digit1")
    page.keyboard.press("Enter")
    expect(place(page, 1).locator(".hands")).to_have_text("Tryck på kortets knapp nu, i en sekund.")
    # The order is of one board, and that one is under work.
    page.keyboard.press("Alt+Digit2")
    page.keyboard.press("Enter")
    expect(place(page, 2).locator(".hands")).to_have_text("Ordern är full. Ta av kortet.")
    expect(place(page, 2).locator("li[data-state=failed]")).to_have_attribute("data-step", "identity")
    assert violations(page) == []
    station.fleet.pressed.set()
    expect(place(page, 1).locator(".hands")).to_have_text("Trycket kom fram. Lyser lampan?")
    page.keyboard.press("Alt+Digit1")
    page.keyboard.press("Enter")
    expect(place(page, 1)).to_have_attribute("data-state", "passed")
    expect(page.locator("#made")).to_have_text("1 av 1 gjorda")
    assert place(page, 1).locator("li[data-state=done]").count() == 10
    href = place(page, 1).locator("a.button").get_attribute("href")
    label = page.context.request.get(station.base + href)
    assert label.headers["content-type"] == "application/pdf"
    assert read_back(label.body()) is not None
    page.click("#end")
    expect(page.locator("#contact-word")).to_have_text("Arbetet är slut här.")
    expect(page.locator("#loss")).to_be_hidden()
    assert station.ended.wait(60)
    assert station.documents[0]["made"] == 1 and not station.documents[0]["passed"]


STAND = [
    Place(1, "/dev/ttyUSB0", "working", "02:00:00:00:00:07", "", (("connect", "done"), ("flash", "begin")), "leave"),
    Place(2, "/dev/ttyUSB1", "working", "02:00:00:00:00:08", "0000002a", (("selftest", "begin"),), "lamp", asks="lamp"),
    Place(3, "/dev/ttyUSB2", "passed", "02:00:00:00:00:09", "0000002b", (("ledger", "done"),), "stick", label="A-B",
          asks="board", passed=7),
    Place(4, "/dev/ttyUSB3", "failed", "02:00:00:00:00:0a", "0000002c", (("selftest", "failed"),), "", "sims",
          "unit 0000002c has told 1 of 2 SIM cards: look at the cards, and run again", asks="again"),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "language", "width"), [("light", "sv", 1366), ("dark", "en", 360)])
def test_axe_finds_nothing_whatever_stands_on_the_bench(
    tmp_path: Path, page_of: Any, scheme: str, language: str, width: int
) -> None:
    links: list[str] = []
    with served(BenchLog("O-1", 12, 7, list(STAND)), tmp_path, links.append):
        page = page_of(link_of(links[0]), color_scheme=scheme, viewport={"width": width, "height": 820})
        page.goto(page.url + f"?lang={language}")
        expect(place(page, 4).locator(".hands")).not_to_be_empty()
        assert violations(page) == []


def test_strangers_see_nothing(tmp_path: Path, page_of: Any) -> None:
    links: list[str] = []
    with served(BenchLog("O-1", 12, 7, list(STAND)), tmp_path, links.append) as base:
        page = page_of(link_of(links[0]))  # Which uses it up.
        for path in ("/", "/open?key=wrong", link_of(links[0]).removeprefix(base)):
            stranger = page_of(base + path)
            expect(stranger.locator(".fault")).to_contain_text("Länken är förbrukad")
            assert stranger.locator(".place").count() == 0 and "ttyUSB0" not in stranger.content()
            assert violations(stranger) == []
        wanted = {"data": {"question": "lamp", "answer": "yes"}}
        assert stranger.context.request.post(base + "/places/2/answer", **wanted).status == 401
        assert stranger.context.request.get(base + "/labels/A-B.pdf").status == 401
        assert (
            stranger.evaluate(
                "new Promise((told) => { new WebSocket(location.origin.replace('http', 'ws') + '/ws').onclose ="
                " (event) => told(event.code); })"
            )
            == 4401
        )
        # Who may: nobody waits for an answer there, and a name that is no label of this bench is none.
        assert page.context.request.post(base + "/places/2/answer", **wanted).status == 409
        assert page.context.request.get(base + "/labels/..%2Fledger.pdf").status == 404
        # A name of somebody else's that leads to this machine is not this page.
        assert page.context.request.get(base + "/labels/A-B.pdf", headers={"Host": "evil.example"}).status == 401
