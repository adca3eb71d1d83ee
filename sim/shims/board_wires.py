"""The simulated board's wires: levels of its pins and what its converters see, and one datagram socket to the sim.

Not a module of MicroPython: `machine`, `bluetooth` and `esp32` of this folder stand on it. The sim's address is in the
environment (`LIVLINA_BOARD`, an abstract Unix address; `LIVLINA_UNIT`, the number). Without it everything is there and
nobody touches it. `levels` (u8) are those of pins 0 to 7, bit n is pin n.

    unit -> sim   "H" unit u32, levels, interpreter text         once, when a pin is first used
                  "S" unit u32, levels                           an output has changed
                  "O" unit u32, levels, all levels u32           an output above pin 7 has changed
                  "E" unit u32, levels, serial u8                an order has been carried out, its interrupt has run
                  "W" unit u32, levels, ms u32                   the watchdog bites unless it is fed within this time
                  "D" unit u32, levels, ms u32, pin u8, level u8, high u8, held u32, levels u32, memory
                                                                 deep sleep begins, for so long (0 for ever), until the
                                                                 pin (255 for none) has this level, or the other is high
    sim -> unit   "P" serial u8, pin u8, level u8                an input's level
                  "A" serial u8, channel u8, raw u16             what a converter sees
                  "R" serial u8, advertisement                   a pendant is heard

What the world does to a board lasts while its processor restarts: `LIVLINA_INPUTS` ("pin=level,...") and `LIVLINA_ADC`
("channel=raw,...") say how it finds the wires at power-up, `LIVLINA_HELD` ("mask,levels") which outputs deep sleep has
kept as they were, `LIVLINA_RTC` (hex) what its memory has kept. `LIVLINA_FLASH` names an image that is its flash.

Nothing polls: one asyncio task sleeps in the kernel until a datagram comes, so an idle board costs no time at all.
"""

import asyncio
import os
import select
import socket
import struct
import sys

LONGEST = 64
NO_PIN = 255
FULL_SCALE_UV = 3300000
LINK = 20
"""The wire that stands for network.py's access point or cable: high while it takes the unit. No pin of the board."""
TEMPERATURE = 31
"""The channel of the chip's own sensor; raw is in kelvins."""
_VISIBLE = 0xFF
# A battery at 3.9 V behind a divider of two, a supply at 5 V behind one of two, a chip at 20 degrees C.
_RAW = {0: 38726, 1: 49647, TEMPERATURE: 293}


def _pairs(name: str) -> "dict[int, int]":
    found = {}
    for pair in (os.getenv(name) or "").split(","):
        if pair:
            number, value = pair.split("=")
            found[int(number)] = int(value)
    return found


class Board:
    """The one board that this process is."""

    def __init__(self) -> None:
        self.unit = int(os.getenv("LIVLINA_UNIT") or "0")
        self.levels = 0
        self.inputs = _pairs("LIVLINA_INPUTS")
        """Levels that the world gives to inputs, by pin."""
        self.raw = dict(_RAW)
        self.raw.update(_pairs("LIVLINA_ADC"))
        held = (os.getenv("LIVLINA_HELD") or "0,0").split(",")
        self.held = int(held[0])
        self.levels = int(held[1]) & self.held
        text = os.getenv("LIVLINA_RTC") or ""
        self.memory = bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])
        self.pins = {}
        """Pins with a handler for the world's edges, by number."""
        self.radio = None
        """What hears pendants: called with the bytes of an advertisement."""
        self._socket = None
        self._dirty = None
        self._told = self.levels

    def set(self, number: int, level: int) -> bool:
        """Put a level on a pin; whether that has changed anything. A held output stays as it is."""
        before = self.levels
        if not self.held >> number & 1:
            self.levels = before | 1 << number if level else before & ~(1 << number)
        return self.levels != before

    def connect(self) -> None:
        """Greet the sim, if there is one and it has not been greeted."""
        address = os.getenv("LIVLINA_BOARD")
        if self._socket is not None or not address:
            return
        family = struct.pack("@H", socket.AF_UNIX)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # Binding to the bare family gives an address of its own (Linux), so that the sim can answer.
        self._socket.bind(family)
        self._socket.connect(family + b"\x00" + address.encode())
        version = sys.implementation.version
        text = "MicroPython " + ".".join([str(part) for part in version[:3]]) + " (" + sys.version + ")"
        self.tell(b"H", text.encode())
        self._dirty = asyncio.Event()
        asyncio.create_task(self._listen())
        asyncio.create_task(self._report())

    def tell(self, kind: bytes, rest: bytes = b"") -> None:
        """One datagram; nothing if there is no sim."""
        if self._socket is not None:
            self._socket.send(kind + struct.pack(">IB", self.unit, self.levels & _VISIBLE) + rest)

    def changed(self) -> None:
        """An output has another level."""
        if self._dirty is not None:
            self._dirty.set()

    async def _report(self) -> None:
        # What the firmware sets in one go is seen in one go: no eye sees the microseconds between two pins.
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            self.report()

    def report(self) -> None:
        """Tell the outputs' levels now."""
        changed = self._told ^ self.levels
        self._told = self.levels
        self.tell(b"S")
        if changed & ~_VISIBLE:
            self.tell(b"O", struct.pack(">I", self.levels))

    async def _listen(self) -> None:
        while True:
            await _readable(self._socket)
            self.obey(self._socket.recv(LONGEST))

    def obey(self, order: bytes) -> None:
        """The world does something to the board."""
        kind = order[:1]
        if kind == b"P" and len(order) == 4:
            self.edge(order[2], order[3])
        elif kind == b"A" and len(order) == 5:
            self.raw[order[2]] = order[3] << 8 | order[4]
        elif kind == b"R" and self.radio is not None:
            self.radio(order[2:])
        self.tell(b"E", order[1:2])

    def edge(self, number: int, level: int) -> None:
        """The wire of an input has this level now."""
        self.inputs[number] = level
        self.set(number, level)
        pin = self.pins.get(number)
        if pin is not None:
            pin.interrupt(level)

    def wait(self, ms: int) -> None:
        """Stand still for so long, or until the world does something."""
        poller = select.poll()
        if self._socket is not None:
            poller.register(self._socket, select.POLLIN)
        poller.poll(ms if ms else -1)


def _readable(sock: "socket.socket"):
    yield asyncio.core._io_queue.queue_read(sock)


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

BOARD = Board()

if os.getenv("LIVLINA_FLASH"):
    import flash_image  # noqa: F401 - the import puts the flash in place, before anything is read from it
