"""`livlina provision demo --page`: at the bench's page a virtual board becomes a unit of a real fleet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from queue import Queue
from threading import Thread
from typing import IO, Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_bench_page import link_of, page_of, place

__all__ = ["page_of"]
PATIENCE_S = 240.0
LINK = "the bench's page opens once by"


@pytest.fixture
def demo() -> Iterator[tuple[subprocess.Popen[str], Queue[str]]]:
    command = [sys.executable, "-m", "livlina", "provision", "demo", "--boards", "1", "--page"]
    command += ["--app-bytes", "20000", "--json"]
    said: Queue[str] = Queue()

    def listen(lines: IO[str]) -> None:
        for line in lines:
            said.put(line)

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        listener = Thread(target=listen, args=(process.stderr,))
        listener.start()
        try:
            yield process, said
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(PATIENCE_S)
            listener.join(PATIENCE_S)


def answer(page: Page, question: str, words: str) -> None:
    expect(place(page, 1).locator(".hands")).to_have_text(question)
    place(page, 1).get_by_role("button", name=words).click()


@pytest.mark.timeout(900)
def test_a_board_becomes_a_unit_of_a_real_fleet(demo: Any, page_of: Any) -> None:
    expect.set_options(timeout=PATIENCE_S * 1000)
    process, said = demo
    while LINK not in (line := said.get(timeout=PATIENCE_S)):
        pass
    page = page_of(link_of(line))
    answer(page, "Sätt ett kort på kabeln. Tryck sedan på Starta.", "Starta")
    # The virtual hand presses; what it shows is the person's to say. A lamp that was not seen is looked at again.
    answer(page, "Trycket kom fram. Lyser lampan?", "Nej, den är mörk")
    expect(place(page, 1).locator(".reason")).to_contain_text("Stationen säger: lampan på enhet 00000001 är mörk")
    place(page, 1).get_by_role("button", name="Försök igen").click()
    answer(page, "Trycket kom fram. Lyser lampan?", "Ja, den lyser")
    answer(page, "Vibrerade kortet när du tryckte?", "Ja, jag kände det")
    answer(page, "Lät kortet när du tryckte?", "Ja, jag hörde det")
    expect(place(page, 1)).to_have_attribute("data-state", "passed")
    page.click("#end")
    assert process.wait(PATIENCE_S) == 0
    document = json.loads(process.stdout.read())
    (board,) = document["boards"]
    assert document["passed"] and board["failed_before"] == ["lamp"]
    assert board["heard"] == "Heartbeat" and board["lamp"][-1] == "taken"
    assert "MicroPython" in document["interpreter"] and "stand-in" in document["micropython"]
    found = {check["name"]: check["value"] for check in document["checks"]}
    assert found["cards that the boards have read by their modems"] == 2
    assert found["boards that were seen to shine, felt to shake and heard to sound"] == 1
    assert found["units whose press the alarm centre has"] == 1
