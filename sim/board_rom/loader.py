"""The serial loaders of an Espressif chip: the ROM's, and the stub's once a tool has loaded and started one.

Pure: `receive(bytes)` gives the bytes that go back. Nothing here knows a port or a clock; what line and flash would
have needed on a board is counted in `line_s` and `Flash.busy_s`. Commands and their frames are those of Espressif's
"Serial Protocol" page. A stub's code is not executed: it is stored where the tool puts it. If its entry point lies in
what was stored, the board speaks the stub's protocol from then on; else nothing, as a chip that has crashed.
"""

from __future__ import annotations

import struct
import zlib

from sim.board_rom import secure_boot, slip
from sim.board_rom.checksum import checksum_of
from sim.board_rom.chip import CRYSTAL_HZ, MAGIC_REGISTER, Chip
from sim.board_rom.efuse import EfuseController
from sim.board_rom.flash import Flash, FlashError

SYNC = 0x08
ROM_BAUD = 115200
_SYNC_DATA = b"\x07\x07\x12\x20" + b"\x55" * 32
_ROM_SYNC_VALUE = 0x20120707
_READ_ID, _FLASH_MAKER = 0x9F, 0x4020  # type 0x40 of maker 0x20
_SPI_USER = 1 << 18
_LONGEST_SLOW_READ = 64
_BITS_A_BYTE = 10
INVALID, FAILED, BAD_CHECKSUM, DEFLATE_ERROR = 0x05, 0x06, 0x07, 0x0B
"""Reasons in the ROM's status bytes."""


class LoaderError(Exception):
    """A command that is refused; `reason` goes into the status."""

    def __init__(self, reason: int) -> None:
        super().__init__(f"reason 0x{reason:02x}")
        self.reason = reason


class _Writing:
    """One run of flash data: where it goes and what is still to come."""

    def __init__(self, offset: int, size: int, blocks: int, block: int, packed: bool) -> None:
        self.at = offset
        self.left = size
        self.blocks = blocks
        self.block = block
        self.next = 0
        self.unpack = zlib.decompressobj() if packed else None


class Loader:
    """One chip in download mode, until `wants_reset` says that a tool has ended it."""

    def __init__(self, chip: Chip, flash: Flash, efuses: EfuseController) -> None:
        self._chip = chip
        self._flash = flash
        self._efuses = efuses
        self.line_s = 0.0
        self.reset()

    def reset(self) -> None:
        """Power-on in download mode: the ROM answers, RAM is forgotten, the line is as fast as it was at first."""
        self.stub = False
        # A chip whose download mode is closed for good says nothing to a tool.
        self.crashed = self._is_closed()
        self.wants_reset = False
        self.baud = ROM_BAUD
        self._reader = slip.Reader()
        self._registers: dict[int, int] = dict(self._chip.registers)
        self._segments: list[tuple[int, int]] = []
        self._loading: tuple[int, int] | None = None
        self._writing: _Writing | None = None
        self._streaming: tuple[int, int, int, int] | None = None
        self._sent = 0
        self._efuses.reset()

    def _is_closed(self) -> bool:
        place = self._chip.download_closed
        return place is not None and bool(self._efuses.word(0, place[0]) >> place[1] & 1)

    def receive(self, data: bytes) -> bytes:
        """Everything that these bytes are answered with. Never raises."""
        self.line_s += len(data) * _BITS_A_BYTE / self.baud
        answer = b"".join(self._frame(frame) for frame in self._reader.feed(data))
        self.line_s += len(answer) * _BITS_A_BYTE / self.baud
        return answer

    def _frame(self, frame: bytes) -> bytes:
        if self.crashed:
            return b""
        if self._streaming is not None and len(frame) == 4:
            return self._stream(int.from_bytes(frame, "little"))
        if len(frame) < 8 or frame[0] != 0:
            return b""
        operation, length, checksum = struct.unpack("<BHI", frame[1:8])
        body = frame[8:]
        if length != len(body):
            return self._answer(operation, 0, b"", INVALID)
        if operation == SYNC:
            return self._sync(body)
        handler = _HANDLERS.get(operation)
        if handler is None or (operation in _STUB_ONLY and not self.stub):
            return self._answer(operation, 0, b"", INVALID)
        baud = self.baud
        try:
            if operation in _CHECKED and checksum_of(body[16:]) != checksum & 0xFF:
                raise LoaderError(BAD_CHECKSUM)
            value, extra = handler(self, body)
        except LoaderError as error:
            return self._answer(operation, 0, b"", error.reason)
        except (FlashError, struct.error):
            return self._answer(operation, 0, b"", INVALID)
        answer = self._answer(operation, value, extra, 0)
        if operation in _JUMPS and self.stub:
            # A read was answered by the stub's beginning, which was called in the place of the ROM's routine.
            answer = (answer if operation == 0x06 else b"") + slip.encode(b"OHAI")
        if operation == 0xD2:
            answer += self._stream(0)
        if operation == 0x0F and baud != self.baud:
            # The answer still goes at the old speed.
            self.line_s += len(answer) * _BITS_A_BYTE * (1 / baud - 1 / self.baud)
        return answer

    def _answer(self, operation: int, value: int, extra: bytes, reason: int) -> bytes:
        status = bytes([1, reason]) if reason else bytes(2)
        if operation not in _STUB_ONLY and not self.stub and operation != 0x06:
            status += bytes(2)
        body = extra + status
        return slip.encode(struct.pack("<BBHI", 1, operation, len(body), value) + body)

    def _sync(self, body: bytes) -> bytes:
        if body != _SYNC_DATA:
            return self._answer(SYNC, 0, b"", INVALID)
        return self._answer(SYNC, 0 if self.stub else _ROM_SYNC_VALUE, b"", 0) * 8

    # Registers.

    def _read_register(self, body: bytes) -> tuple[int, bytes]:
        (address,) = struct.unpack("<I", body)
        if self._efuses.covers(address):
            return self._efuses.read(address), b""
        if address == MAGIC_REGISTER:
            return self._chip.magic, b""
        if address == self._chip.clock_divider:
            return CRYSTAL_HZ // self.baud, b""
        return self._registers.get(address, 0), b""

    def _write_register(self, body: bytes) -> tuple[int, bytes]:
        if not body or len(body) % 16:
            raise LoaderError(INVALID)
        for address, value, mask, _ in struct.iter_unpack("<IIII", body):
            if self._efuses.covers(address):
                self._efuses.write(address, value & mask)
                continue
            old = self._registers.get(address, 0)
            self._registers[address] = old & ~mask | value & mask
            if address == self._chip.spi + self._chip.spi_command and value & _SPI_USER:
                self._spi_flash()
        return 0, b""

    def _spi_flash(self) -> None:
        """The flash part answers a command that a tool has put together in the SPI registers."""
        spi = self._chip.spi
        command = self._registers.get(spi + self._chip.spi_usr2, 0) & 0xFF
        capacity = self._flash.size.bit_length() - 1
        value = capacity << 16 | _FLASH_MAKER if command == _READ_ID else 0
        self._registers[spi + self._chip.spi_data] = value
        self._registers[spi + self._chip.spi_command] = 0

    def _security_info(self, body: bytes) -> tuple[int, bytes]:
        if self._chip.chip_id is None or body:
            raise LoaderError(INVALID)
        word = self._efuses.word
        flags = (word(0, 3) >> 20 & 1) | (word(0, 3) >> 21 & 1) << 1
        purposes = [word(0, 2) >> shift & 0xF for shift in (24, 28)]
        purposes += [word(0, 3) >> shift & 0xF for shift in (0, 4, 8, 12)]
        crypt_count = word(0, 2) >> 18 & 7
        return 0, struct.pack("<IB7BII", flags, crypt_count, *purposes, 0, self._chip.chip_id, 0)

    # RAM.

    def _memory_begin(self, body: bytes) -> tuple[int, bytes]:
        size, _, _, address = struct.unpack("<IIII", body)
        self._loading = (address, size)
        return 0, b""

    def _memory_data(self, body: bytes) -> tuple[int, bytes]:
        if self._loading is None or len(body) < 16:
            raise LoaderError(FAILED)
        address, left = self._loading
        length = len(body) - 16
        if length > left:
            raise LoaderError(FAILED)
        self._segments.append((address, address + length))
        self._loading = (address + length, left - length)
        return 0, b""

    def _memory_end(self, body: bytes) -> tuple[int, bytes]:
        stay, entry = struct.unpack("<II", body)
        self._loading = None
        if not stay:
            closed = self._chip.read_pointer is not None and secure_boot.is_on(self._efuses)
            self.stub = self._is_loaded(entry) and not closed
            self.crashed = not self.stub
        return 0, b""

    def _is_loaded(self, address: int) -> bool:
        return any(first <= address < end for first, end in self._segments)

    # Flash.

    def _attach(self, body: bytes) -> tuple[int, bytes]:
        return 0, b""

    def _baud_rate(self, body: bytes) -> tuple[int, bytes]:
        baud, _ = struct.unpack("<II", body)
        if not 0 < baud <= 5_000_000:
            raise LoaderError(INVALID)
        self.baud = baud
        return 0, b""

    def _begin(self, body: bytes, packed: bool) -> tuple[int, bytes]:
        size, blocks, block, offset = struct.unpack("<IIII", body[:16])
        if len(body) not in (16, 20) or body[16:] not in (b"", bytes(4)):
            # Writing through the chip's own encryption is not here.
            raise LoaderError(INVALID)
        if not packed:
            size = min(size, blocks * block) if blocks else 0
        self._flash.erase(offset, size) if size else None
        self._writing = _Writing(offset, size, blocks, block, packed)
        return 0, b""

    def _plain_begin(self, body: bytes) -> tuple[int, bytes]:
        return self._begin(body, False)

    def _packed_begin(self, body: bytes) -> tuple[int, bytes]:
        return self._begin(body, True)

    def _data(self, body: bytes) -> tuple[int, bytes]:
        writing = self._writing
        length, sequence = struct.unpack("<II", body[:8])
        data = body[16:]
        if writing is None or length != len(data) or sequence >= writing.blocks:
            raise LoaderError(FAILED)
        if sequence == writing.next - 1:
            # Said again, since its answer was lost.
            return 0, b""
        if sequence != writing.next:
            raise LoaderError(FAILED)
        if writing.unpack is not None:
            try:
                data = writing.unpack.decompress(data)
            except zlib.error:
                raise LoaderError(DEFLATE_ERROR) from None
            if len(data) > writing.left:
                # The ROM counts in whole blocks and pads; more than that is no part of this run.
                raise LoaderError(FAILED)
        elif len(data) > writing.left:
            # The last block comes padded.
            data = data[: writing.left]
        self._flash.program(writing.at, data)
        writing.at += len(data)
        writing.left -= len(data)
        writing.next += 1
        if writing.next == writing.blocks:
            self._flash.sync()
        return 0, b""

    def _end(self, body: bytes) -> tuple[int, bytes]:
        (stay,) = struct.unpack("<I", body)
        self._writing = None
        self._flash.sync()
        self.wants_reset = not stay
        return 0, b""

    def _md5(self, body: bytes) -> tuple[int, bytes]:
        offset, size, _, _ = struct.unpack("<IIII", body)
        digest = self._flash.md5(offset, size)
        return 0, digest if self.stub else digest.hex().encode()

    def _slow_read(self, body: bytes) -> tuple[int, bytes]:
        offset, length = struct.unpack("<II", body)
        if self.stub or length > _LONGEST_SLOW_READ:
            raise LoaderError(INVALID)
        routine = self._registers.get(self._chip.read_pointer, 0) if self._chip.read_pointer is not None else 0
        if routine:
            self.stub = self._is_loaded(routine)
            self.crashed = not self.stub
            return 0, b""
        return 0, self._flash.read(offset, length).ljust(_LONGEST_SLOW_READ, b"\0")

    def _erase_all(self, body: bytes) -> tuple[int, bytes]:
        self._flash.erase(0, self._flash.size)
        self._flash.sync()
        return 0, b""

    def _erase_region(self, body: bytes) -> tuple[int, bytes]:
        offset, size = struct.unpack("<II", body)
        self._flash.erase(offset, size)
        self._flash.sync()
        return 0, b""

    def _read(self, body: bytes) -> tuple[int, bytes]:
        offset, length, block, ahead = struct.unpack("<IIII", body)
        if not block or not ahead:
            raise LoaderError(INVALID)
        self._flash.read(offset, length)
        self._streaming = (offset, length, block, block * ahead)
        self._sent = 0
        return 0, b""

    def _stream(self, heard: int) -> bytes:
        """As many pieces as may be under way when `heard` bytes have been acknowledged; at the end the digest."""
        assert self._streaming is not None
        offset, length, block, ahead = self._streaming
        out = b""
        while self._sent < length and self._sent - heard < ahead:
            piece = self._flash.read(offset + self._sent, min(block, length - self._sent))
            out += slip.encode(piece)
            self._sent += len(piece)
        if heard >= length:
            out += slip.encode(self._flash.md5(offset, length))
            self._streaming = None
        return out


_CHECKED = frozenset((0x03, 0x07, 0x11))
_JUMPS = frozenset((0x06, 0x0E))
_STUB_ONLY = frozenset((0xD0, 0xD1, 0xD2))
_HANDLERS = {
    0x02: Loader._plain_begin,
    0x03: Loader._data,
    0x04: Loader._end,
    0x05: Loader._memory_begin,
    0x06: Loader._memory_end,
    0x07: Loader._memory_data,
    0x09: Loader._write_register,
    0x0A: Loader._read_register,
    0x0B: Loader._attach,
    0x0D: Loader._attach,
    0x0E: Loader._slow_read,
    0x0F: Loader._baud_rate,
    0x10: Loader._packed_begin,
    0x11: Loader._data,
    0x12: Loader._end,
    0x13: Loader._md5,
    0x14: Loader._security_info,
    0xD0: Loader._erase_all,
    0xD1: Loader._erase_region,
    0xD2: Loader._read,
}
