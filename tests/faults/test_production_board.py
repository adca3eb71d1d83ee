"""A production board starts signed images only and keeps its keys; its dump holds what docs/security.md says."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from provisioning.boot_key import FileBootKey
from provisioning.endings import close, end
from provisioning.firmware_image import FirmwareError, signed
from provisioning.flash_esptool import Port
from provisioning.ledger import Row
from provisioning.partition_table import SECTOR, TABLE_OFFSET, layout, named, to_binary
from provisioning.run import RunError, run
from provisioning.secure_espsecure import make_signing_key, sign
from provisioning.tool import ToolError
from provisioning.verify import verify
from sim.board_rom import slip
from sim.board_rom.bench import VirtualBench
from sim.board_rom.board import VirtualBoard
from sim.board_rom.boot import BootError, bootable
from sim.board_rom.dump import exposed, searched
from tests.provision_bench import ORDER, PRODUCTION_KIND, Clip, Workshop

PRODUCTION = replace(ORDER, production=True)
PARTS = layout(4 << 20, sealed=True)
APP, NVS, ROM, START, VFS = (named(PARTS, label) for label in ("factory", "nvs", "romfs", "vfs", "unit"))


def starts(board: VirtualBoard, place: int, content: bytes) -> None:
    """Raises BootError unless the board starts with these bytes there; puts back what was."""
    kept = board.flash.read(place, len(content) + SECTOR)
    try:
        board.flash.erase(place, len(kept))
        board.flash.program(place, content)
        bootable(board)
    finally:
        board.flash.erase(place, len(kept))
        board.flash.program(place, kept)


def flipped(content: bytes, place: int) -> bytes:
    """With one bit changed: in MicroPython, in our firmware, or in the main.py that starts it."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def secrets_of(shop: Workshop, unit: int) -> dict[str, bytes]:
    """What a unit's flash must hold for it to be the unit, and stock MicroPython cannot protect."""
    made = shop.fleet.known[unit]
    key = load_der_private_key(made.certificate.key_der, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    scalar = key.private_numbers().private_value.to_bytes(32)
    return {"unit secret": made.identity.secret16, "TLS key": scalar}


def clear_secrets(dump: bytes, secrets: dict[str, bytes]) -> list[str]:
    """The names of those that stand in a dump, in whatever form (sim/board_rom/dump.py)."""
    found = {one.secret for one in searched(dump, secrets)}
    return [name for name in secrets if name in found]


@pytest.mark.timeout(400)
def test_a_production_board_starts_what_is_signed_and_nothing_else(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, production=True)
    plain = shop.firmware.pieces[APP.offset]
    with shop.on_the_cable(tries=5) as (bench, port):
        row = run(shop.bench(), port, PRODUCTION, PRODUCTION_KIND)
        board = bench.boards[0]
        bootable(board)
        assert verify(port, shop.bench().ledger).passes

        other = tmp_path / "other.pem"
        make_signing_key(other)
        unsigned = plain[: len(plain) - SECTOR]
        bits = [flipped(plain, place) for place in (40, ROM.offset - APP.offset, START.offset - APP.offset + 100)]
        for changed in (unsigned, sign(unsigned, other), *bits):
            with pytest.raises(BootError, match="application"):
                starts(board, APP.offset, changed)
        with pytest.raises(BootError, match="bootloader"):
            starts(board, 0, shop.firmware.pieces[0][:-SECTOR])
        starts(board, APP.offset, sign(unsigned, shop.boot_key))  # The negative control of those above.

        # What the table names is not signed (docs/security.md): the chip starts it, and verifying the board sees it.
        port.write({TABLE_OFFSET: to_binary((*PARTS[:4], replace(START, offset=0x300000)))})
        bootable(board)
        assert any("0x8000" in fault for fault in verify(Clip(port, board), shop.bench().ledger).faults)

    hidden_and_forgotten(shop, row)
    is_no_other_owners(shop)
    comes_back_and_goes_out_again(shop, row)


def is_no_other_owners(shop: Workshop) -> None:
    """Neither another owner's key nor an order of unsigned boards begins with it: nothing is written, nobody known."""
    before = (shop.board / "flash.bin").read_bytes(), (shop.board / "efuse.json").read_bytes()
    other = Workshop(shop.folder / "other")
    for key, order, words in ((bytes(32), PRODUCTION, "another key"), (None, ORDER, "nothing unsigned")):
        with shop.on_the_cable(tries=5) as (_, port), pytest.raises(RunError, match=words):
            run(replace(other.bench(), boot_digest=key), port, order, PRODUCTION_KIND)
        bench = other.bench()
        assert other.fleet.known == {} and bench.ledger.rows() == [] and bench.station.unfinished() == []
    assert before == ((shop.board / "flash.bin").read_bytes(), (shop.board / "efuse.json").read_bytes())


def is_closed_for_good(shop: Workshop, board: VirtualBoard, port: Port) -> None:
    """A closed board starts what it is, and no tool reaches it, so that its table stays, too."""
    hello = slip.encode(b"\0\x08\x24\0\0\0\0\0\x07\x07\x12\x20" + b"\x55" * 32)
    board.loader.reset()
    assert board.loader.receive(hello) != b""  # The control.
    ledger = shop.bench().ledger
    assert close(ledger, port, "goes to a home", lambda: datetime.now(UTC)).kind == "closed"
    board.loader.reset()
    assert board.loader.receive(hello) == b""
    bootable(board)
    with pytest.raises(ToolError):
        Port(port.url, "esp32s3", tries=1).facts()


def comes_back_and_goes_out_again(shop: Workshop, row: Row) -> None:
    """Returned, a production board is erased and keeps its eFuses; its own key makes it another unit."""
    burnt = (shop.board / "efuse.json").read_bytes()
    kept = secrets_of(shop, row.unit)
    with shop.on_the_cable(tries=5) as (bench, port):
        ends = shop.bench()
        end(ends.ledger, ends.fleet, "returned", shop.mac, "the button sticks", lambda: datetime.now(UTC), port)
        assert shop.fleet.known == {}
        assert any("returned" in fault for fault in verify(port, ends.ledger).faults)
        with pytest.raises(BootError):
            bootable(bench.boards[0])
        again = run(shop.bench(), port, PRODUCTION, PRODUCTION_KIND)
        bootable(bench.boards[0])
        assert verify(Clip(port, bench.boards[0]), shop.bench().ledger).passes
        assert (shop.board / "efuse.json").read_bytes() == burnt, "nothing is burnt twice"
        is_closed_for_good(shop, bench.boards[0], port)
    assert again.unit != row.unit and list(shop.fleet.known) == [again.unit]
    assert [one.kind for one in shop.bench().ledger.rows()] == ["provisioned", "returned", "provisioned", "closed"]
    # Of the unit that it was nothing is left on it; of the unit that it is, the same search finds everything.
    flash = (shop.board / "flash.bin").read_bytes()
    assert clear_secrets(flash, kept) == []
    assert clear_secrets(flash, secrets_of(shop, again.unit)) == list(kept)


def hidden_and_forgotten(shop: Workshop, row: Row) -> None:
    """What the dump of a production board holds, and what lies about at the station afterwards."""
    flash = (shop.board / "flash.bin").read_bytes()
    nvs, elsewhere = flash[NVS.offset : NVS.end], flash[: VFS.offset] + flash[VFS.end :]
    protected = {
        "root key": (shop.folder / "ca" / "authority.pem").read_bytes()[28:92],
        "boot key": shop.boot_key.read_bytes()[28:92],
        "ledger key": (shop.folder / "ledger" / "ledger.key").read_bytes(),
    }
    protected["the chip's own key"] = key_of_the_chip(shop)
    bare = secrets_of(shop, row.unit)
    assert clear_secrets(flash, protected) == []
    assert clear_secrets(elsewhere, bare) == [] and exposed(shop.board) == []
    assert b"production" in nvs
    # Stock MicroPython cannot protect the file system: docs/security.md says so, and it is the only place.
    assert clear_secrets(flash[VFS.offset : VFS.end], bare) == list(bare)
    # The negative control: one that has slipped into NVS is found, in each of its forms.
    for value in bare.values():
        assert clear_secrets(nvs + value, bare) and clear_secrets(nvs + value.hex().encode(), bare)
    for path in shop.folder.rglob("*"):
        if path.is_file() and path.name not in ("flash.bin", "efuse.json"):
            assert (
                clear_secrets(path.read_bytes(), {**bare, "the chip's own key": protected["the chip's own key"]}) == []
            ), path


def key_of_the_chip(shop: Workshop) -> bytes:
    """What only the chip itself sees."""
    blocks = json.loads((shop.board / "efuse.json").read_bytes())
    key = struct.pack("<8I", *blocks[5])
    assert key.strip(b"\0")
    return key


def test_what_is_not_signed_goes_onto_no_production_board(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    with VirtualBench([shop.board]) as bench, pytest.raises(RunError, match="signed"):
        run(shop.bench(), Port(bench.addresses[0], "esp32s3", tries=5), PRODUCTION, PRODUCTION_KIND)
    stock = replace(shop.firmware, checks_signatures=False)
    with pytest.raises(FirmwareError, match="not built with secure boot"):
        signed(stock, FileBootKey(tmp_path / "none.pem"), tmp_path, PARTS)
