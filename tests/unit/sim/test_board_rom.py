"""The virtual board's protocol, without a port: framing, RAM and stub, flash, eFuses."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.board_rom import slip
from sim.board_rom.board import BoardError, VirtualBoard, make_board
from sim.board_rom.flash import SECTOR, Flash, FlashError

MAC = bytes.fromhex("020000000007")


def frame(operation: int, body: bytes = b"", data: bytes = b"") -> bytes:
    checksum = 0xEF
    for byte in data:
        checksum ^= byte
    whole = body + data
    return slip.encode(struct.pack("<BBHI", 0, operation, len(whole), checksum) + whole)


def answers(said: bytes) -> list[bytes]:
    return slip.Reader().feed(said)


def status(said: bytes, at: int = -4) -> int:
    """The reason in an answer of the ROM, 0 if it is well."""
    (one,) = answers(said)
    return one[at + 1] if one[at] else 0


@pytest.fixture(params=["esp32", "esp32s3"])
def board(request: pytest.FixtureRequest, tmp_path: Path):
    made = VirtualBoard(make_board(tmp_path / "board", request.param, MAC, 1 << 20))
    yield made
    made.close()


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=20))
def test_any_payload_comes_through_in_any_pieces(payload: bytes, cuts: list[int]) -> None:
    whole = slip.encode(payload + b"\x01")
    reader = slip.Reader()
    found = []
    for cut in [*cuts, len(whole)]:
        found += reader.feed(whole[:cut])
        whole = whole[cut:]
    assert found == [payload + b"\x01"]
    assert reader.refused == 0


@given(st.binary(max_size=400))
def test_noise_never_raises_and_a_frame_after_it_is_heard(noise: bytes) -> None:
    reader = slip.Reader()
    reader.feed(noise)
    # A tool that is not answered says its command again: one END later at the latest the line is in step.
    found = reader.feed(slip.encode(b"hello") + slip.encode(b"hello"))
    assert b"hello" in found


def test_a_wrong_escape_drops_the_frame_whole() -> None:
    reader = slip.Reader()
    assert reader.feed(b"\xc0ab\xdbxcd\xc0") == []
    assert reader.refused == 1


def test_a_frame_without_end_takes_no_more_than_the_longest() -> None:
    reader = slip.Reader()
    reader.feed(b"\xc0" + b"a" * (2 * slip.LONGEST_FRAME))
    assert reader.feed(b"\xc0") == []
    assert reader.refused == 1


@settings(deadline=None)  # It writes files.
@given(st.binary(max_size=200))
def test_no_bytes_break_the_loader(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    made = VirtualBoard(make_board(tmp_path_factory.mktemp("board") / "b", "esp32s3", MAC, 1 << 20))
    try:
        made.loader.receive(noise + slip.encode(b"\0" + noise))
        made.loader.reset()
        assert len(answers(made.loader.receive(frame(0x08, b"\x07\x07\x12\x20" + b"\x55" * 32)))) == 8
    finally:
        made.close()


def test_a_block_with_a_wrong_checksum_is_not_written(board: VirtualBoard) -> None:
    board.loader.receive(frame(0x02, struct.pack("<IIII", 1024, 1, 1024, 0)))
    head = struct.pack("<IIII", 1024, 0, 0, 0)
    bad = slip.encode(struct.pack("<BBHI", 0, 0x03, 16 + 1024, 0) + head + b"\x12" * 1024)
    assert status(board.loader.receive(bad)) == 0x07
    assert board.flash.read(0, 1024) == b"\xff" * 1024
    assert status(board.loader.receive(frame(0x03, head, b"\x12" * 1024))) == 0
    assert board.flash.read(0, 1024) == b"\x12" * 1024


def test_a_packed_block_said_twice_is_written_once(board: VirtualBoard) -> None:
    content = bytes(range(256)) * 16
    packed = zlib.compress(content)
    half = len(packed) // 2
    board.loader.receive(frame(0x10, struct.pack("<IIII", len(content), 2, half + 1, 0x1000)))
    for sequence, piece in ((0, packed[:half]), (0, packed[:half]), (1, packed[half:])):
        assert status(board.loader.receive(frame(0x11, struct.pack("<IIII", len(piece), sequence, 0, 0), piece))) == 0
    assert board.flash.read(0x1000, len(content)) == content
    (answer,) = answers(board.loader.receive(frame(0x13, struct.pack("<IIII", 0x1000, len(content), 0, 0))))
    assert answer[8:40].decode() == hashlib.md5(content).hexdigest()


def test_a_block_out_of_turn_is_refused(board: VirtualBoard) -> None:
    board.loader.receive(frame(0x02, struct.pack("<IIII", 2048, 2, 1024, 0)))
    assert status(board.loader.receive(frame(0x03, struct.pack("<IIII", 1024, 1, 0, 0), b"a" * 1024))) == 0x06


def test_nothing_reaches_past_the_flash(board: VirtualBoard) -> None:
    begun = board.loader.receive(frame(0x02, struct.pack("<IIII", 8192, 8, 1024, board.flash.size - 4096)))
    assert status(begun) == 0x05


def test_an_entry_point_that_was_never_loaded_crashes_the_chip(board: VirtualBoard) -> None:
    board.loader.receive(frame(0x05, struct.pack("<IIII", 4, 1, 4, 0x40380000)))
    board.loader.receive(frame(0x07, struct.pack("<IIII", 4, 0, 0, 0), b"code"))
    board.loader.receive(frame(0x06, struct.pack("<II", 0, 0x40390000)))
    assert board.loader.crashed
    assert board.loader.receive(frame(0x0A, struct.pack("<I", 0x40001000))) == b""
    board.loader.reset()
    board.loader.receive(frame(0x05, struct.pack("<IIII", 4, 1, 4, 0x40380000)))
    board.loader.receive(frame(0x07, struct.pack("<IIII", 4, 0, 0, 0), b"code"))
    assert answers(board.loader.receive(frame(0x06, struct.pack("<II", 0, 0x40380000))))[-1] == b"OHAI"


def test_the_stubs_commands_are_unknown_to_the_rom(board: VirtualBoard) -> None:
    assert status(board.loader.receive(frame(0xD0)), -2) == 0x05
    assert board.flash.read(0, 4) == b"\xff" * 4


def test_flash_bits_come_back_by_erasing_only(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "f", 4 * SECTOR)
    flash.program(10, b"\x0f")
    flash.program(10, b"\xf3")
    assert flash.read(10, 1) == b"\x03"
    flash.erase(10, 1)
    assert flash.read(0, 4 * SECTOR) == b"\xff" * 4 * SECTOR
    with pytest.raises(FlashError):
        flash.read(4 * SECTOR - 1, 2)
    flash.close()


def write(board: VirtualBoard, offset: int, value: int) -> None:
    board.loader.receive(frame(0x09, struct.pack("<IIII", board.chip.efuse.base + offset, value, 0xFFFFFFFF, 0)))


def read(board: VirtualBoard, offset: int) -> int:
    (one,) = answers(board.loader.receive(frame(0x0A, struct.pack("<I", board.chip.efuse.base + offset))))
    return struct.unpack("<I", one[4:8])[0]


def burn(board: VirtualBoard, block: int, words: dict[int, int]) -> None:
    layout = board.chip.efuse
    for index, value in words.items():
        write(board, layout.blocks[block].write + 4 * index, value)
    write(board, layout.conf, 0x5A5A)
    write(board, layout.command, 2 | block << 2)
    write(board, layout.conf, 0x5AA5)
    write(board, layout.command, 1)


def test_a_burnt_bit_stays_over_power_off(board: VirtualBoard) -> None:
    place = board.chip.efuse.blocks[3].read
    burn(board, 3, {0: 0x0F})
    burn(board, 3, {0: 0xF0})
    assert read(board, place) == 0xFF
    board.close()
    again = VirtualBoard(board.folder)
    assert read(again, place) == 0xFF
    again.close()
    board.__init__(board.folder)  # so that the fixture has something to close


def test_a_block_that_is_closed_for_reading_shows_zeros_and_keeps_its_bits(board: VirtualBoard) -> None:
    key = 2 if board.chip.name == "esp32" else 4
    layout = board.chip.efuse
    burn(board, key, {0: 0x12345678})
    assert read(board, layout.blocks[key].read) == 0x12345678
    word, shift, _ = layout.read_disable
    burn(board, 0, {word: 1 << shift + layout.blocks[key].read_bit})
    assert read(board, layout.blocks[key].read) == 0
    assert board.loader._efuses.word(key, 0) == 0x12345678


def test_a_block_that_is_closed_for_writing_stays_as_it_is(board: VirtualBoard) -> None:
    layout = board.chip.efuse
    burn(board, 3, {0: 1})
    word, shift, _ = layout.write_disable
    burn(board, 0, {word: 1 << shift + layout.blocks[3].write_bit})
    burn(board, 3, {0: 2})
    assert read(board, layout.blocks[3].read) == 1


def test_without_its_code_a_command_burns_nothing(board: VirtualBoard) -> None:
    layout = board.chip.efuse
    write(board, layout.blocks[3].write, 1)
    write(board, layout.command, 2 | 3 << 2)
    write(board, layout.conf, 0x5AA5)
    write(board, layout.command, 1)
    assert read(board, layout.blocks[3].read) == 0


def test_one_process_has_a_board(board: VirtualBoard) -> None:
    with pytest.raises(BoardError, match="another process"):
        VirtualBoard(board.folder)


def test_a_folder_becomes_a_board_once(tmp_path: Path) -> None:
    make_board(tmp_path / "b", "esp32", MAC)
    with pytest.raises(BoardError, match="already"):
        make_board(tmp_path / "b", "esp32", MAC)
    with pytest.raises(BoardError, match="unicast"):
        make_board(tmp_path / "c", "esp32", b"\x01" + MAC[1:])
