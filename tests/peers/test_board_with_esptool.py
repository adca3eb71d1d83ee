"""Real esptool and espefuse against virtual boards; and the same scripts against somebody else's mock of the ROM."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning import tool
from provisioning.efuse_espefuse import EfuseConflict, make_production, production_faults, summary
from provisioning.flash_esptool import Port
from provisioning.secure_espsecure import is_signed_by, key_digest, make_signing_key, sign
from sim.board_rom import secure_boot
from sim.board_rom.bench import VirtualBench
from sim.board_rom.board import make_board

MAC = "02:00:00:00:00:07"
CONTENT = b"an alarm is not lost " * 3000 + os.urandom(20_000)


@pytest.fixture(params=["esp32", "esp32s3"])
def port(request: pytest.FixtureRequest, tmp_path: Path):
    folder = make_board(tmp_path / "board", request.param, bytes.fromhex(MAC.replace(":", "")))
    with VirtualBench([folder]) as bench:
        yield Port(bench.addresses[0], request.param)


def test_esptool_writes_verifies_and_reads_back(port: Port) -> None:
    facts = port.facts()
    assert (facts.mac, facts.flash_bytes) == (MAC, 4 << 20)
    assert facts.description.startswith("ESP32")
    port.write({0x10000: CONTENT, 0x9000: b"\x12" * 4096})
    assert port.matches({0x10000: CONTENT})
    assert not port.matches({0x10000: CONTENT[:-1] + b"?"})
    assert port.read(0x10000, len(CONTENT)) == CONTENT
    port.erase()
    assert port.read(0x10000, 4096) == b"\xff" * 4096


def test_esptool_works_without_its_stub(port: Port, tmp_path: Path) -> None:
    source, made = tmp_path / "in.bin", tmp_path / "out.bin"
    source.write_bytes(CONTENT[:5000])
    words = ("--chip", port.chip, "--port", port.url, "--no-stub")
    tool.run("esptool", *words, "write-flash", "0x2000", source)
    tool.run("esptool", *words, "read-flash", "0x2000", "5000", made)
    assert made.read_bytes() == CONTENT[:5000]


def test_esptool_works_over_tcp(tmp_path: Path) -> None:
    folder = tmp_path / "board"
    program = [sys.executable, "-m", "sim.board_rom", str(folder)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as boards:
        assert boards.stdin is not None and boards.stdout is not None
        said = json.loads(boards.stdout.readline())
        port = Port(said["port"], "esp32s3")
        assert port.facts().mac == said["mac"]
        port.write({0x10000: CONTENT[:5000]})
        assert port.matches({0x10000: CONTENT[:5000]})
        boards.stdin.close()
        assert boards.wait() == 0
    assert (folder / "flash.bin").read_bytes()[0x10000 : 0x10000 + 5000] == CONTENT[:5000]


def test_a_wrong_chip_is_told(port: Port) -> None:
    other = {"esp32": "esp32s3", "esp32s3": "esp32"}[port.chip]
    with pytest.raises(tool.ToolError, match="not ESP32"):
        Port(port.url, other).facts()


def test_keys_are_burnt_once_and_the_chips_own_is_never_read(tmp_path: Path) -> None:
    folder = make_board(tmp_path / "board", "esp32s3", bytes.fromhex(MAC.replace(":", "")))
    with VirtualBench([folder]) as bench:
        port = Port(bench.addresses[0], "esp32s3")
        digest = bytes(range(32))
        assert production_faults(port, digest)
        make_production(port, digest)
        assert production_faults(port, digest) == []
        make_production(port, digest)
        with pytest.raises(EfuseConflict):
            make_production(port, bytes(32))
        assert set(str(summary(port)["BLOCK_KEY1"]["value"]).replace(" ", "")) <= {"?", "0"}


def test_what_is_signed_is_known(tmp_path: Path) -> None:
    key = tmp_path / "keys" / "boot.pem"
    make_signing_key(key)
    signed = sign(b"\xe9" + bytes(4095), key)
    assert is_signed_by(signed, key)
    assert not is_signed_by(signed[:100] + b"X" + signed[101:], key)
    assert secure_boot.is_signed(signed, 4096, [key_digest(key)])
    assert not secure_boot.is_signed(signed, 4096, [bytes(32)])
    assert not secure_boot.is_signed(signed[:100] + b"X" + signed[101:], 4096, [key_digest(key)])


def test_the_same_scripts_pass_against_another_emulator() -> None:
    from esp32_mock_bootloader.session import running_server

    with running_server("esp32s3") as mock:
        port = Port(mock.url, "esp32s3")
        assert port.facts().flash_bytes == 4 << 20
        port.write({0x10000: CONTENT})
        assert port.matches({0x10000: CONTENT})
        assert not port.matches({0x10000: CONTENT[:-1] + b"?"})
