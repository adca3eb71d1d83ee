"""The wires to the modem: its UART as a stream, and the pins that only the board has.

A UART is any stream that asyncio can wait for: `machine.UART` on a board (with `txbuf` for a whole datagram), a raw
pseudo-terminal in the sim. Nothing polls: reading waits for the driver's own signal.
"""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import machine

CHUNK = 256
SHORT = 32
"""The same after a read that found no memory: small pieces are there when large ones are not, and without them a line
that has something to say would be looked at for ever."""
GONE_MS = 500
"""A stream that says that it has ended (an unplugged line) is looked at so often."""


class Uart:
    """Attributes: `read_bytes`, `written_bytes`, `ended` (how often the stream said that it has ended)."""

    def __init__(self, stream: "Any") -> None:
        self._reader = asyncio.StreamReader(stream)
        self._writer = asyncio.StreamWriter(stream, {})
        self._more = asyncio.Event()
        self._flusher = None
        self._size = CHUNK
        self.read_bytes = 0
        self.written_bytes = 0
        self.ended = 0

    async def read(self) -> bytes:
        """What the modem has said, at least one byte. Raises MemoryError; the next call needs less."""
        while True:
            size, self._size = self._size, SHORT
            data = await self._reader.read(size)
            self._size = CHUNK
            if data:
                self.read_bytes += len(data)
                return data
            self.ended += 1
            await asyncio.sleep_ms(GONE_MS)

    def write(self, data: bytes) -> None:
        """Say something; what does not fit at once follows."""
        self.written_bytes += len(data)
        self._writer.write(data)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())
        self._more.set()

    async def _flush(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            await self._writer.drain()


class Wires:
    """`power`, `key`, `mux` are output pins, or None where the board has none: supply on, key pressed, card 1."""

    def __init__(
        self,
        power: "machine.Pin | None" = None,
        key: "machine.Pin | None" = None,
        mux: "machine.Pin | None" = None,
    ) -> None:
        self._power = power
        self._key = key
        self._mux = mux

    async def carry_out(self, what: str, value: int) -> None:
        """One order of firmware.modem.steps.Board. A wire that is not there is left alone."""
        if what == "power" and self._power is not None:
            self._power.value(value)
        elif what == "sim" and self._mux is not None:
            self._mux.value(value)
        elif what == "power_key" and self._key is not None:
            self._key.value(1)
            await asyncio.sleep_ms(value)
            self._key.value(0)
