"""``livlina provision run``: the boards on these ports become units, several at once, from wherever each stands.

What is said on the way goes to a `Screen`; the result is a document. It ends when every port has passed or failed: a
board that fails keeps its place and goes on when the command is given again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fleet.registry.label import label_of
from livlina.provision_fleet import PATIENCE_S, RegistryFleet
from livlina.provision_label import checked_label
from provisioning.firmware_image import FirmwareImage
from provisioning.flash_esptool import Port
from provisioning.ledger import ENDS, Ledger, LedgerError, Row
from provisioning.plan import BoardKind, Order, Step
from provisioning.run import Bench, RunError, run
from provisioning.station import Station
from provisioning.tool import ToolError
from provisioning.verify import verify

PRESS = "Press the board's button now."


@dataclass(frozen=True)
class Materials:
    """What a station has beside its boards. `folder` gets labels; `patience_s` is for a board's first heartbeat."""

    folder: Path
    station: Station
    ledger: Ledger
    fleet: RegistryFleet
    firmware: FirmwareImage
    romfs: bytes
    boot_digest: bytes | None
    label_size: str
    patience_s: float = PATIENCE_S


class Screen:
    """A bar a board, and what to do with one's hands; a line a step where nobody sits at a terminal."""

    def __init__(self, console: Console, ports: Sequence[str], steps: Sequence[Step]) -> None:
        self._console = console
        self._steps = {step.name: step for step in steps}
        self._lock = threading.Lock()
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

    def hands(self, port: str, words: str) -> None:
        """What the person does now."""
        with self._lock:
            if self._progress is None:
                self._console.print(f"{port} {words}", markup=False)
            else:
                self._progress.update(self._bars[port], description=f"{port}  [bold reverse] {words} [/]")

    def end(self, port: str, words: str) -> None:
        """The board on this port has passed, or the reason why not."""
        with self._lock:
            if self._progress is None:
                self._console.print(f"{port} {words}", markup=False)
            else:
                self._progress.update(self._bars[port], description=f"{port}  {words}")

    def close(self) -> None:
        """Leave what stands there."""
        if self._progress is not None:
            self._progress.stop()


def run_order(
    materials: Materials, order: Order, kind: BoardKind, ports: Sequence[Port], screen: Screen
) -> dict[str, Any]:
    """All boards. The document of ``--json``: `passed` only if every board has."""
    with ThreadPoolExecutor(len(ports)) as pool:
        results = list(pool.map(lambda port: _one(materials, order, kind, port, screen), ports))
    return {
        "order": order.number,
        "passed": all(one["passed"] for one in results),
        "made": sum(_is_of(row, order) for row in _last_rows(materials.ledger)),
        "ordered": order.quantity,
        "boards": results,
    }


def _one(materials: Materials, order: Order, kind: BoardKind, port: Port, screen: Screen) -> dict[str, Any]:
    since = datetime.now(UTC)
    bench = Bench(
        materials.station, materials.ledger, materials.fleet, materials.firmware, materials.romfs,
        start=lambda mac, unit: _heard(materials, unit, since),
        test=lambda mac, unit: materials.fleet.tested(
            unit, kind.sims, lambda: screen.hands(port.url, PRESS), since, materials.patience_s
        ),
        label=lambda unit: checked_label(
            unit, (order.profile, order.number), materials.label_size, materials.folder / "labels"
        ),
        clock=lambda: datetime.now(UTC),
        boot_digest=materials.boot_digest,
        progress=lambda mac, step, state: screen.step(port.url, mac, step, state),
    )  # fmt: skip
    try:
        row = _made_before(materials, order, port) or run(bench, port, order, kind)
        verdict = verify(port, materials.ledger)
    except (RunError, ToolError, LedgerError) as error:
        screen.end(port.url, str(error))
        return {"port": port.url, "passed": False, "reason": str(error)}
    label = label_of(row.unit)
    screen.end(port.url, f"{label} passes: label {label}.pdf" if verdict.passes else "; ".join(verdict.faults))
    return {"port": port.url, "mac": row.mac, "unit": f"{row.unit:08x}", "label": label, "passed": verdict.passes,
            "reason": "; ".join(verdict.faults)}  # fmt: skip


def _made_before(materials: Materials, order: Order, port: Port) -> Row | None:
    """The row of a board that this order has already made, so that the command may be given again as it is."""
    mac = port.facts().mac
    row = materials.ledger.last_of_board(mac)
    return row if row is not None and _is_of(row, order) and materials.station.number_of(mac) is None else None


def _is_of(row: Row, order: Order) -> bool:
    return row.kind not in ENDS and row.facts.get("order") == order.number


def _last_rows(ledger: Ledger) -> list[Row]:
    """What is so now: the last row of every board."""
    return list({row.mac: row for row in ledger.rows()}.values())


def _heard(materials: Materials, unit: int, since: datetime) -> Mapping[str, object]:
    materials.fleet.order_test(unit, since)  # It goes out behind the first heartbeat.
    said = materials.fleet.heard(unit, materials.patience_s)
    if said is None:
        raise RunError(
            f"the fleet has not heard unit {unit:08x} in {materials.patience_s:.0f} s: look at antenna, SIM and power, "
            "and at the server's addresses in the order; then run again, or take the board back"
        )
    return said
