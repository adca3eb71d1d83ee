"""Real Chromium over the real server and a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.web_server import PASSWORD, Scene, WebServer, postgres, scene

__all__ = ["postgres", "scene"]

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_MS = 120_000
"""With a page and with Chromium's start; six run side by side."""
expect.set_options(timeout=PATIENCE_MS)
# Must be read by an init script: Playwright's own evaluate counts as a press of the user's and would open the gate.
LISTEN_TO_SOUND = """
window.heard = [];
window.contexts = [];
const Real = window.AudioContext;
window.AudioContext = class extends Real {
  constructor(...all) { super(...all); window.contexts.push(this); }
  createOscillator() {
    const made = super.createOscillator();
    const start = made.start.bind(made);
    made.start = (at) => { window.heard.push(made.frequency.value); start(at); };
    return made;
  }
};
"""

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Module scope: Playwright's sync API keeps an event loop in this thread, which other tests must not meet."""
    assert CHROMIUM.exists(), f"{CHROMIUM} is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS, timeout=PATIENCE_MS)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Script errors and breaches of the content security policy; the test fails if a page had any."""
    found: list[str] = []
    yield found
    assert not found


@pytest.fixture
def open_page(chromium: Browser, complaints: list[str]) -> Iterator[Open]:
    """open_page(server, login=None, path="/operators", **context options) -> Page, each in a context of its own."""
    contexts: list[BrowserContext] = []

    def make(server: WebServer, login: str | None = None, path: str = "/operators", **options: Any) -> Page:
        context = chromium.new_context(**{"locale": "sv-SE", "viewport": {"width": 1366, "height": 820}, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(LISTEN_TO_SOUND)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if "Content Security Policy" in m.text else None)
        if login is not None:
            _sign_in(context, server, login)
        page.goto(server.base + path)
        if login is not None:
            assert page.url == server.base + path
            if path == "/operators":
                in_contact(page)
        return page

    yield make
    for context in contexts:
        context.close()


def _sign_in(context: BrowserContext, server: WebServer, login: str) -> None:
    """By the form that the page sends, without the page: tests of signing in, and of a whole shift, type themselves."""
    form = {"login": login, "password": PASSWORD}
    answer = context.request.post(server.base + "/login", form=form, headers={"Origin": server.base}, max_redirects=0)
    assert answer.status == 303, answer.text()


def in_contact(page: Page) -> None:
    """Waits until the page is green."""
    expect(page.locator("#contact")).to_have_attribute("data-state", "ok", timeout=PATIENCE_MS)


@pytest.fixture
def server(scene: Scene) -> WebServer:
    return scene.server()
