"""``livlina provision run --page``: the same work with a page in the browser in place of the terminal's bars.

Each port is a place; a person begins each board on the page, so one run makes board after board until the work is ended
there or by Ctrl-C. The page is served on loopback by this process (fleet/web/bench.py); boards are worked on whether
anybody has it open or not.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import uvicorn

from fleet.web.bench import make_bench_app
from fleet.web.bench_log import END, NOTHING_SAID, REST, BenchLog, Place
from livlina.provision_run import Materials, Screen, document_of, made_of, make_one
from provisioning.flash_esptool import Port
from provisioning.plan import BoardKind, Order, Step

GOODBYE_S = 2.0
"""How long pages may take to hear that the work has ended."""
_LEAVE = ("connect", "flash", "verify", "efuses", "start")


class BeginningScreen(Screen, Protocol):
    """A screen at which a person begins each board."""

    def begin(self, port: str) -> None:
        """A board on this port is begun."""


class PageScreen:
    """livlina.provision_run.Screen on the log that the page shows."""

    def __init__(self, log: BenchLog, ports: Sequence[str], steps: Sequence[Step]) -> None:
        self._log = log
        self._numbers = {port: number for number, port in enumerate(ports, 1)}
        self._steps = tuple((step.name, "") for step in steps)

    def begin(self, port: str) -> None:
        """A board on this port is begun."""
        self._log.tell(self._numbers[port], state="working", hands="leave", steps=self._steps, mac="", unit="",
                       fault="", reason="", said=NOTHING_SAID, label="")  # fmt: skip

    def step(self, port: str, mac: str, name: str, state: str) -> None:
        """See Screen."""
        self._log.step(self._numbers[port], name, state, "leave" if name in _LEAVE else "wait", mac)

    def press(self, port: str) -> None:
        """See Screen."""
        self._log.tell(self._numbers[port], hands="press")

    def look(self, port: str, part: str) -> bool | None:
        """See Screen."""
        answer = self._log.ask(self._numbers[port], part, ("yes", "no"), hands=part)
        return None if answer == END else answer == "yes"

    def end(self, port: str, result: Mapping[str, Any]) -> None:
        """See Screen."""
        number = self._numbers[port]
        place = self._log.places[number - 1]
        known: dict[str, Any] = {name: result.get(name) or "" for name in ("mac", "unit", "fault", "reason", "label")}
        known["said"] = result.get("said") or NOTHING_SAID
        if result["passed"]:
            steps = tuple((name, state or "kept") for name, state in place.steps)
            self._log.tell(number, state="passed", hands="stick", steps=steps, passed=place.passed + 1, **known)
        else:
            failed = {"": "", "begin": "failed", "done": "done", "kept": "kept", "failed": "failed"}
            steps = tuple((name, failed[state]) for name, state in place.steps)
            known["mac"] = known["mac"] or place.mac
            self._log.tell(number, state="failed", hands="", steps=steps, **known)


def bench_of(materials: Materials, order: Order, ports: Sequence[Port]) -> BenchLog:
    """An empty bench for this order."""
    places = [Place(number, port.url, hands="put_on") for number, port in enumerate(ports, 1)]
    return BenchLog(order.number, order.quantity, made_of(materials.ledger, order), places)


def run_at_page(
    materials: Materials, order: Order, kind: BoardKind, ports: Sequence[Port], steps: Sequence[Step], log: BenchLog,
    screen: BeginningScreen | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Board after board on each port, each when a person says so, until the work is ended. The document of ``--json``:
    `passed` only if the last try of every board has."""
    screen = screen or PageScreen(log, [port.url for port in ports], steps)
    results: dict[tuple[str, str], dict[str, Any]] = {}

    def work(number: int, port: Port) -> None:
        question, answers = "board", ("start",)
        while log.ask(number, question, answers) != END:
            screen.begin(port.url)
            result = make_one(materials, order, kind, port, screen)
            log.tell(number, made=made_of(materials.ledger, order))
            results.pop((port.url, ""), None)  # A board that did not say who it is, and perhaps this one.
            results[port.url, log.places[number - 1].mac] = result
            question, answers = ("board", ("start",)) if result["passed"] else ("again", ("again",))
        log.tell(number, hands=REST)

    with ThreadPoolExecutor(len(ports)) as pool:
        try:
            for done in [pool.submit(work, number, port) for number, port in enumerate(ports, 1)]:
                done.result()
        except BaseException:
            log.end()
            raise
    return document_of(materials, order, kind, ports, list(results.values()))


@contextlib.contextmanager
def served(log: BenchLog, labels: Path, say: Callable[[str], None], port: int = 0) -> Iterator[str]:
    """The page on loopback, while the context lasts; `say` is told each link. Gives the page's address."""
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(("127.0.0.1", port))
        opened.listen()
        base = f"http://127.0.0.1:{opened.getsockname()[1]}"
        app = make_bench_app(log, labels, lambda path: say(f"the bench's page opens once by {base}{path}"))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=lambda: server.run(sockets=[opened]), name="bench-page", daemon=True)
        thread.start()
        try:
            yield base
        finally:
            until = time.monotonic() + GOODBYE_S
            while log.watched() and log.over() and time.monotonic() < until:
                time.sleep(0.05)
            server.should_exit = True
            thread.join()
