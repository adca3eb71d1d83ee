"""``livlina provision demo``: virtual boards made units by the real tools, several at once, each until an operator has
taken its first press.

The boards stand on a bench of their own; the fleet is a real server on PostgreSQL with an alarm centre and an operator
behind it (sim.house). MicroPython's image is a stand-in, named so in the result, and real MicroPython runs in its place
out of the flash that esptool has written.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet.registry.label import LabelError, label_of, unit_of
from livlina.installation import open_secret_box
from livlina.provision_fleet import RegistryFleet
from livlina.provision_label import DEFAULT_SIZE, checked_label
from provisioning.boot_key import FileBootKey
from provisioning.ca import CertificateAuthority
from provisioning.firmware_image import FirmwareImage, load, signed
from provisioning.flash_esptool import Port
from provisioning.issuing import IssuerBook
from provisioning.label_reading import LabelUnreadableError, read_back
from provisioning.ledger import Ledger, Row, verified
from provisioning.pace import LEAST_AN_HOUR, boards_an_hour
from provisioning.partition_table import layout
from provisioning.plan import BoardKind, Order
from provisioning.romfs import image
from provisioning.run import Bench, RunError, run
from provisioning.seal import sealed
from provisioning.secure_espsecure import make_signing_key
from provisioning.station import Station
from provisioning.tool import ToolError
from provisioning.verify import verify
from sim.board_rom.bench import VirtualBench
from sim.board_rom.board import make_board
from sim.board_rom.chip import CHIPS
from sim.board_rom.power import PowerError, Processor
from sim.board_rom.stand_in import APP_BYTES, NAME, stand_in
from sim.cellular import ACCESS_POINT
from sim.firmware_build import ROOT, BuildError, build_firmware, compile_module, group_files, heap
from sim.house import LOGIN, MUNICIPALITY, House, Ports, centre_references
from sim.modem.scenario import load as load_scenario
from sim.operator import Operator

KIND = BoardKind("virtual board", "esp32s3", 4 << 20, 0, True, 2, True)
MODEM = load_scenario("sweden")
AT_ONCE = 6
"""Boards under work at the same time."""
TAKEN_S = 90.0
HEARTBEAT_S = 20
"""A unit spreads its first words over a quarter of its interval, up to a minute, so that a street whose mains come back
is no storm; boards that wait that long on a bench show nothing more."""
LABELS = "labels"
Say = Callable[[str], None]


@dataclass(frozen=True)
class _Shop:
    """What all boards of the demo share."""

    station: Station
    ledger: Ledger
    fleet: RegistryFleet
    firmware: FirmwareImage
    romfs: bytes
    order: Order
    bench: VirtualBench
    labels: Path
    say: Say


def run_demo(boards: int, folder: Path, say: Say, app_bytes: int = APP_BYTES) -> dict[str, Any]:
    """Everything, below `folder`. The document of ``--json``; `passed` only if every board passes every check.
    `app_bytes`: of the stand-in's application."""
    return asyncio.run(_in_a_house(boards, folder, say, app_bytes))


async def _in_a_house(boards: int, folder: Path, say: Say, app_bytes: int) -> dict[str, Any]:
    house = House(folder / "house", 0, Ports.free())
    house.folder.mkdir(mode=0o755)
    began = time.monotonic()
    try:
        # Here and not in a thread: CPython 3.11 cannot parse source in two threads at once ("AST constructor recursion
        # depth mismatch"), and the firmware's build parses all of it.
        build = build_firmware(ROOT / "build/firmware")
        # The rest is makers' tools and files, beside the house's start.
        making = asyncio.create_task(asyncio.to_thread(_materials, build, boards, folder, app_bytes))
        try:
            await house.start()
        finally:
            await asyncio.wait([making])
        materials = making.result()
        operator = Operator(house.url, LOGIN, house.password(), take_after=0.0, close_after=1.0)
        working = asyncio.create_task(operator.run())
        say(f"a fleet server, an alarm centre and an operator are there after {time.monotonic() - began:.1f} s")
        try:
            results, ledger, fleet = await asyncio.to_thread(_work, materials, folder, house, say)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        checks = await asyncio.to_thread(_checks, boards, results, ledger, fleet, house, folder / LABELS)
    finally:
        await house.stop()
    return {
        "passed": all(check["ok"] for check in checks),
        "micropython": NAME,
        "interpreter": ", ".join(sorted({one["interpreter"] for one in results if one["passed"]})),
        "seconds": round(time.monotonic() - began, 1),
        "checks": checks,
        "boards": results,
    }


@dataclass(frozen=True)
class _Materials:
    """What needs no house."""

    build: Path
    boards: list[Path]
    firmware: FirmwareImage
    romfs: bytes


def _materials(build: Path, boards: int, folder: Path, app_bytes: int) -> _Materials:
    made = [
        make_board(folder / f"board{n}", KIND.chip, b"\x02\0\0\0" + n.to_bytes(2, "big")) for n in range(1, boards + 1)
    ]
    romfs = firmware_rom(build, folder / "firmware")
    return _Materials(build, made, _stand_in(folder, app_bytes, romfs), romfs)


def _work(
    materials: _Materials, folder: Path, house: House, say: Say
) -> tuple[list[dict[str, Any]], Ledger, RegistryFleet]:
    boards = len(materials.boards)
    processor = Processor(materials.build / "shims", heap(materials.build, 100))
    with VirtualBench(materials.boards, processor, MODEM) as bench:
        shop = _Shop(
            Station(folder / "station", CertificateAuthority.open(house.settings.authority_folder)),
            Ledger(folder / "ledger"),
            RegistryFleet(
                house.postgres.app_url,
                open_secret_box(house.settings),
                KIND.name,
                production=True,
                issuers=IssuerBook(house.settings.authority_folder),
            ),
            materials.firmware,
            materials.romfs,
            Order(
                "DEMO",
                boards,
                MUNICIPALITY,
                "social",
                True,
                HEARTBEAT_S,
                ("coap",),
                (("127.0.0.1", house.ports.coap),),
                modem=(MODEM.dialect, ACCESS_POINT),
            ),
            bench,
            folder / LABELS,
            say,
        )
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda number: _one(shop, number), range(boards))), shop.ledger, shop.fleet


def firmware_rom(build: Path, folder: Path, board: str | None = None) -> bytes:
    """A firmware build as the image of the `romfs` partition: what is shipped and nothing of the sim. `board` names a
    pin map of firmware/boards. Raises BuildError."""
    if board is not None:
        source = ROOT / "firmware/boards" / f"{board}.py"
        known = sorted(path.stem for path in source.parent.glob("[a-z]*.py"))
        if board not in known:
            raise BuildError(f"{board!r} is no board: choose one of {', '.join(known)}")
        folder.mkdir(parents=True, exist_ok=True)
        compile_module(source.read_text(), "board", folder / "board.mpy")
    for path in build.rglob("*.mpy"):
        inside = path.relative_to(build)
        if inside.with_suffix("").as_posix() in group_files():
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / inside)
    return image(folder)


def _one(shop: _Shop, number: int) -> dict[str, Any]:
    """One board, from bare to taken. Its part of the document."""
    port = Port(shop.bench.addresses[number], KIND.chip)
    began, since = time.monotonic(), datetime.now(UTC)

    def start(mac: str, unit: int) -> dict[str, object]:
        shop.fleet.order_test(unit, since, KIND.sims)
        said = shop.fleet.heard(unit)
        if said is None:
            raise RunError(f"the fleet has not heard unit {unit:08x}: {shop.bench.powered[number].words()}")
        return said

    def test(mac: str, unit: int) -> dict[str, object]:
        shown = shop.fleet.tested(unit, KIND, lambda: shop.bench.press(number), since)
        shop.bench.wait_lamp(number, "stored", TAKEN_S)
        return {**shown, "lamp": "seen"}

    work = Bench(
        shop.station, shop.ledger, shop.fleet, shop.firmware, shop.romfs, start,
        label=lambda unit: checked_label(unit, (shop.order.profile, shop.order.number), DEFAULT_SIZE, shop.labels),
        clock=lambda: datetime.now(UTC),
        boot_digest=shop.firmware.signed_by,
        test=test,
        progress=lambda mac, step, state: shop.say(f"{mac}  {step}") if state == "begin" else None,
    )  # fmt: skip
    try:
        facts = port.facts()
        row = run(work, port, shop.order, KIND, facts)
        shop.bench.powered[number].seen.clear()  # What the self-test has shown.
        shop.bench.press(number)
        shop.bench.wait_lamp(number, "taken", TAKEN_S)
        shop.say(f"{row.mac}  pressed, and taken by the operator")
        verdict = verify(port, shop.ledger, facts)
        spent = shop.bench.boards[number].spent_s
    except (RunError, ToolError, PowerError) as error:
        shop.say(str(error))
        return {"board": number + 1, "passed": False, "reason": str(error)}
    return {
        "board": number + 1, "mac": row.mac, "unit": f"{row.unit:08x}", "label": label_of(row.unit),
        "passed": verdict.passes, "reason": "; ".join(verdict.faults), "board_seconds": round(spent, 1),
        "seconds": round(time.monotonic() - began, 1), "heard": row.facts["said"]["heard"],
        "lamp": shop.bench.powered[number].seen, "interpreter": shop.bench.powered[number].interpreter,
    }  # fmt: skip


def _checks(
    boards: int, results: list[dict[str, Any]], ledger: Ledger, fleet: RegistryFleet, house: House, labels: Path
) -> list[dict[str, Any]]:
    good = [result for result in results if result["passed"]]
    rows = verified(ledger.export(), ledger.public_key)
    units = {row.unit for row in rows if row.kind == "provisioned"}
    centre = {int(reference.split("-")[0], 16) for reference in centre_references(house.centre_log)}
    slowest = max((result["board_seconds"] for result in good), default=0.0)
    counted = [
        ("boards that pass", len(good), boards),
        ("units whose first heartbeat the fleet has", sum(fleet.heard(unit, 0) is not None for unit in units), boards),
        ("buttons that the self-test has proven", sum(_tested(row) for row in rows), boards),
        ("cards that the boards have read by their modems", sum(len(_cards(row)) for row in rows), boards * KIND.sims),
        ("units whose press the alarm centre has", len(centre & units), boards),
        ("labels read back by a QR decoder", sum(_label_says(labels, unit) for unit in units), boards),
        ("rows of the ledger, verified", len(rows), boards),
        ("identities without a board", len(fleet.known() ^ units), 0),
    ]
    return [*({"name": name, "value": value, "limit": limit, "ok": value == limit} for name, value, limit in counted),
            _throughput(slowest)]  # fmt: skip


def _tested(row: Row) -> bool:
    return (row.facts.get("tested") or {}).get("button") == "proven"


def _cards(row: Row) -> set[str]:
    return set((row.facts.get("tested") or {}).get("iccids", ()))


def _label_says(labels: Path, unit: int) -> bool:
    """Whether the paper that this unit's label would be says this unit."""
    try:
        return unit_of(read_back((labels / f"{label_of(unit)}.pdf").read_bytes())) == unit
    except (OSError, LabelUnreadableError, LabelError):
        return False


def _throughput(slowest_s: float) -> dict[str, Any]:
    """Boards an hour and person, by what the virtual boards have counted of line and flash."""
    value = boards_an_hour(slowest_s, AT_ONCE) if slowest_s else 0.0
    return {"name": "boards an hour and person", "value": value, "limit": LEAST_AN_HOUR, "ok": value >= LEAST_AN_HOUR}


def _stand_in(folder: Path, app_bytes: int, romfs: bytes) -> FirmwareImage:
    """The stand-in image with our firmware in it, signed by a key that is made here."""
    path, manifest, key = folder / "stand-in.bin", folder / "manifest.json", folder / "boot.pem"
    path.write_bytes(stand_in(CHIPS[KIND.chip], app_bytes))
    entry = {
        "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "chip": KIND.chip, "says": NAME,
        "secure_boot": True,
    }  # fmt: skip
    manifest.write_text(json.dumps({"images": [entry]}))
    make_signing_key(key)
    parts = layout(KIND.flash_bytes, sealed=True)
    plain = load(path, manifest, KIND.chip, KIND.bootloader, parts)
    return signed(sealed(plain, romfs, parts), FileBootKey(key), folder / "signed", parts)
