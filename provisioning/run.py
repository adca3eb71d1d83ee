"""Makes one board a unit, step by step, so that a station that dies or a cable that is pulled costs time and no more.

The ledger's row is the commit. Before it, nothing that exists counts: `verify` refuses a board without one. Every step
may be done again, and the journal says which need not be. Two things must never happen, and so:

- A secret is never used with its counters at 0 twice. Until `start` the board has no partition table and so cannot
  start, whoever gives it power; once it may have started, its flash is not written with that identity again: the board
  goes on, or the identity is taken back.
- No identity is left behind. `take_back` makes the fleet forget it and the ledger say so, under a number never reused.

It decides no order of steps (`plan`) and does no work of its own: flash, eFuses, fleet and start are its arguments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from provisioning import littlefs_image, nvs_image
from provisioning.efuse_espefuse import make_production, secure_boot_digest
from provisioning.firmware_image import FirmwareImage
from provisioning.flash_esptool import ChipFacts, Port
from provisioning.identity import unit_files
from provisioning.issuing import station_of
from provisioning.journal import Journal
from provisioning.ledger import ENDS, Ledger, Row
from provisioning.partition_table import SECTOR, TABLE_OFFSET, files_of_the_unit, layout, named, to_binary
from provisioning.plan import BoardKind, Order, Step, plan
from provisioning.seal import holds
from provisioning.station import Made, Station

MAIN = b"import firmware.main\n\nfirmware.main.run()\n"
"""main.py of a development board's file system: what MicroPython runs after mounting."""


class RunError(Exception):
    """The board cannot go on; the message says what the person at the bench does. Nothing half-done will pass.

    `fault` is the kind of trouble and `words` the message with {names} in the place of `values`: the bench's page has
    both in its own languages (fleet/web/bench_words.py, bench_reasons.py).
    """

    def __init__(self, words: str, fault: str = "other", /, **values: object) -> None:
        self.values = {name: str(value) for name, value in values.items()}
        super().__init__(words.format(**self.values) if values else words)
        self.words, self.fault = words, fault


class Fleet(Protocol):
    """The fleet that the unit is for. Both may be called again with the same unit."""

    def register(self, unit: int, made: Made, order: Order) -> None:
        """Make the unit known. Raises RunError if this fleet does not take it."""

    def withdraw(self, unit: int) -> None:
        """Make it unknown; nothing if it is."""


@dataclass(frozen=True)
class Office:
    """What a board that is taken back needs; no cable."""

    station: Station
    ledger: Ledger
    fleet: Fleet
    clock: Callable[[], datetime]


@dataclass(frozen=True)
class Bench:
    """What stands around the board. `start(unit)` waits for what it says of itself after its reset, or raises
    RunError; `test(unit)` gives what its self-test has shown, or raises RunError; `label(unit)` the PDF; `clock`
    the time for ledger rows; `romfs` the firmware; `boot_digest` of the signing key, for production boards; `progress`
    hears each step's name and "begin", "done" or "kept"."""

    station: Station
    ledger: Ledger
    fleet: Fleet
    firmware: FirmwareImage
    romfs: bytes
    start: Callable[[int], Mapping[str, object]]
    label: Callable[[int], bytes]
    clock: Callable[[], datetime]
    boot_digest: bytes | None = None
    progress: Callable[[str, str, str], None] = lambda mac, step, state: None
    test: Callable[[int], Mapping[str, object]] = lambda unit: {}

    @property
    def office(self) -> Office:
        """The part of it that outlives a board's stay."""
        return Office(self.station, self.ledger, self.fleet, self.clock)


def run(bench: Bench, port: Port, order: Order, kind: BoardKind, facts: ChipFacts | None = None) -> Row:
    """All steps for the board on this port, from where it stands; `facts` if it has just been asked. Its ledger row.
    Raises RunError, ToolError."""
    steps = plan(order, kind)
    facts = facts or port.facts()
    if facts.flash_bytes < kind.flash_bytes:
        raise RunError(
            "this board has {flash} MiB of flash: it is no {kind}; lay it aside", "kind",
            flash=facts.flash_bytes >> 20, kind=kind.name,
        )  # fmt: skip
    mac = facts.mac
    last = bench.ledger.last_of_board(mac)
    unit = bench.station.number_of(mac)
    if unit is not None and _is_going_back(bench.office, mac, unit):
        take_back(bench.office, mac, port)
        unit = None
    if last is not None and last.kind not in ENDS:
        if unit == last.unit:
            _finish(bench.office, mac, last.unit)
            return last
        raise RunError(
            "this board is unit {unit} already: return or scrap it first, or take it to verify", "already",
            unit=f"{last.unit:08x}",
        )  # fmt: skip
    journal = bench.station.journal(mac)
    try:
        _check_same_order(journal, order)
        return _Run(bench, port, order, kind, mac, journal).all(steps)
    except RunError as error:
        if error.fault == "full" and not journal.has_begun("flash"):
            take_back(bench.office, mac)  # Nothing of it is on the board: no identity is left at the station either.
        raise
    finally:
        journal.close()
        if bench.station.number_of(mac) is None:
            bench.station.forget(mac)  # It was not begun: any order may have it.


def take_back(office: Office, mac: str, port: Port | None = None) -> int | None:
    """End an unfinished board: erase it if it is on `port`, make the fleet forget it, say so in the ledger.

    Gives the number that ended, None if there was none. Safe to repeat after a crash anywhere in it.
    """
    unit = office.station.number_of(mac)
    if unit is None:
        return None
    rows = office.ledger.of_unit(unit)
    if any(row.kind == "provisioned" for row in rows):
        _finish(office, mac, unit)
        return None
    _note_going_back(office, mac)
    if port is not None:
        port.erase()
    office.fleet.withdraw(unit)
    if not rows:
        office.ledger.append("abandoned", unit, mac, {"erased": port is not None}, office.clock())
    _finish(office, mac, unit)
    return unit


def _note_going_back(office: Office, mac: str) -> None:
    journal = office.station.journal(mac)
    try:
        journal.begin("take_back")
    finally:
        journal.close()


def _is_going_back(office: Office, mac: str, unit: int) -> bool:
    """Whether somebody has begun to take this board's identity back: that is not undone."""
    journal = office.station.journal(mac)
    try:
        begun = journal.has_begun("take_back")
    finally:
        journal.close()
    return begun or any(row.kind == "abandoned" for row in office.ledger.of_unit(unit))


def _finish(office: Office, mac: str, unit: int) -> None:
    # The number is closed last: until then a crash leaves a board that is found and finished again.
    office.station.forget(mac)
    office.station.close_number(unit)


def _check_same_order(journal: Journal, order: Order) -> None:
    begun = journal.facts("connect").get("order")
    if begun is not None and begun != order.number:
        raise RunError(
            "this board was begun for order {order}: finish it there, or take it back", "elsewhere", order=begun
        )


class _Run:
    """One board's way through its steps; each method is the step of its name."""

    def __init__(self, bench: Bench, port: Port, order: Order, kind: BoardKind, mac: str, journal: Journal) -> None:
        self._bench = bench
        self._port = port
        self._order = order
        self._kind = kind
        self._mac = mac
        self._journal = journal
        self._parts = layout(kind.flash_bytes, sealed=order.production)
        self._made: Made | None = None
        self._pieces: dict[int, bytes] = {}

    def all(self, steps: tuple[Step, ...]) -> Row:
        """Every step; the last one's row."""
        for step in steps:
            if step.name in ("identity", "images") or not self._journal.is_done(step.name):
                self._bench.progress(self._mac, step.name, "begin")
                if not self._journal.is_done(step.name):
                    self._journal.begin(step.name)
                facts = getattr(self, f"_{step.name}")()
                if not self._journal.is_done(step.name):
                    self._journal.done(step.name, **facts)
                self._bench.progress(self._mac, step.name, "done")
            else:
                self._bench.progress(self._mac, step.name, "kept")
        row = self._bench.ledger.last_of_board(self._mac)
        assert row is not None
        _finish(self._bench.office, self._mac, row.unit)
        return row

    @property
    def _unit(self) -> int:
        assert self._made is not None
        return self._made.identity.unit

    def _connect(self) -> dict[str, object]:
        if self._kind.secure_boot:
            self._check_owner()
        return {"order": self._order.number}

    def _check_owner(self) -> None:
        """Before anything is made or written: a chip that starts only what somebody has signed is written with that and
        nothing else, or it never starts again."""
        held = secure_boot_digest(self._port)
        if held is None:
            return
        if not self._order.production:
            raise RunError(
                "secure boot is on in this board, so it starts nothing unsigned: order production boards of its key",
                "fuses",
            )
        if held != self._bench.boot_digest:
            raise RunError(
                "this board starts only what another key has signed: take it to its owner, or where that key is",
                "fuses",
            )

    def _identity(self) -> dict[str, object]:
        station = self._bench.station
        with station.alone():
            if station.number_of(self._mac) is None:
                self._check_room()
            self._made = station.identity(self._mac)
        return {"unit": self._unit}

    def _check_room(self) -> None:
        """An order is of so many boards; those under work count, so that several at once cannot pass it together."""
        rows = {row.mac: row for row in self._bench.ledger.rows()}.values()
        number = self._order.number
        has = {row.mac for row in rows if row.kind not in ENDS and row.facts.get("order") == number}
        has |= self._bench.station.begun_for(number)
        if len(has - {self._mac}) >= self._order.quantity:
            raise RunError(
                "order {order} is of {boards} boards, and they are made or under work: take this one off, or order "
                "more",
                "full", order=number, boards=self._order.quantity,
            )  # fmt: skip

    def _images(self) -> dict[str, object]:
        parts, order = self._parts, self._order
        grade = "production" if order.production else "development"
        entries: dict[str, str | int] = {
            "unit": self._unit, "board": self._kind.name, "order": order.number, "grade": grade,
            "municipality": order.municipality,
        }  # fmt: skip
        if order.production and (self._bench.boot_digest or b"") != self._bench.firmware.signed_by:
            raise RunError("a production board takes an image that the secure boot key has signed: name key and image",
                           "station")  # fmt: skip
        nvs, files = named(parts, "nvs"), files_of_the_unit(parts)
        self._pieces = {
            **self._bench.firmware.pieces,
            **self._firmware(),
            TABLE_OFFSET: to_binary(parts),
            nvs.offset: nvs_image.build(entries, nvs.size),
            files.offset: littlefs_image.build(self._files(), files.size),
        }
        found = {f"{at:#x}": digest(content) for at, content in sorted(self._pieces.items())}
        begun = self._journal.facts("images").get("pieces")
        if begun is not None and begun != found:
            raise RunError(
                "firmware or order have changed since this board was begun: take it back and begin anew", "elsewhere"
            )
        return {"pieces": found}

    def _firmware(self) -> dict[int, bytes]:
        """Our own code as a piece of its own; a production board has it in its signed image already."""
        romfs, part = self._bench.romfs, named(self._parts, "romfs")
        if not self._order.production:
            if len(romfs) > part.size:
                raise RunError(
                    "the firmware is {bytes} bytes, and its partition {size}", "station",
                    bytes=len(romfs), size=part.size,
                )  # fmt: skip
            return {part.offset: romfs}
        if not holds(self._bench.firmware, romfs, self._parts):
            raise RunError("the signed image does not hold this firmware: seal it into the image first", "station")
        return {}

    def _files(self) -> dict[str, bytes]:
        """The unit's own files. They never lie on the station's disk but in the identity's own file."""
        assert self._made is not None
        order = self._order
        code = {} if order.production else {"main.py": MAIN}
        return code | unit_files(
            self._made.identity, self._made.certificate, self._bench.station.ca_der,
            **order.configuration(self._kind.sims),
        )  # fmt: skip

    def _register(self) -> dict[str, object]:
        assert self._made is not None
        self._bench.fleet.register(self._unit, self._made, self._order)
        return {}

    def _not_started(self) -> None:
        if self._journal.has_begun("start"):
            raise RunError("this board may have started with its identity: take it back and begin anew", "elsewhere")

    def _unstartable(self) -> dict[int, bytes]:
        """All pieces, with an erased sector where the table goes: its bootloader finds nothing to start."""
        return {**self._pieces, TABLE_OFFSET: b"\xff" * SECTOR}

    def _flash(self) -> dict[str, object]:
        self._not_started()
        # `connect` has seen that the chip is bare or of this key, and a bootloader of such an order is signed by it.
        self._port.write(self._unstartable(), force=self._order.production)
        return {}

    def _verify(self) -> dict[str, object]:
        self._not_started()
        if not self._port.matches(self._unstartable()):
            raise RunError(
                "the flash does not hold what was written: try another cable; if it stays so, scrap the board", "flash"
            )
        return {}

    def _efuses(self) -> dict[str, object]:
        wanted = self._bench.boot_digest
        if wanted is None:
            raise RunError("a production board needs the secure boot key's digest: name the key", "station")
        make_production(self._port, wanted)
        return {"boot_digest": wanted.hex()}

    def _start(self) -> dict[str, object]:
        # May be done again: it touches no counter.
        self._port.write({TABLE_OFFSET: self._pieces[TABLE_OFFSET]})
        return {"said": dict(self._bench.start(self._unit))}

    def _selftest(self) -> dict[str, object]:
        return {"shown": dict(self._bench.test(self._unit))}

    def _label(self) -> dict[str, object]:
        return {"pdf_sha256": digest(self._bench.label(self._unit))}

    def _ledger(self) -> dict[str, object]:
        if any(row.kind == "provisioned" for row in self._bench.ledger.of_unit(self._unit)):
            return {}
        files = f"{files_of_the_unit(self._parts).offset:#x}"
        pieces = self._journal.facts("images")["pieces"]
        facts = {
            "order": self._order.number,
            "municipality": self._order.municipality,
            "profile": self._order.profile,
            "board": self._kind.name,
            "grade": "production" if self._order.production else "development",
            "micropython": {"says": self._bench.firmware.says, "sha256": self._bench.firmware.sha256},
            # The file system lives on; the rest of the flash stays as it is now.
            "pieces": {at: [len(self._pieces[int(at, 16)]), pieces[at]] for at in pieces if at != files},
            "firmware_sha256": digest(self._bench.romfs),
            "sealed": self._order.production,
            "certificate": self._made_certificate(),
            "boot_digest": self._journal.facts("efuses").get("boot_digest"),
            "said": self._journal.facts("start").get("said"),
            "tested": self._journal.facts("selftest").get("shown"),
            "label": self._journal.facts("label"),
        }
        self._bench.ledger.append("provisioned", self._unit, self._mac, facts, self._bench.clock())
        return {}

    def _made_certificate(self) -> dict[str, object]:
        """Which certificate, and which station has signed it (None: the root); so that it is found when that ends."""
        assert self._made is not None
        certificate = self._made.certificate
        return {"sha256": certificate.fingerprint_sha256.hex(), "station": station_of(certificate)}


def digest(content: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(content).hexdigest()
