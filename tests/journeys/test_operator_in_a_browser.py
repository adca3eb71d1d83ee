"""A person at the console: logs in with a real browser, sees a press come, takes it, and the wearer's lamp says so."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from sim.house import LOGIN
from tests.journeys.conftest import living_house

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
UNITS = {"coap": 2, "mqtt": 1}
NO_RELOAD = "window.livlinaStays = true"


async def log_in(page: Page, url: str, password: str) -> None:
    await page.goto(url + "/")
    await page.fill("input[name=login]", LOGIN)
    await page.fill("input[name=password]", password)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/operators*")
    await expect(page.locator("#contact")).to_have_attribute("data-state", "ok", timeout=60_000)


def test_a_press_is_taken_in_the_browser_and_the_wearer_is_told(data_folder: Path) -> None:
    async def journey() -> None:
        async with living_house(data_folder, 2) as house, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=120_000)
            page = await browser.new_page()
            await log_in(page, house.url, house.password())
            await page.evaluate(NO_RELOAD)
            for pipe, unit in UNITS.items():
                assert house.pipe(unit) == pipe
                await house.fleet.press(unit)
                row = page.locator("#waiting .case").filter(has_text=f"{unit:08x}")
                await expect(row).to_be_visible(timeout=60_000)
                await house.fleet.wait_lamp(unit, "accepted", 60)
                await row.focus()
                await page.keyboard.press("t")
                await expect(page.locator("#taken .case").filter(has_text=f"{unit:08x}")).to_be_visible(timeout=60_000)
                await house.fleet.wait_lamp(unit, "taken", 60)
            assert await page.evaluate("window.livlinaStays") is True, "the page was loaded again"
            await browser.close()

    asyncio.run(journey())


def test_nobody_takes_and_the_lamp_stays_at_accepted(data_folder: Path) -> None:
    """Negative control: the taken lamp comes from a person's act and from nothing else."""

    async def journey() -> None:
        async with living_house(data_folder, 2) as house:
            stages: list[str] = []
            house.fleet.on_lamp = lambda unit, stage, at: stages.append(stage)
            await house.fleet.press(1)
            await house.fleet.wait_lamp(1, "accepted", 60)
            house.kill_server()
            await house.start_server()
            await house.fleet.press(2)
            await house.fleet.wait_lamp(2, "accepted", 60)
            assert "taken" not in stages

    asyncio.run(journey())
