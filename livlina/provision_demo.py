"""``livlina provision demo``: virtual boards made units by the real tools, side by side, each until it is heard.

The fleet of this demo is a list in memory, and its ear a UDP socket that opens what the boards seal; the server, the
centre and the bench's page are not in it. MicroPython's image is a stand-in, named so in the result.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet.registry.label import label_of, qr_of
from provisioning.ca import CertificateAuthority
from provisioning.firmware_image import FirmwareImage, load
from provisioning.flash_esptool import Port
from provisioning.labels import label_pdf
from provisioning.ledger import Ledger, verified
from provisioning.partition_table import layout
from provisioning.plan import BoardKind, Order
from provisioning.romfs import image
from provisioning.run import Bench, RunError, run
from provisioning.station import Made, Station
from provisioning.tool import ToolError
from provisioning.verify import verify

KIND = BoardKind("virtual board", "esp32s3", 4 << 20, 0, True)
AT_ONCE = 4
"""Boards under work at the same time."""
HANDS_S = 60
"""What a person needs for one board: cable on, label on, board off."""


class DemoFleet:
    """Whom the fleet knows."""

    def __init__(self) -> None:
        self.known: dict[int, Made] = {}

    def register(self, unit: int, made: Made, order: Order) -> None:
        """See provisioning.run.Fleet."""
        self.known[unit] = made

    def withdraw(self, unit: int) -> None:
        """See provisioning.run.Fleet."""
        self.known.pop(unit, None)


def run_demo(boards: int, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything, below `folder`. The document of ``--json``; `passed` only if every board passes."""
    from sim.board_rom.bench import VirtualBench
    from sim.board_rom.board import make_board
    from sim.board_rom.first_heartbeat import FirstHeartbeat
    from sim.board_rom.stand_in import NAME
    from sim.firmware_build import ROOT, build_firmware, heap

    build = build_firmware(ROOT / "build/firmware")
    shipped = folder / "firmware"
    for name in ("firmware", "protocols"):
        shutil.copytree(build / name, shipped / name)
    station = Station(folder / "station", CertificateAuthority.open(folder / "authority"))
    ledger, fleet = Ledger(folder / "ledger"), DemoFleet()
    made = [
        make_board(folder / f"board{n}", KIND.chip, b"\x02\0\0\0" + n.to_bytes(2, "big")) for n in range(1, boards + 1)
    ]
    began = time.monotonic()
    with VirtualBench(made) as bench:
        places = {board.mac.hex(":"): board.folder for board in bench.boards}
        rom, firmware = image(shipped), _stand_in(folder)

        def one(number: int) -> dict[str, Any]:
            ear = FirstHeartbeat(build / "shims", heap(build, 100))
            order = Order("DEMO", boards, 1, "social", True, 300, ("coap",), (ear.address,))
            work = Bench(
                station, ledger, fleet, firmware, rom,
                start=lambda mac, unit: ear.start(places[mac], station.identity(mac).identity),
                label=lambda unit: label_pdf(qr_of(unit), label_of(unit), ("social", order.number)),
                clock=lambda: datetime.now(UTC),
                boot_digest=hashlib.sha256(b"demo").digest(),
                progress=lambda mac, step, state: say(f"{mac}  {step}") if state == "begin" else None,
            )  # fmt: skip
            port = Port(bench.addresses[number], KIND.chip)
            try:
                row = run(work, port, order, KIND)
                spent = bench.boards[number].spent_s
                verdict = verify(port, ledger)
            except (RunError, ToolError) as error:
                say(str(error))
                return {"board": number + 1, "passed": False, "reason": str(error)}
            finally:
                ear.close()
            return {
                "board": number + 1, "mac": row.mac, "unit": f"{row.unit:08x}", "label": label_of(row.unit),
                "passed": verdict.passes, "reason": "; ".join(verdict.faults), "board_seconds": round(spent, 1),
                "heard": row.facts["said"]["heard"],
            }  # fmt: skip

        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(one, range(boards)))
    rows = verified(ledger.export(), ledger.public_key)
    good = [result for result in results if result["passed"]]
    slowest = max((result["board_seconds"] for result in good), default=0.0)
    checks = [
        {"name": "boards that pass", "value": len(good), "limit": boards, "ok": len(good) == boards},
        {"name": "rows of the ledger", "value": len(rows), "limit": boards, "ok": len(rows) == boards},
        _orphans(fleet, {row.unit for row in rows if row.kind == "provisioned"}),
        _throughput(slowest),
    ]
    return {
        "passed": all(check["ok"] for check in checks),
        "micropython": NAME,
        "seconds": round(time.monotonic() - began, 1),
        "checks": checks,
        "boards": results,
    }


def _orphans(fleet: DemoFleet, units: set[int]) -> dict[str, Any]:
    orphans = len(set(fleet.known) ^ units)
    return {"name": "identities without a board", "value": orphans, "limit": 0, "ok": not orphans}


def _throughput(slowest_s: float) -> dict[str, Any]:
    """Boards an hour and person, by what line and flash of a real board need, and a person's hands."""
    each = max(HANDS_S, (slowest_s + HANDS_S) / AT_ONCE)
    value = round(3600 / each, 1) if slowest_s else 0.0
    return {"name": "boards an hour and person", "value": value, "limit": 20, "ok": value >= 20}


def _stand_in(folder: Path) -> FirmwareImage:
    from sim.board_rom.chip import CHIPS
    from sim.board_rom.stand_in import NAME, stand_in

    path, manifest = folder / "stand-in.bin", folder / "manifest.json"
    path.write_bytes(stand_in(CHIPS[KIND.chip]))
    entry = {
        "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "chip": KIND.chip, "says": NAME,
    }  # fmt: skip
    manifest.write_text(json.dumps({"images": [entry]}))
    return load(path, manifest, KIND.chip, KIND.bootloader, layout(KIND.flash_bytes))
