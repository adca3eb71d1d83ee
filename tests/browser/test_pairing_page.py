"""The pairing page on a telephone: a label before a camera, no contact, one pairing, at most six taps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import segno
from playwright.sync_api import Browser, Page, expect, sync_playwright

from fleet.registry.label import label_of, qr_of
from tests.browser.conftest import CHROMIUM, FLAGS, PATIENCE_MS
from tests.pairing_hall import DIGITS, REFERENCE, UNIT, Hall
from tests.web_server import PASSWORD, Scene, WebServer

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
COUNT_TAPS = (
    "window.taps = []; addEventListener('click', e => window.taps.push(e.target.id || e.target.tagName), true);"
)


@pytest.fixture
def hall(scene: Scene) -> Hall:
    return Hall(scene)


def video(file: Path, text: str) -> None:
    """A fake camera's film in Y4M: the code, black on grey, as it would be held before a telephone."""
    width, height, scale = 640, 480, 8
    matrix = [list(row) for row in segno.make(text, error="q", micro=False).matrix]
    left, top = (width - len(matrix) * scale) // 2, (height - len(matrix) * scale) // 2
    luma = bytearray(b"\xc8" * (width * height))
    for row, cells in enumerate(matrix):
        line = b"".join((b"\x14" if cell else b"\xe6") * scale for cell in cells)
        for y in range(top + row * scale, top + (row + 1) * scale):
            luma[y * width + left : y * width + left + len(line)] = line
    chroma = b"\x80" * (width * height // 2)
    frame = b"FRAME\n" + bytes(luma) + chroma
    file.write_bytes(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode() + frame * 10)


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    film = tmp_path_factory.mktemp("camera") / "label.y4m"
    video(film, qr_of(UNIT))
    flags = [
        *FLAGS, "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags, timeout=PATIENCE_MS)
        yield browser
        browser.close()


def sign_in(page: Page, server: WebServer) -> None:
    page.goto(server.base + "/pairing")
    page.fill("#login", "hemtjanst")
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(server.base + "/pairing")
    expect(page.locator("#contact")).to_have_attribute("data-state", "ok")


@pytest.fixture
def phone(camera: Browser, server: WebServer, hall: Hall) -> Iterator[Page]:
    context = camera.new_context(locale="sv-SE", **PHONE)
    context.grant_permissions(["camera"], origin=server.base)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(COUNT_TAPS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if "Content Security Policy" in m.text else None)
    sign_in(page, server)
    yield page
    context.close()
    assert complaints == []


def test_a_label_is_scanned_and_every_button_is_proven_within_six_taps(phone: Page, hall: Hall) -> None:
    phone.evaluate("window.taps.length = 0")
    phone.locator("#scan").tap()
    expect(phone.locator("#label")).to_have_value(label_of(UNIT))
    expect(phone.locator("#reference")).to_be_focused()
    phone.keyboard.type(REFERENCE)
    phone.keyboard.press("Tab")
    phone.keyboard.type(DIGITS)
    phone.locator("#begin").tap()
    expect(phone.locator("#counts")).to_contain_text("Inte aktiv än")
    expect(phone.locator("#steps li")).to_have_count(4)
    for place in range(4):
        hall.settle()
        expect(phone.locator("#say")).to_contain_text("Vänta. Tryck inte än")
        unit, button = hall.take_orders()
        expect(phone.locator("#say")).to_contain_text("Tryck nu")
        assert hall.life() == "pairing"
        hall.press(unit, button)
        expect(phone.locator("#steps li").nth(place)).to_have_attribute("data-state", "proven")
    expect(phone.locator("#counts")).to_have_text("Aktiv")
    expect(phone.locator("#say")).to_contain_text("Bevis P-")
    expect(phone.locator("#say")).to_contain_text("Avgift får tas ut från 20")
    assert hall.life() == "active"
    phone.locator("#done").tap()
    expect(phone.locator("#wish")).to_be_visible()
    taps = phone.evaluate("window.taps")
    assert len(taps) <= 6, taps


def test_without_contact_all_is_kept_and_it_is_sent_once(phone: Page, hall: Hall, server: WebServer) -> None:
    phone.wait_for_function("navigator.serviceWorker.ready.then(r => !!r.active)")
    phone.reload()  # now under its worker
    expect(phone.locator("#contact")).to_have_attribute("data-state", "ok")
    server.stop()
    phone.fill("#label", label_of(UNIT))
    phone.fill("#reference", REFERENCE)
    phone.fill("#digits", DIGITS)
    phone.locator("#begin").tap()
    expect(phone.locator("#say")).to_contain_text("Inte skickat än. Tryck inte")
    expect(phone.locator("#contact")).to_have_attribute("data-state", "lost")
    phone.reload()  # the page itself comes out of the telephone
    expect(phone.locator("#say")).to_contain_text("Inte skickat än. Tryck inte")
    expect(phone.locator("#counts")).to_have_text("Inte aktiv än")
    assert hall.scene.sql("SELECT count(*) FROM pairings") == [(0,)]
    assert hall.life() == "in_stock"
    server.start()
    expect(phone.locator("#contact")).to_have_attribute("data-state", "ok")
    expect(phone.locator("#steps li")).to_have_count(4)
    server.stop()
    expect(phone.locator("#contact")).to_have_attribute("data-state", "lost")
    phone.reload()
    server.start()
    expect(phone.locator("#steps li")).to_have_count(4)
    assert hall.scene.sql("SELECT count(*) FROM pairings") == [(1,)]


def test_what_is_refused_says_what_to_do_and_is_not_lost(phone: Page, hall: Hall) -> None:
    for label, reference, digits, words in (
        ("0000-01A-0", REFERENCE, DIGITS, "Ett tecken på etiketten är fel"),
        (label_of(99), REFERENCE, DIGITS, "Det finns ingen sådan enhet"),
        (label_of(UNIT), "K-1", DIGITS, "Det finns ingen sådan person"),
        (label_of(UNIT), REFERENCE, "00", "Kontrollsiffrorna hör inte till referensen"),
    ):
        phone.fill("#label", label)
        phone.fill("#reference", reference)
        phone.fill("#digits", digits)
        phone.locator("#begin").tap()
        expect(phone.locator("#fault")).to_contain_text(words)
        expect(phone.locator("#label")).to_have_value(label)
    assert hall.scene.sql("SELECT count(*) FROM pairings") == [(0,)]


def test_a_press_that_does_not_come_asks_for_a_better_place(phone: Page, hall: Hall) -> None:
    phone.fill("#label", label_of(UNIT))
    phone.fill("#reference", REFERENCE)
    phone.fill("#digits", DIGITS)
    phone.locator("#begin").tap()
    expect(phone.locator("#steps li")).to_have_count(4)
    hall.settle()
    hall.press(*hall.take_orders())
    hall.take_orders()
    hall.scene.sql(
        "UPDATE pairings SET steps = jsonb_set(jsonb_set(steps, '{1,until}', '\"2020-01-01T00:00:00+00:00\"'), "
        "'{1,state}', '\"ready\"')"
    )
    hall.settle()
    expect(phone.locator("#say")).to_contain_text("Inget kom")
    expect(phone.locator("#counts")).to_contain_text("Inte aktiv än")
    phone.locator("#moved").tap()
    expect(phone.locator("#say")).to_contain_text("Vänta")
    assert hall.life() == "pairing"
    phone.locator("#give-up").tap()
    expect(phone.locator("#say")).to_contain_text("Parningen är slut utan bevis")
    assert hall.life() == "in_stock"
