"""The hub's short-range radio: what its pendants advertise, as the frames of core.pendants.

Passive and one way: pendants advertise, the hub listens for `WINDOW_US` of every `INTERVAL_US` and answers nobody. It
never judges a frame: it only passes on what has a pendant's length and place. A pendant repeats a frame for several
seconds, so that a window of 20 % finds it; what of it cannot be kept at once is heard again.

The advertisement (Bluetooth Core 5.4, vol 3, part C, 11): one structure of type 0xFF (manufacturer specific data) whose
company is `COMPANY`, little endian, followed by the frame. `COMPANY` is Bluetooth's number for tests; a maker of
pendants puts its own here.
"""

import asyncio

import bluetooth

from firmware.core.pendants import LENGTH
from firmware.ports.console import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

COMPANY = 0xFFFF
MANUFACTURER = 0xFF
INTERVAL_US = 100000
WINDOW_US = 20000
RING = 8
"""Frames kept between two looks; of more than these the latest count."""
_SCAN_RESULT = 5
_SCAN_DONE = 6


class PendantRadio:
    """`on_frame(frame)` is called, from the task of `run`, with 19 bytes, `on_failure()` when the radio does not start.
    Attributes: `heard` (frames so far), `failures` (of the radio), `up` (whether it listens); `alive`, called at every
    turn of `run` if it is set."""

    again_ms = 10000

    def __init__(self, on_frame: "Callable[[bytes], None]", on_failure: "Callable[[], None] | None" = None) -> None:
        self.alive: "Callable[[], None] | None" = None
        self._on_frame = on_frame
        self._on_failure = on_failure
        self._flag = asyncio.ThreadSafeFlag()
        self._frames = [bytearray(LENGTH) for _ in range(RING)]
        self._written = 0
        self._read = 0
        self.heard = 0
        self.failures = 0
        self.up = False
        self._ble = bluetooth.BLE()

    def pending(self) -> bool:
        """Whether there are frames that nobody has taken."""
        return self._read < self._written

    def _interrupt(self, event: int, data: "tuple[Any, ...]") -> None:
        if event == _SCAN_RESULT:
            self._take(data[4])
        elif event == _SCAN_DONE:
            self.up = False
            self._flag.set()

    def _take(self, data: "Any") -> None:
        """Look for a frame in an advertisement, byte by byte: here nothing is allocated, and `data` is gone soon."""
        at = 0
        end = len(data)
        while at + 1 < end:
            length = data[at]
            if length == 0 or at + 1 + length > end:
                return
            if (
                length == LENGTH + 3
                and data[at + 1] == MANUFACTURER
                and data[at + 2] == COMPANY & 0xFF
                and data[at + 3] == COMPANY >> 8
            ):
                frame = self._frames[self._written % RING]
                for i in range(LENGTH):
                    frame[i] = data[at + 4 + i]
                self._written += 1
                self._flag.set()
            at += 1 + length

    def _start(self) -> None:
        try:
            self._ble.active(True)
            self._ble.irq(self._interrupt)
            self._ble.gap_scan(0, INTERVAL_US, WINDOW_US, False)
            self.up = True
        except OSError as error:
            self.failures += 1
            say("pendants' radio:", error)
            if self._on_failure is not None:
                self._on_failure()

    def _hand_over(self) -> None:
        while self._read < self._written:
            self._read = max(self._read, self._written - RING)
            frame = bytes(self._frames[self._read % RING])
            self._read += 1
            self.heard += 1
            self._on_frame(frame)

    async def run(self) -> None:
        """Listen for ever; a radio that stops is started again."""
        while True:
            if self.alive is not None:
                self.alive()
            if not self.up:
                self._start()
            try:
                await asyncio.wait_for_ms(self._flag.wait(), self.again_ms)
            except asyncio.TimeoutError:
                # Nothing was heard; if the radio would not start, it is tried again.
                pass
            self._hand_over()
