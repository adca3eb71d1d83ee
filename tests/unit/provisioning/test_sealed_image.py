"""Our code inside the signed application: where it lies, that real tools accept the image, and that real MicroPython
starts it and nothing that the unit wrote."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
from pathlib import Path

import pytest

from provisioning import littlefs_image, tool
from provisioning.firmware_image import FirmwareError, FirmwareImage
from provisioning.partition_table import TABLE_OFFSET, files_of_the_unit, layout, named, to_binary
from provisioning.romfs import image as rom_image
from provisioning.run import MAIN as PLAIN_MAIN
from provisioning.seal import MOST_SEGMENTS, holds, sealed
from sim.board_rom.chip import CHIPS
from sim.board_rom.interpreter import MAIN, command, environment
from sim.board_rom.stand_in import APP_OFFSET, stand_in

SEALED, PLAIN = layout(4 << 20, sealed=True), layout(4 << 20)
APP, ROM, START, UNIT = (named(SEALED, label) for label in ("factory", "romfs", "vfs", "unit"))
OURS = "import os, sys\n\ndef run():\n    open('kept', 'w').close()\n    print('ours', os.getcwd(), '' in sys.path)\n"
THEIRS = b"print('theirs')\n"


def plain_image(app_bytes: int = 20_000) -> FirmwareImage:
    whole = stand_in(CHIPS["esp32s3"], app_bytes)
    return FirmwareImage("stand-in", "", {0: whole[:TABLE_OFFSET], APP.offset: whole[APP_OFFSET:]}, True)


def our_rom(folder: Path) -> bytes:
    (folder / "firmware").mkdir(parents=True)
    (folder / "firmware/main.py").write_text(OURS)
    return rom_image(folder)


def test_the_firmware_lies_where_the_table_says_and_inside_the_image(tmp_path: Path) -> None:
    romfs = our_rom(tmp_path)
    made = sealed(plain_image(), romfs, SEALED)
    app = made.pieces[APP.offset]
    assert app[ROM.offset - APP.offset :].startswith(romfs)
    assert "main.py" in littlefs_image.read(app[START.offset - APP.offset : START.end - APP.offset])
    assert len(app) > START.end - APP.offset and len(app) < APP.size
    assert holds(made, romfs, SEALED) and not holds(made, romfs + b"\0", SEALED)
    assert hashlib.sha256(app[:-32]).digest() == app[-32:]
    assert UNIT.offset >= APP.end, "what the unit writes would be part of what is signed"


def test_the_makers_own_tool_finds_the_image_right(tmp_path: Path) -> None:
    path = tmp_path / "app.bin"
    path.write_bytes(sealed(plain_image(), our_rom(tmp_path / "rom"), SEALED).pieces[APP.offset])
    said = tool.run("esptool", "--chip", "esp32s3", "image-info", path)
    assert "(valid)" in said and "(invalid" not in said, said
    assert "Padding" in said.title(), said


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FirmwareError, match="its partition"):
        sealed(plain_image(), bytes(ROM.size + 1), SEALED)
    with pytest.raises(FirmwareError, match="reaches"):
        sealed(plain_image(ROM.offset - APP.offset), b"", SEALED)
    plain = plain_image()
    app = bytearray(plain.pieces[APP.offset])
    app[400] ^= 1
    with pytest.raises(FirmwareError, match="damaged"):
        sealed(FirmwareImage("x", "", {APP.offset: bytes(app)}), b"", SEALED)
    with pytest.raises(FirmwareError, match="damaged"):
        sealed(FirmwareImage("x", "", {APP.offset: bytes(app[:100])}), b"", SEALED)
    crowded = bytearray(plain.pieces[APP.offset])
    crowded[1] = MOST_SEGMENTS
    body = bytes(crowded[:24]) + struct.pack("<II", 0, 0) * MOST_SEGMENTS
    body += bytes(15 - len(body) % 16) + b"\xef"
    with pytest.raises(FirmwareError, match="no room"):
        sealed(FirmwareImage("x", "", {APP.offset: body}), b"", SEALED)


def board(folder: Path, *, is_sealed: bool, written: dict[str, bytes]) -> str:
    """What real MicroPython prints when it starts from a flash whose unit wrote these files."""
    folder.mkdir()
    parts = SEALED if is_sealed else PLAIN
    image, romfs, files = plain_image(), our_rom(folder / "rom"), files_of_the_unit(parts)
    pieces = sealed(image, romfs, parts).pieces if is_sealed else {**image.pieces, named(parts, "romfs").offset: romfs}
    code = {} if is_sealed else {"main.py": PLAIN_MAIN}
    pieces |= {TABLE_OFFSET: to_binary(parts), files.offset: littlefs_image.build(code | written, files.size)}
    flash = bytearray(b"\xff" * (4 << 20))
    for place, content in pieces.items():
        flash[place : place + len(content)] = content
    path, shims = folder / "flash.bin", folder / "shims"
    path.write_bytes(flash)
    shims.mkdir()
    (shims / "machine.py").write_text("import sys\n\ndef reset():\n    sys.exit(75)\n")
    (shims / "esp32.py").write_text("")
    done = subprocess.run(
        command(path, MAIN, "400K"), env={**os.environ, **environment(path, shims)}, capture_output=True, text=True,
        timeout=400, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    now = path.read_bytes()
    signed_part = slice(APP.offset, APP.end) if is_sealed else slice(APP.offset, APP.offset)
    assert now[signed_part] == bytes(flash[signed_part])
    if is_sealed:
        assert done.returncode == 75, done.stdout + done.stderr
        assert "kept" in littlefs_image.read(now[files.offset : files.end])
    return done.stdout + done.stderr


ATTACK = {"boot.py": THEIRS, "main.py": THEIRS, "firmware/main.py": THEIRS, "firmware.py": THEIRS, "lib/os.py": THEIRS}


def test_nothing_that_a_unit_has_written_is_run_on_a_sealed_board(tmp_path: Path) -> None:
    assert board(tmp_path / "clean", is_sealed=True, written={}) == "ours /unit False\n"
    assert board(tmp_path / "attacked", is_sealed=True, written=ATTACK) == "ours /unit False\n"
    # The negative control: a development board runs the same files.
    assert board(tmp_path / "open", is_sealed=False, written={"main.py": THEIRS}) == "theirs\n"
