"""The modem's end of the UART: what goes out, in which pieces, and what is held back."""

from __future__ import annotations

from collections.abc import Callable

from sim.modem.clock import Clock
from sim.modem.scenario import Serial


class Output:
    """Bytes on their way to the unit. With `chunk` 0 everything that is said at one moment goes out merged.

    `mute` throws away what is said (a modem that hangs); `hold` keeps it until `release` (one that is busy)."""

    def __init__(self, settings: Serial, clock: Clock, write: Callable[[bytes], None]) -> None:
        self.mute = False
        self._settings = settings
        self._clock = clock
        self._write = write
        self._waiting = b""
        self._running = False
        self._held = False

    def put(self, data: bytes) -> None:
        if not self.mute:
            self._waiting += data
            self._start()

    def clear(self) -> None:
        """The power is gone."""
        self._waiting = b""
        self._held = False

    def hold(self) -> None:
        self._held = True

    def release(self) -> None:
        self._held = False
        self._start()

    def _start(self) -> None:
        if not self._running and not self._held:
            self._running = True
            self._clock.call_later(0, self._out)

    def _out(self) -> None:
        self._running = False
        if self._held or not self._waiting:
            return
        size = self._settings.chunk or len(self._waiting)
        part, self._waiting = self._waiting[:size], self._waiting[size:]
        self._write(part)
        if self._waiting:
            self._running = True
            self._clock.call_later(self._settings.gap_ms / 1000, self._out)
