"""The board's pins and resets, in place of `machine`, which the unix port of MicroPython lacks.

Wired to the operator's finger by one datagram socket: the sim's address is in the environment (`LIVLINA_BOARD`, an
abstract Unix address; `LIVLINA_UNIT`, the number). Without it the pins are there and nobody touches them.

    unit -> sim   "H" unit u32, levels u8, interpreter text    once, at the first pin
                  "S" unit u32, levels u8                      an output has changed
                  "E" unit u32, levels u8, serial u8           an input has been set, its interrupt has run
    sim -> unit   "P" serial u8, pin u8, level u8

Nothing polls: one asyncio task sleeps in the kernel until a datagram comes, so an idle board costs no time at all.
"""

import asyncio
import os
import socket
import struct
import sys

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
SOFT_RESET = 5

EXIT_RESET = 75
"""The process ends with this when the firmware resets the board; the sim then powers it up again."""

_levels = 0
_channel = None


def reset() -> None:
    """The board starts over, which here means that the process ends."""
    raise SystemExit(EXIT_RESET)


def reset_cause() -> int:
    cause = os.getenv("LIVLINA_RESET_CAUSE")
    return int(cause) if cause else PWRON_RESET


def unique_id() -> bytes:
    return struct.pack(">I", int(os.getenv("LIVLINA_UNIT") or "0"))


class _Flag:
    """asyncio.ThreadSafeFlag without its price: on the unix port nothing interrupts, so the loop itself sets it, and a
    flag without a file descriptor would be looked at every millisecond."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    def clear(self) -> None:
        self._event.clear()

    async def wait(self) -> None:
        await self._event.wait()
        self._event.clear()


asyncio.ThreadSafeFlag = _Flag


class _Channel:
    """The wires to the sim."""

    def __init__(self, address: str, unit: int) -> None:
        self._unit = unit
        self._pins = {}
        family = struct.pack("@H", socket.AF_UNIX)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # Binding to the bare family gives an address of its own (Linux), so that the sim can answer.
        self._socket.bind(family)
        self._socket.connect(family + b"\x00" + address.encode())
        version = sys.implementation.version
        text = "MicroPython " + ".".join([str(part) for part in version[:3]]) + " (" + sys.version + ")"
        self._tell(b"H", text.encode())
        self._dirty = asyncio.Event()
        asyncio.create_task(self._listen())
        asyncio.create_task(self._report())

    def _tell(self, kind: bytes, rest: bytes = b"") -> None:
        self._socket.send(kind + struct.pack(">IB", self._unit, _levels) + rest)

    def changed(self) -> None:
        self._dirty.set()

    async def _report(self) -> None:
        # What the firmware sets in one go is seen in one go: no eye sees the microseconds between two pins.
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            self._tell(b"S")

    def wire(self, pin: "Pin") -> None:
        self._pins[pin.number] = pin

    async def _listen(self) -> None:
        while True:
            await _readable(self._socket)
            order = self._socket.recv(16)
            if len(order) == 4 and order[:1] == b"P":
                _set(order[2], order[3])
                pin = self._pins.get(order[2])
                if pin is not None:
                    pin.interrupt(order[3])
                self._tell(b"E", order[1:2])


def _readable(sock: "socket.socket"):
    yield asyncio.core._io_queue.queue_read(sock)


def _set(number: int, level: int) -> bool:
    global _levels  # noqa: PLW0603 - the levels of the one board that this process is
    before = _levels
    _levels = before | 1 << number if level else before & ~(1 << number)
    return _levels != before


def _wires() -> "_Channel | None":
    global _channel  # noqa: PLW0603
    address = os.getenv("LIVLINA_BOARD")
    if _channel is None and address:
        _channel = _Channel(address, int(os.getenv("LIVLINA_UNIT") or "0"))
    return _channel


class Pin:
    """One pin. Inputs are pulled up: nobody presses."""

    IN = 0
    OUT = 1
    PULL_UP = 1
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(self, number: int, mode: int = IN, pull: "int | None" = None, value: "int | None" = None) -> None:
        self.number = number
        self._mode = mode
        self._handler = None
        self._trigger = 0
        level = value if value is not None else (1 if pull == self.PULL_UP else 0)
        _set(number, level)
        self._wires = _wires()
        if self._wires is not None:
            self._wires.wire(self)

    def value(self, level: "int | None" = None) -> "int | None":
        if level is None:
            return _levels >> self.number & 1
        if self._mode == self.OUT and _set(self.number, level) and self._wires is not None:
            self._wires.changed()
        return None

    def irq(self, handler=None, trigger: int = IRQ_FALLING | IRQ_RISING) -> None:
        self._handler = handler
        self._trigger = trigger

    def interrupt(self, level: int) -> None:
        """The wire has changed from outside."""
        if self._handler is not None and self._trigger & (self.IRQ_RISING if level else self.IRQ_FALLING):
            self._handler(self)


class WDT:
    """A watchdog that is fed and never bites: the sim kills its units itself."""

    def __init__(self, timeout: int = 5000) -> None:
        self.timeout = timeout

    def feed(self) -> None:
        return None
