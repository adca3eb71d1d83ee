"""``livlina provision demo``: virtual boards made units by the real tools, several at once, each until an operator has
taken its first press; by a hand of the sim, or by a person at the bench's page.

The boards stand on a bench of their own; the fleet is a real server on PostgreSQL with an alarm centre and an operator
behind it (sim.house). MicroPython's image is a stand-in, named so in the result, and real MicroPython runs in its place
out of the flash that esptool has written.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet.registry.label import LabelError, label_of, unit_of
from livlina.hardware.board import Board
from livlina.installation import open_secret_box
from livlina.provision_fleet import RegistryFleet
from livlina.provision_hand import Hand
from livlina.provision_kind import kind_of
from livlina.provision_label import DEFAULT_SIZE
from livlina.provision_page import PageScreen, bench_of, run_at_page, served
from livlina.provision_run import SEEN, Materials, make_one
from provisioning.boot_key import FileBootKey
from provisioning.ca import CertificateAuthority
from provisioning.firmware_image import FirmwareImage, load, signed
from provisioning.flash_esptool import Port
from provisioning.issuing import IssuerBook
from provisioning.label_reading import LabelUnreadableError, read_back
from provisioning.ledger import Ledger, Row, verified
from provisioning.pace import LEAST_AN_HOUR, boards_an_hour
from provisioning.partition_table import layout
from provisioning.plan import BoardKind, Order, asked_about, plan
from provisioning.romfs import image
from provisioning.run import Office, take_back
from provisioning.seal import sealed
from provisioning.secure_espsecure import make_signing_key
from provisioning.station import Station
from sim.board_rom.bench import VirtualBench
from sim.board_rom.board import make_board
from sim.board_rom.chip import CHIPS
from sim.board_rom.dump import exposed
from sim.board_rom.power import PowerError, Processor
from sim.board_rom.stand_in import APP_BYTES, NAME, stand_in
from sim.cellular import ACCESS_POINT
from sim.firmware_build import ROOT, BuildError, build_firmware, compile_module, group_files, heap
from sim.house import LOGIN, MUNICIPALITY, House, Ports, centre_references
from sim.modem.scenario import Scenario
from sim.modem.scenario import load as load_scenario
from sim.operator import Operator


@dataclass(frozen=True)
class Kit:
    """What the boards are: their kind, the modem on them (its cards too), and whose units they become."""

    kind: BoardKind
    modem: Scenario
    profile: str


VIRTUAL = Kit(
    BoardKind("virtual board", "esp32s3", 4 << 20, 0, True, 2, battery=True, speaker=True, vibration=True),
    load_scenario("sweden"), "social",
)  # fmt: skip
AT_ONCE = 6
"""Boards under work at the same time."""
TAKEN_S = 90.0
HEARTBEAT_S = 20
"""A unit spreads its first words over a quarter of its interval, up to a minute, so that a street whose mains come back
is no storm; boards that wait that long on a bench show nothing more."""
LABELS = "labels"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """What is shown: how many boards, `app_bytes` of the stand-in's application, which parts are missing on which
    board, by its index, until it has failed (sim.board_rom.power.PARTS); whether a person works at the bench's page."""

    boards: int
    app_bytes: int = APP_BYTES
    missing: Mapping[int, Sequence[str]] = field(default_factory=dict)
    page: bool = False
    kit: Kit = VIRTUAL


def kit_of(board: Board) -> Kit:
    """A board of hardware/ with a modem of its dialect and as many cards as it has slots; for the first of its
    profiles. The firmware on it has the simulated board's pins."""
    slots = len(board.data.get("sim", []))
    modem = replace(VIRTUAL.modem, dialect=board.data["modem"]["dialect"], cards=VIRTUAL.modem.cards[:slots])
    return Kit(kind_of(board), modem, board.data["board"]["profiles"][0])


def run_demo(wishes: Wishes, folder: Path, say: Say) -> dict[str, Any]:
    """Everything, below `folder`. The document of ``--json``; `passed` only if every board passes every check."""
    return asyncio.run(_in_a_house(wishes, folder, say))


async def _in_a_house(wishes: Wishes, folder: Path, say: Say) -> dict[str, Any]:
    house = House(folder / "house", 0, Ports.free())
    house.folder.mkdir(mode=0o755)
    began = time.monotonic()
    try:
        # Here and not in a thread: CPython 3.11 cannot parse source in two threads at once ("AST constructor recursion
        # depth mismatch"), and the firmware's build parses all of it.
        build = build_firmware(ROOT / "build/firmware")
        # The rest is makers' tools and files, beside the house's start.
        making = asyncio.create_task(asyncio.to_thread(_parts_of, build, wishes, folder))
        try:
            await house.start()
        finally:
            await asyncio.wait([making])
        parts = making.result()
        operator = Operator(house.url, LOGIN, house.password(), take_after=0.0, close_after=1.0)
        working = asyncio.create_task(operator.run())
        say(f"a fleet server, an alarm centre and an operator are there after {time.monotonic() - began:.1f} s")
        ends = contextlib.ExitStack()
        try:
            results, ledger, fleet = await asyncio.to_thread(_work, parts, wishes, folder, house, say, ends)
        finally:
            ends.close()  # Whoever waits for a person waits no more.
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        checks = await asyncio.to_thread(_checks, wishes, results, ledger, fleet, house, folder / LABELS)
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
class _Parts:
    """What needs no house."""

    build: Path
    boards: list[Path]
    firmware: FirmwareImage
    romfs: bytes


def _parts_of(build: Path, wishes: Wishes, folder: Path) -> _Parts:
    kind = wishes.kit.kind
    made = [
        make_board(folder / f"board{n}", kind.chip, b"\x02\0\0\0" + n.to_bytes(2, "big"), kind.flash_bytes)
        for n in range(1, wishes.boards + 1)
    ]
    romfs = firmware_rom(build, folder / "firmware")
    return _Parts(build, made, _stand_in(folder, wishes, romfs), romfs)


def _work(
    parts: _Parts, wishes: Wishes, folder: Path, house: House, say: Say, ends: contextlib.ExitStack
) -> tuple[list[dict[str, Any]], Ledger, RegistryFleet]:
    kit = wishes.kit
    fleet = RegistryFleet(
        house.postgres.app_url, open_secret_box(house.settings), kit.kind.name, production=True,
        issuers=IssuerBook(house.settings.authority_folder),
    )  # fmt: skip
    station = Station(folder / "station", CertificateAuthority.open(house.settings.authority_folder))
    materials = Materials(
        folder, station, Ledger(folder / "ledger"), fleet, parts.firmware, parts.romfs, parts.firmware.signed_by,
        DEFAULT_SIZE,
    )  # fmt: skip
    order = Order(
        "DEMO", wishes.boards, MUNICIPALITY, kit.profile, True, HEARTBEAT_S, ("coap",),
        (("127.0.0.1", house.ports.coap),), modem=(kit.modem.dialect, ACCESS_POINT),
    )  # fmt: skip
    processor = Processor(parts.build / "shims", heap(parts.build, 100))
    with VirtualBench(parts.boards, processor, kit.modem) as bench:
        work = _at_the_page if wishes.page else _side_by_side
        results = work(_Shop(materials, order, kit.kind, bench, wishes.missing, say, ends))
    for result, board in zip(results, parts.boards, strict=True):
        if result["passed"]:
            result["exposed"] = [f"{one.secret} as {one.form} at {one.at:#x}" for one in exposed(board)]
    return results, materials.ledger, fleet


@dataclass(frozen=True)
class _Shop:
    """What all boards of the demo share."""

    materials: Materials
    order: Order
    kind: BoardKind
    bench: VirtualBench
    missing: Mapping[int, Sequence[str]]
    say: Say
    ends: contextlib.ExitStack

    @property
    def office(self) -> Office:
        """What a board needs that is taken back."""
        stuff = self.materials
        return Office(stuff.station, stuff.ledger, stuff.fleet, lambda: datetime.now(UTC))

    @property
    def ports(self) -> list[Port]:
        """One a board."""
        return [Port(url, self.kind.chip) for url in self.bench.addresses]


def _side_by_side(shop: _Shop) -> list[dict[str, Any]]:
    """All boards, so many at once. One that lacks a part is tried again when it has got it."""
    hand = Hand(shop.bench, shop.say, shop.missing)

    def one(number: int) -> dict[str, Any]:
        port, began, again = shop.ports[number], time.monotonic(), hand.lacks(number)
        result = make_one(shop.materials, shop.order, shop.kind, port, hand)
        if again and not result["passed"]:
            if result["fault"] == "unheard":
                # Its modem may have been silent for so long that the unit spares it now, for half an hour.
                take_back(shop.office, shop.bench.boards[number].mac.hex(":"), port)
            result = make_one(shop.materials, shop.order, shop.kind, port, hand)
        return _used(shop, number, result, hand) | {"seconds": round(time.monotonic() - began, 1)}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(len(shop.ports))))


def _at_the_page(shop: _Shop) -> list[dict[str, Any]]:
    """One place a board, each begun, looked at and tried again by whoever has the page open, until the work ends."""
    steps = plan(shop.order, shop.kind)
    log = bench_of(shop.materials, shop.order, shop.ports)
    shop.ends.callback(log.end)
    page = PageScreen(log, shop.bench.addresses, steps)
    hand = Hand(shop.bench, shop.say, shop.missing, page)
    with served(log, shop.materials.folder / LABELS, shop.say):
        done = run_at_page(shop.materials, shop.order, shop.kind, shop.ports, steps, log, hand)
    made = {one["port"]: one for one in done["boards"]}
    never = {"passed": False, "reason": "nobody has begun this board"}
    return [_used(shop, number, made.get(url, never), hand) for number, url in enumerate(shop.bench.addresses)]


def _used(shop: _Shop, number: int, result: Mapping[str, Any], hand: Hand) -> dict[str, Any]:
    """A board that was made is taken off its cable, starts, and its first press goes to an operator. Its part of the
    document."""
    powered = shop.bench.powered[number]
    said = {"board": number + 1, **{name: value for name, value in result.items() if name not in ("said", "port")}}
    said |= {"failed_before": hand.failures.get(number, [])}
    if not result["passed"]:
        return said
    spent = shop.bench.boards[number].spent_s
    try:
        shop.bench.wait_started(number, TAKEN_S)
        shop.bench.press(number)
        shop.bench.wait_lamp(number, "taken", TAKEN_S)
    except PowerError as error:
        shop.say(str(error))
        return said | {"passed": False, "reason": str(error)}
    shop.say(f"{result['mac']}  pressed, and taken by the operator")
    row = shop.materials.ledger.last_of_board(result["mac"])
    heard = (row.facts["said"] or {}).get("heard") if row is not None else None
    return said | {"board_seconds": round(spent, 1), "heard": heard, "lamp": powered.seen,
                   "interpreter": powered.interpreter}  # fmt: skip


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


def _checks(
    wishes: Wishes, results: list[dict[str, Any]], ledger: Ledger, fleet: RegistryFleet, house: House, labels: Path
) -> list[dict[str, Any]]:
    boards, kind = wishes.boards, wishes.kit.kind
    good = [result for result in results if result["passed"]]
    rows = verified(ledger.export(), ledger.public_key)
    units = {row.unit for row in rows if row.kind == "provisioned"}
    centre = {int(reference.split("-")[0], 16) for reference in centre_references(house.centre_log)}
    slowest = max((result["board_seconds"] for result in good), default=0.0)
    counted = [
        ("boards that pass", len(good), boards),
        ("units whose first heartbeat the fleet has", sum(fleet.heard(unit, 0) is not None for unit in units), boards),
        ("buttons that the self-test has proven", sum(_tested(row) for row in rows), boards),
        (
            "boards that were seen to shine, felt to shake and heard to sound",
            sum(_looked_at(row, wishes.kit) for row in rows),
            boards,
        ),
        ("cards that the boards have read by their modems", sum(len(_cards(row)) for row in rows), boards * kind.sims),
        ("units whose press the alarm centre has", len(centre & units), boards),
        ("labels read back by a QR decoder", sum(_label_says(labels, unit) for unit in units), boards),
        ("rows of the ledger, verified", sum(row.kind == "provisioned" for row in rows), boards),
        ("identities without a board", len(fleet.known() ^ units), 0),
        ("secrets in the boards' flashes outside of the units' own files", sum(len(one["exposed"]) for one in good), 0),
    ]
    return [*({"name": name, "value": value, "limit": limit, "ok": value == limit} for name, value, limit in counted),
            _throughput(slowest)]  # fmt: skip


def _tested(row: Row) -> bool:
    return (row.facts.get("tested") or {}).get("button") == "proven"


def _looked_at(row: Row, kit: Kit) -> bool:
    tested = row.facts.get("tested") or {}
    return all(tested.get(part) == SEEN[part] for part in asked_about(kit.profile, kit.kind))


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


def _stand_in(folder: Path, wishes: Wishes, romfs: bytes) -> FirmwareImage:
    """The stand-in image with our firmware in it, signed by a key that is made here."""
    path, manifest, key = folder / "stand-in.bin", folder / "manifest.json", folder / "boot.pem"
    kind = wishes.kit.kind
    path.write_bytes(stand_in(CHIPS[kind.chip], wishes.app_bytes))
    entry = {
        "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "chip": kind.chip, "says": NAME,
        "secure_boot": True,
    }  # fmt: skip
    manifest.write_text(json.dumps({"images": [entry]}))
    make_signing_key(key)
    parts = layout(kind.flash_bytes, sealed=True)
    plain = load(path, manifest, kind.chip, kind.bootloader, parts)
    return signed(sealed(plain, romfs, parts), FileBootKey(key), folder / "signed", parts)
