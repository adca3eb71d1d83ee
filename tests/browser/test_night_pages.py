"""A bad night in a real browser: what is loud, what counts down, and that everybody can read every page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests import web_night
from tests.browser.conftest import Open
from tests.browser.test_accessibility import violations
from tests.looks import LOOKS, Widths
from tests.web_server import Scene, WebServer


def test_an_escalated_case_is_louder_and_says_whom_and_when_next(
    scene: Scene, server: WebServer, open_page: Open
) -> None:
    web_night.centres(scene)
    case = scene.town.press(1, 1)
    mine = scene.town.press(2, 1)
    anna = open_page(server, "anna")
    row = anna.locator(f"#case-{case}")
    expect(row.locator(".around")).to_contain_text("larmcentralen")  # the next step
    anna.locator("#shift").click()
    anna.locator(f"#case-{mine} .take").click()
    expect(anna.locator(f"#taken #case-{mine}")).to_be_visible()
    anna.evaluate("window.heard.length = 0")
    assert row.locator(".escalated").is_hidden()
    web_night.next_step(scene, case, 3, 95)
    web_night.escalate(scene, case, 2, "Nattpatrullen")
    scene.sql("SELECT pg_notify('livlina_case_log', '')")
    expect(row.locator(".escalated")).to_have_text("ESKALERAT")
    expect(row.locator(".escalation")).to_contain_text("till Nattpatrullen")
    expect(row.locator(".responsible")).to_have_text("Ansvarar nu: Nattpatrullen")
    expect(row.locator(".next")).to_have_text(re.compile(r"Härnäst om 1 min 2\d s: skiftledare"))
    expect(anna.locator("#shout")).to_contain_text("Eskalerat: 2 Hög")
    anna.wait_for_function("() => window.heard.filter(tone => tone === 988).length >= 4")  # acute, again and again
    before = row.locator(".next").inner_text()
    expect(row.locator(".next")).not_to_have_text(before)  # it counts
    web_night.next_step(scene, case, 3, -60)
    expect(row.locator(".late")).to_contain_text("Ring dem själv")


def test_a_row_says_what_is_odd_and_a_test_has_none(scene: Scene, server: WebServer, open_page: Open) -> None:
    made = web_night.night(scene)
    anna = open_page(server, "anna", locale="en-GB")
    expect(anna.locator(".case")).to_have_count(7)
    for name, words in {
        "escalated": ("3 presses", "made acute by repeated presses", "manager", "guard not reached, attempt 3"),
        "moved": ("Refused by Larmcentral Nord", "refused it: told to Larmcentral Syd too"),
        "duress": ("Silent: do not call", "should have been told"),
        "never": ("Larmcentral Syd never reports that a person has taken it",),
        "stuck": ("Button stuck: it stays pressed", "battery low: 12 %", "SMS"),
        "late": ("Arrived late", "came 40 min late"),
        "replay": ("Not proven to be fresh", "Repetition of an old alarm"),
    }.items():
        for word in words:
            expect(anna.locator(f"#case-{made[name]}")).to_contain_text(word)
    expect(anna.locator(f"#case-{made['test']}")).to_have_count(0)


def test_a_task_is_closed_by_keyboard_without_scripts(scene: Scene, server: WebServer, open_page: Open) -> None:
    web_night.task(scene, 2, "fault", 7, 60, count=4)
    web_night.task(scene, 1, "pendant missed", 3)
    plain = open_page(server, "anna", path="/technicians", java_script_enabled=False)
    plain.locator("select[name=kind]").focus()
    plain.locator("select[name=kind]").select_option("fault")
    plain.keyboard.press("Tab")
    plain.keyboard.press("Tab")
    plain.keyboard.press("Enter")
    expect(plain.locator("tr[data-task]")).to_have_count(1)
    plain.locator("tr[data-task] button").focus()
    plain.keyboard.press("Enter")
    expect(plain.locator(".done")).to_contain_text("är avslutad")
    assert scene.sql("SELECT closed_by FROM technician_tasks WHERE kind = 'fault'") == [("anna",)]


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_axe_finds_nothing_and_nothing_runs_out_of_sight(
    scene: Scene, server: WebServer, open_page: Open, locale: str, scheme: str, widths: Widths
) -> None:
    made = web_night.night(scene)
    page = open_page(server, "anna", locale=locale, color_scheme=scheme, reduced_motion="reduce")
    expect(page.locator(".case")).to_have_count(7)
    expect(page.locator(".escalation")).to_be_visible()
    paths = (
        "/technicians",
        "/technicians?done=gone",
        "/units?find=x",
        "/units/00000001",
        "/units/00000002",
        "/centres",
    )
    for path in (None, f"/operators/cases/{made['escalated']}", *paths):
        if path is not None:
            page.goto(server.base + path)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 820})
            assert violations(page) == [], (path, width)
