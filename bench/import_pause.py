"""How long an alarm waits while a whole fleet comes in by the API.

    python -m bench.import_pause [--units 11000] [--json]

`livlina serve` runs as a process of its own on a real PostgreSQL. A unit presses every 50 ms, before the import and
while it is read, looked at and written; each press waits for its receipt, which comes after the commit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from bench import options
from fleet.settings import Settings
from livlina.installation import open_secret_box
from provisioning.identity import Identity
from sim.scenarios.a7_house import Air, Card
from tests.api_callers import sign_in
from tests.api_town import KEY, OWN, UNIT, ApiTown, api_town
from tests.database import cluster, fresh_database
from tests.ports import free_port

EVERY_S = 0.05
BEFORE_S = 5.0
PATIENCE_S = 60.0


def fleet_of(units: int) -> bytes:
    """A fleet in use: each unit with a recipient, three buttons and a SIM card."""
    return json.dumps(
        {
            "format": "livlina-fleet-1",
            "recipients": [
                {"municipality": OWN, "reference": f"IM-{n}", "priority": 1 + n % 5, "district": f"District {n % 40}"}
                for n in range(units)
            ],
            "units": [
                {
                    "unit": f"{0x100000 + n:08x}", "municipality": OWN, "type": "social", "life": "active",
                    "inputs": "0:own 1:pendant:A1 2:cord", "sims": f"1:89460715123{n:08d}:Telia",
                    "recipient": f"IM-{n}", "board": "hub-2", "modem": "BG95",
                }
                for n in range(units)
            ],
        }
    ).encode()  # fmt: skip


async def presses(door: tuple[str, int], card: Card, stop: asyncio.Event) -> list[float]:
    """Seconds from each press to its receipt; a press without one counts with the time that it was waited for."""
    air, waits = await Air.open(door), []

    async def one() -> None:
        began = time.perf_counter()
        await air.ask(card.seal(card.press()), PATIENCE_S)
        waits.append(time.perf_counter() - began)

    under_way: set[asyncio.Task[None]] = set()
    while not stop.is_set():
        task = asyncio.create_task(one())
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        await asyncio.sleep(EVERY_S)
    await asyncio.gather(*under_way)
    air.close()
    return waits


async def measured(http: int, coap: int, cookies: dict[str, str], units: int) -> dict[str, Any]:
    """Before and while it is imported."""
    card = Card(Identity(UNIT, 1, KEY), None, 7)
    found: dict[str, Any] = {"units": units}
    body = fleet_of(units)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}/api/v1", cookies=cookies, timeout=300) as client:

        async def import_once(wishes: str) -> None:
            headers = {"Content-Type": "application/json"}
            answer = await client.post(f"/fleet/import?in_use=true{wishes}", content=body, headers=headers)
            document = answer.json()
            if answer.status_code != 200 or document["faults"] or document["units_added"] != units:
                raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")

        stages: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
            ("before", lambda: asyncio.sleep(BEFORE_S)),
            ("dry run", lambda: import_once("&dry_run=true")),
            ("import", lambda: import_once("")),
        )
        for name, work in stages:
            stop = asyncio.Event()
            pressing = asyncio.create_task(presses(("127.0.0.1", coap), card, stop))
            began = time.perf_counter()
            await work()
            spent = time.perf_counter() - began
            stop.set()
            waits = sorted(await pressing)
            found[name] = {
                "seconds": round(spent, 1), "presses": len(waits), "median_ms": round(statistics.median(waits) * 1000),
                "p99_ms": round(waits[int(len(waits) * 0.99)] * 1000), "longest_ms": round(waits[-1] * 1000),
            }  # fmt: skip
    return found


def run(units: int) -> dict[str, Any]:
    """On a database of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        box = open_secret_box(Settings(data=folder))
        with cluster() as postgres, fresh_database(postgres) as database, api_town(database, box) as town:
            return _served(town, folder, units)


def _served(town: ApiTown, folder: Path, units: int) -> dict[str, Any]:
    http, coap = free_port(), free_port()
    environment = {
        **os.environ,
        "LIVLINA_DATA": str(folder), "LIVLINA_DATABASE_URL": town.database.app_url,
        "LIVLINA_OWNER_DATABASE_URL": town.database.owner_url, "LIVLINA_HTTP_PORT": str(http),
        "LIVLINA_MQTT_PORT": str(free_port()), "LIVLINA_COAP_PORT": str(coap),
    }  # fmt: skip
    cookies = sign_in(town)["fleet_owner"]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "livlina", "serve"], env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{http}/healthz", timeout=5).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError((folder / "server.log").read_text())
            time.sleep(0.2)
        return asyncio.run(measured(http, coap, cookies, units))
    finally:
        server.terminate()
        server.wait(60)


def main() -> None:
    """Prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=options.whole(1, 100_000), default=11_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = run(arguments.units)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, one in found.items():
        print(f"{name}: {one}")


if __name__ == "__main__":
    options.run(main)
