"""``livlina provision run``: the boards on these ports become units, several at once, from wherever each stands.

What is said on the way goes to a `Screen`; the result is a document. It ends when every port has passed or failed: a
board that fails keeps its place and goes on when the command is given again.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fleet.registry.label import label_of
from livlina.provision_fleet import PATIENCE_S
from livlina.provision_label import checked_label
from provisioning.ca import AuthorityError
from provisioning.efuse_espefuse import EfuseConflict
from provisioning.firmware_image import FirmwareImage
from provisioning.flash_esptool import Port, is_silence
from provisioning.journal import JournalError
from provisioning.ledger import ENDS, Ledger, LedgerError, Row
from provisioning.pace import boards_an_hour, machine_seconds
from provisioning.partition_table import files_of_the_unit, layout, named
from provisioning.plan import BUTTONLESS, BoardKind, Order, Step, asked_about
from provisioning.run import Bench, Fleet, RunError, run
from provisioning.station import Station
from provisioning.tool import ToolError
from provisioning.verify import verify

PRESS = "Press the board's button now, for a second."
QUESTIONS = {"lamp": "Does the lamp shine?", "vibration": "Did it shake?", "speaker": "Did it sound?"}
DEAD = {
    "lamp": "the lamp of unit {unit} is dark: look at the lamp, and run again",
    "vibration": "unit {unit} does not shake: look at the motor, and run again",
    "speaker": "unit {unit} does not sound: look at the speaker, and run again",
}
UNSEEN = {
    "lamp": "nobody has looked at the lamp of unit {unit}: run with --page, or from a terminal, and look",
    "vibration": "nobody has felt unit {unit} shake: run with --page, or from a terminal, and hold it",
    "speaker": "nobody has heard unit {unit} sound: run with --page, or from a terminal, and listen",
}
SEEN = {"lamp": "seen", "vibration": "felt", "speaker": "heard"}
"""What the ledger says of each part that a person is asked about."""
TOOL_ENDED = "{program} ended with {status}: {words}"
_BAD_FLASH = "does not match data in flash"
"""esptool's words for a flash that does not keep what it is given."""
BOARD_FAULTS = (RunError, ToolError, LedgerError, EfuseConflict, JournalError, AuthorityError)


@dataclass(frozen=True)
class Materials:
    """What a station has beside its boards. `folder` gets labels; `patience_s` is for a board's first heartbeat."""

    folder: Path
    station: Station
    ledger: Ledger
    fleet: StationFleet
    firmware: FirmwareImage
    romfs: bytes
    boot_digest: bytes | None
    label_size: str
    patience_s: float = PATIENCE_S


class StationFleet(Fleet, Protocol):
    """A fleet as a station needs it; see livlina.provision_fleet.RegistryFleet."""

    def heard(self, unit: int, patience_s: float = ...) -> dict[str, object] | None:
        """The unit's first heartbeat."""

    def order_test(self, unit: int, since: datetime, sims: int = ..., *, button: bool = ...) -> None:
        """The unit is to test itself."""

    def tested(
        self, unit: int, kind: BoardKind, press: Callable[[], None] | None, since: datetime, patience_s: float = ...
    ) -> dict[str, Any]:
        """What the self-test has shown."""


class Screen(Protocol):
    """Who is told what happens, port by port, and who answers for the person at the bench."""

    def step(self, port: str, mac: str, name: str, state: str) -> None:
        """See provisioning.run.Bench.progress."""

    def press(self, port: str) -> None:
        """The person presses the button now."""

    def look(self, port: str, part: str) -> bool | None:
        """Whether this part (of QUESTIONS) did what it should at the press; None where nobody is there to say so."""

    def end(self, port: str, result: Mapping[str, Any]) -> None:
        """The board on this port has passed, or the reason why not: its part of the document."""


class TerminalScreen:
    """A bar a board, and what to do with one's hands; a line a step where nobody sits at a terminal."""

    def __init__(self, console: Console, ports: Sequence[str], steps: Sequence[Step]) -> None:
        self._console = console
        self._steps = {step.name: step for step in steps}
        self._lock, self._asking = threading.Lock(), threading.Lock()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console) if console.is_terminal else None
        self._bars: dict[str, TaskID] = {}
        if self._progress is not None:
            for port in ports:
                hands = next((step.hands for step in steps if step.hands), "")
                self._bars[port] = self._progress.add_task(f"{port}  {hands}", total=len(steps))
            self._progress.start()

    def step(self, port: str, mac: str, name: str, state: str) -> None:
        """See provisioning.run.Bench.progress."""
        with self._lock:
            if self._progress is None:
                if state != "done":
                    self._console.print(f"{port} {mac} {name}{' (done before)' if state == 'kept' else ''}")
                return
            if state == "begin":
                step = self._steps[name]
                words = f"{port}  {mac}  {step.says}. [bold]{step.hands}[/bold]"
                self._progress.update(self._bars[port], description=words)
            else:
                self._progress.advance(self._bars[port])

    def press(self, port: str) -> None:
        """See Screen."""
        self._say(port, PRESS, loud=True)

    def look(self, port: str, part: str) -> bool | None:
        """See Screen: asked where somebody sits at the terminal."""
        if self._progress is None or not sys.stdin.isatty():
            return None
        with self._asking:
            self._say(port, f"{QUESTIONS[part]} y or n", loud=True)
            return sys.stdin.readline().strip().lower().startswith("y")

    def end(self, port: str, result: Mapping[str, Any]) -> None:
        """See Screen."""
        label = result.get("label")
        self._say(port, f"{label} passes: label {label}.pdf" if result["passed"] else str(result["reason"]))

    def _say(self, port: str, words: str, *, loud: bool = False) -> None:
        with self._lock:
            if self._progress is None:
                self._console.print(f"{port} {words}", markup=False)
            else:
                shown = f"[bold reverse] {words} [/]" if loud else escape(words)
                self._progress.update(self._bars[port], description=f"{port}  {shown}")

    def close(self) -> None:
        """Leave what stands there."""
        if self._progress is not None:
            self._progress.stop()


def run_order(
    materials: Materials, order: Order, kind: BoardKind, ports: Sequence[Port], screen: Screen
) -> dict[str, Any]:
    """One board on each port. The document of ``--json``: `passed` only if every board has."""
    with ThreadPoolExecutor(len(ports)) as pool:
        results = list(pool.map(lambda port: make_one(materials, order, kind, port, screen), ports))
    return document_of(materials, order, kind, ports, results)


def document_of(
    materials: Materials, order: Order, kind: BoardKind, ports: Sequence[Port], results: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What a run says of its boards, each as `make_one` gives it, and how many an hour these cables allow."""
    ledger = materials.ledger
    seconds = machine_seconds(_pieces_of(materials, order, kind), min(port.baud for port in ports))
    return {
        "order": order.number,
        "board_seconds": round(seconds, 1),
        "boards_an_hour": boards_an_hour(seconds, len(ports)),
        "passed": all(one["passed"] for one in results),
        "made": made_of(ledger, order),
        "ordered": order.quantity,
        "boards": list(results),
    }


def _pieces_of(materials: Materials, order: Order, kind: BoardKind) -> dict[int, bytes]:
    """What goes onto one board, by size; an identity's file system packs like an empty one."""
    parts = layout(kind.flash_bytes, sealed=order.production)
    firmware = {} if order.production else {named(parts, "romfs").offset: materials.romfs}
    blank = {part.offset: b"\xff" * part.size for part in (named(parts, "nvs"), files_of_the_unit(parts))}
    return {**materials.firmware.pieces, **firmware, **blank}


def made_of(ledger: Ledger, order: Order) -> int:
    """How many boards of an order are made."""
    return sum(_is_of(row, order) for row in _last_rows(ledger))


def make_one(materials: Materials, order: Order, kind: BoardKind, port: Port, screen: Screen) -> dict[str, Any]:
    """The board on a port, from where it stands to its verdict. Never raises for what is wrong with a board."""
    since = datetime.now(UTC)
    bench = Bench(
        materials.station, materials.ledger, materials.fleet, materials.firmware, materials.romfs,
        start=lambda unit: _heard(materials, order, kind, unit, since),
        test=lambda unit: _self_test(materials, order, kind, port.url, unit, since, screen),
        label=lambda unit: checked_label(
            unit, (order.profile, order.number), materials.label_size, materials.folder / "labels"
        ),
        clock=lambda: datetime.now(UTC),
        boot_digest=materials.boot_digest,
        progress=lambda mac, step, state: screen.step(port.url, mac, step, state),
    )  # fmt: skip
    result: dict[str, Any] = {"port": port.url, "passed": False, "fault": ""}
    try:
        facts = port.facts()
        row = _made_before(materials, order, facts.mac) or run(bench, port, order, kind, facts)
        verdict = verify(port, materials.ledger, facts)
    except BOARD_FAULTS as error:
        result |= {"reason": str(error), "fault": fault_of(error), "said": said_of(error)}
    else:
        result |= {"mac": row.mac, "unit": f"{row.unit:08x}", "label": label_of(row.unit), "passed": verdict.passes,
                   "reason": "; ".join(verdict.faults), "fault": "" if verdict.passes else "flash"}  # fmt: skip
    screen.end(port.url, result)
    return result


def said_of(error: Exception) -> tuple[str, dict[str, str]]:
    """The reason as a sentence that the bench's page knows in its languages, and its values; what the makers' tools say
    stays in theirs."""
    if isinstance(error, RunError):
        return error.words, error.values
    if isinstance(error, ToolError):
        return TOOL_ENDED, {"program": error.program, "status": str(error.status), "words": error.words}
    return "", {}


def fault_of(error: Exception) -> str:
    """The kind of trouble, as the bench's page names it (fleet/web/bench_words.py)."""
    if isinstance(error, RunError):
        return error.fault
    if isinstance(error, ToolError) and _BAD_FLASH in error.words:
        return "flash"
    if isinstance(error, ToolError):
        return "cable" if is_silence(error) or error.status < 0 or "Could not open" in error.words else "tool"
    return "fuses" if isinstance(error, EfuseConflict) else "station"


def _self_test(
    materials: Materials, order: Order, kind: BoardKind, port: str, unit: int, since: datetime, screen: Screen
) -> dict[str, Any]:
    """What unit and person have shown. Raises RunError; of a production board each part must have been looked at."""
    press = None if order.profile in BUTTONLESS else lambda: screen.press(port)
    shown = materials.fleet.tested(unit, kind, press, since, materials.patience_s)
    for part in asked_about(order.profile, kind):
        seen = screen.look(port, part)
        if seen is False:
            raise RunError(DEAD[part], part, unit=f"{unit:08x}")
        if seen is None and order.production:
            raise RunError(UNSEEN[part], part, unit=f"{unit:08x}")
        shown[part] = SEEN[part] if seen else "not looked at"
    return shown


def _made_before(materials: Materials, order: Order, mac: str) -> Row | None:
    """The row of a board that this order has already made, so that the command may be given again as it is."""
    row = materials.ledger.last_of_board(mac)
    return row if row is not None and _is_of(row, order) and materials.station.number_of(mac) is None else None


def _is_of(row: Row, order: Order) -> bool:
    return row.kind not in ENDS and row.facts.get("order") == order.number


def _last_rows(ledger: Ledger) -> list[Row]:
    """What is so now: the last row of every board."""
    return list({row.mac: row for row in ledger.rows()}.values())


def _heard(materials: Materials, order: Order, kind: BoardKind, unit: int, since: datetime) -> Mapping[str, object]:
    # It goes out behind the first heartbeat.
    materials.fleet.order_test(unit, since, kind.sims, button=order.profile not in BUTTONLESS)
    said = materials.fleet.heard(unit, materials.patience_s)
    if said is None:
        raise RunError(
            "the fleet has not heard unit {unit} in {seconds} s: look at antenna, SIM and power, and at the server's "
            "addresses in the order; then run again, or take the board back",
            "unheard", unit=f"{unit:08x}", seconds=f"{materials.patience_s:.0f}",
        )  # fmt: skip
    return said
