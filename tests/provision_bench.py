"""A workshop for tests: virtual boards on real esptool, a station, a ledger, and a fleet that counts whom it knows."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from provisioning.boot_key import FileBootKey
from provisioning.ca import CertificateAuthority
from provisioning.firmware_image import load, signed
from provisioning.flash_esptool import ChipFacts, Port
from provisioning.labels import label_pdf
from provisioning.ledger import Ledger
from provisioning.partition_table import layout
from provisioning.plan import BoardKind, Order
from provisioning.run import Bench
from provisioning.seal import sealed
from provisioning.secure_espsecure import make_signing_key
from provisioning.station import Made, Station
from sim.board_rom.bench import VirtualBench
from sim.board_rom.board import VirtualBoard, make_board
from sim.board_rom.chip import CHIPS
from sim.board_rom.stand_in import NAME, stand_in

SMALL_APP = 20_000
MAC = "02:00:00:00:00:07"
EMPTY_ROM = b"\xd2\xcd\x31\x00"
KIND = BoardKind("virtual", "esp32s3", 4 << 20, 0, False)
PRODUCTION_KIND = BoardKind("virtual", "esp32s3", 4 << 20, 0, True)
ORDER = Order("O-1", 1, 1, "social", False, 300, ("coap",), (("127.0.0.1", 5683),))


class MemoryBoard(Port):
    """A board whose flash is bytes."""

    def __init__(self) -> None:
        super().__init__("memory", "esp32s3")
        object.__setattr__(self, "flash", bytearray(b"\xff" * KIND.flash_bytes))

    flash: bytearray

    def facts(self) -> ChipFacts:
        return ChipFacts("memory", MAC, KIND.flash_bytes)

    def write(self, pieces: Mapping[int, bytes], *, force: bool = False) -> None:
        for place, content in pieces.items():
            self.flash[place : place + len(content)] = content

    def matches(self, pieces: Mapping[int, bytes]) -> bool:
        return all(self.flash[place : place + len(content)] == content for place, content in pieces.items())

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.flash[offset : offset + length])

    def erase(self) -> None:
        self.flash[:] = b"\xff" * len(self.flash)


class Clip(Port):
    """A clip on the flash of a board that no tool is on: esptool spends 4 s of a processor on reading 3 MB. The rest,
    eFuses too, is esptool's as ever; that it reads the same bytes, each test shows by one `verify` without a clip."""

    def __init__(self, port: Port, board: VirtualBoard) -> None:
        super().__init__(port.url, port.chip, tries=port.tries)
        object.__setattr__(self, "board", board)

    board: VirtualBoard

    def read(self, offset: int, length: int) -> bytes:
        return self.board.flash.read(offset, length)


class CountingFleet:
    """Whom the fleet knows, by unit number."""

    def __init__(self) -> None:
        self.known: dict[int, Made] = {}

    def register(self, unit: int, made: Made, order: Order) -> None:
        assert self.known.get(unit, made) == made, "a unit changed its secret"
        self.known[unit] = made

    def withdraw(self, unit: int) -> None:
        self.known.pop(unit, None)


class Workshop:
    """One bench with one board; `starts` are the units that were started, and what the flash held then."""

    def __init__(
        self, folder: Path, chip: str = "esp32s3", *, production: bool = False, romfs: bytes = EMPTY_ROM
    ) -> None:
        self.folder = folder
        self.romfs = romfs
        self.fleet = CountingFleet()
        self.starts: list[int] = []
        kind = CHIPS[chip]
        image, manifest = folder / "stand-in.bin", folder / "manifest.json"
        folder.mkdir(parents=True, exist_ok=True)
        image.write_bytes(stand_in(kind, SMALL_APP))
        digest = hashlib.sha256(image.read_bytes()).hexdigest()
        entry = {"file": image.name, "sha256": digest, "chip": chip, "says": NAME, "secure_boot": True}
        manifest.write_text(json.dumps({"images": [entry]}))
        parts = layout(4 << 20, sealed=production)
        self.firmware = load(image, manifest, chip, kind.bootloader_offset, parts)
        if production:
            self.boot_key = folder / "boot.pem"
            make_signing_key(self.boot_key)
            self.firmware = signed(
                sealed(self.firmware, romfs, parts), FileBootKey(self.boot_key), folder / "signed", parts
            )
        self.board = make_board(folder / "board", chip, bytes.fromhex(MAC.replace(":", "")))
        self.mac = MAC

    def bench(self) -> Bench:
        """A station that has just been switched on."""

        def start(unit: int) -> dict[str, object]:
            self.starts.append(unit)
            return {"heard": "Heartbeat"}

        return Bench(
            Station(self.folder / "station", CertificateAuthority.open(self.folder / "ca")),
            Ledger(self.folder / "ledger"),
            self.fleet,
            self.firmware,
            self.romfs,
            start,
            lambda unit: label_pdf(f"LIVLINA:{unit}", str(unit), ("social", "O-1")),
            lambda: datetime.now(UTC),
            boot_digest=self.firmware.signed_by,
        )

    @contextlib.contextmanager
    def on_the_cable(self, tries: int = 1) -> Iterator[tuple[VirtualBench, Port]]:
        """The board on its port; a pulled cable is noticed at once unless there are more `tries`."""
        with VirtualBench([self.board]) as bench:
            yield bench, Port(bench.addresses[0], bench.boards[0].chip.name, tries=tries)
