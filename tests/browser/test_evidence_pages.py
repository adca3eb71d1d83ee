"""The pages of evidence in Chromium: what they show, to whom, by keyboard, and that axe finds nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api_callers import sign_in
from tests.api_town import CANARIES, UNIT, ApiTown, api_town
from tests.browser.test_accessibility import violations
from tests.database import fresh_database
from tests.fleet_server import EmbeddedPostgres
from tests.looks import LOOKS, Widths


@pytest.fixture
def town(postgres: EmbeddedPostgres) -> Iterator[tuple[ApiTown, dict[str, dict[str, str]]]]:
    with fresh_database(postgres) as database, api_town(database) as made:
        yield made, sign_in(made)


@pytest.fixture
def visit(chromium: Browser, town: tuple[ApiTown, dict[str, dict[str, str]]]) -> Iterator[object]:
    made, cookies = town
    pages: dict[tuple[str, str], Page] = {}

    def go(role: str, path: str, scheme: str = "light", locale: str = "sv-SE") -> Page:
        """The same page for whoever looks at it in this way: each new one costs a process of Chromium's."""
        if (scheme, locale) not in pages:
            context = chromium.new_context(locale=locale, color_scheme=scheme, viewport={"width": 1366, "height": 820})  # type: ignore[arg-type]
            pages[scheme, locale] = context.new_page()
        page = pages[scheme, locale]
        page.context.clear_cookies()
        page.context.add_cookies(
            [{"name": name, "value": value, "url": made.base} for name, value in cookies[role].items()]
        )
        page.goto(made.base + path)
        return page

    yield go
    for page in pages.values():
        page.context.close()


PAGES = (("auditor", "/record"), ("auditor", "/reports"), ("shift_lead", "/routines"), ("administrator", "/webhooks"))


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_axe_finds_nothing_and_nothing_runs_out_of_sight(
    visit: object, scheme: str, locale: str, widths: Widths
) -> None:
    for role, path in PAGES:
        page = visit(role, path, scheme, locale)  # type: ignore[operator]
        assert page.locator("h1").count() == 1
        assert page.locator("html").get_attribute("lang") == locale[:2]
        for width in widths:
            page.set_viewport_size({"width": width, "height": 820})
            assert violations(page) == [], (path, locale, width)


def test_the_record_is_filtered_and_shows_nobody_elses(visit: object, town: tuple[ApiTown, object]) -> None:
    page = visit("auditor", "/record")  # type: ignore[operator]
    expect(page.locator("tbody tr").first).to_be_visible()
    assert CANARIES["a foreign municipality"] not in page.content()
    page.fill("input[name=action]", "unit.receive")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr").first).to_contain_text("unit.receive")
    assert set(page.locator("tbody tr td:nth-child(3)").all_inner_texts()) == {"unit.receive"}
    with page.expect_download() as waiting:
        page.click("a:has-text('CSV')")
    text = waiting.value.path().read_text(encoding="utf-8")
    assert text.count("unit.receive") >= 2 and f"unit:{UNIT:08x}" in text


def test_the_chain_is_drawn_with_who_is_on_duty(visit: object) -> None:
    page = visit("shift_lead", "/routines")  # type: ignore[operator]
    steps = page.locator("ol.chain > li")
    expect(steps.first).to_contain_text("Norra centralen")
    assert steps.count() >= 3
    page.goto(page.url.split("?")[0] + "?municipality=2&at=nonsense")
    expect(page.get_by_role("alert")).to_be_visible()
    assert CANARIES["a foreign municipality"] not in page.content()


def test_a_webhook_is_made_its_secret_is_shown_once_and_it_is_ended(visit: object) -> None:
    page = visit("administrator", "/webhooks")  # type: ignore[operator]
    page.fill("input[name=url]", "https://receiver.example/events")
    page.get_by_role("button", name="Prenumerera").click()
    secret = page.locator("p.secret").inner_text()
    assert len(secret) > 30
    page.goto(page.url)
    assert secret not in page.content()
    page.get_by_role("button", name="Avsluta").click()
    expect(page.get_by_role("status")).to_be_visible()
    expect(page.locator("tbody tr")).to_contain_text("avslutad")


def test_the_month_leads_to_its_files(visit: object) -> None:
    page = visit("auditor", "/reports?month=2026-11")  # type: ignore[operator]
    for kind, begins in (("PDF", b"%PDF-"), ("CSV", b"section,name,value"), ("JSON", b"{")):
        address = page.get_by_role("link", name=kind, exact=True).first.get_attribute("href")
        answer = page.request.get(page.url.split("/reports")[0] + str(address))
        assert answer.status == 200 and answer.body().startswith(begins)
