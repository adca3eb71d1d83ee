"""The unit's contacts, lamp, vibration motor and speaker, through machine.Pin and machine.PWM.

`board.PINS` names them: `button` (one contact to ground, input 0), `led_red`, `led_green`, `led_blue`, `vibration`, and
`speaker` where the board has one. The board's file is generated from hardware/. Decides nothing: what an edge means is
`core.press`, what a lamp shows is `core.stages`.
"""

import asyncio
import time

import machine
from board import PINS

from firmware.core.stages import BLUE, GREEN, RED, SPEAKER, VIBRATION
from firmware.ports.latch import RING, take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_OUTPUTS = (("led_red", RED), ("led_green", GREEN), ("led_blue", BLUE), ("vibration", VIBRATION))


TONE_HZ = 2700
"""Where small piezo sounders are loudest (unconfirmed: the part decides)."""
_HALF = 32768


class Contact:
    """The button: its edges with the time of the interrupt (`ports.latch`).

    A contact that was closed when the board started had been so for `before` ms at least; it may be open again before
    anybody looks. Attribute: `began`, whether it has been closed since the board started."""

    def __init__(self, before: int = 0) -> None:
        latch = self._latch = take("button")
        self._flag = latch.flag = asyncio.ThreadSafeFlag()
        self._pin = latch.pin
        self._read = 0
        self._last = False
        self.began = latch.written > 0
        if self.began:
            latch.ticks[0] = time.ticks_add(latch.ticks[0], -before)
        self._flag.set()

    async def wait(self) -> None:
        """Until there are edges to take."""
        await self._flag.wait()

    def pending(self) -> bool:
        """Whether there are edges that nobody has taken."""
        return self._read < self._latch.written

    def closed(self) -> bool:
        """Whether it is closed at this moment."""
        return not self._pin.value()

    def drain(self, handler: "Callable[[bool, int], None]") -> None:
        """Hand over the edges since the last call as (closed, ticks_ms), oldest first, ending with the present level.
        Allocates nothing, and an edge counts as handed over before the handler has it."""
        latch = self._latch
        while self._read < latch.written:
            # Looked at each time: the interrupt may go on writing meanwhile.
            self._read = max(self._read, latch.written - RING)
            at = self._read % RING
            self._read += 1
            self._last = bool(latch.closed[at])
            handler(self._last, latch.ticks[at])
        closed = not self._pin.value()
        if closed != self._last:
            self._last = closed
            handler(closed, time.ticks_ms())


class Outputs:
    """Lamp, vibration motor and speaker. Every pin is low until the first `show`. `sounds`: the stages that sound."""

    def __init__(self, sounds: int) -> None:
        self.sounds = sounds if "speaker" in PINS else 0
        self._pins = [(machine.Pin(PINS[name], machine.Pin.OUT, value=0), bit) for name, bit in _OUTPUTS]
        self._tone = None
        if self.sounds:
            pin = machine.Pin(PINS["speaker"], machine.Pin.OUT, value=0)
            self._tone = machine.PWM(pin, freq=TONE_HZ, duty_u16=0)
        self._bits = 0

    def show(self, bits: int) -> None:
        """Set the pins to these bits of core.stages. Allocates nothing."""
        for pin, bit in self._pins:
            if (bits ^ self._bits) & bit:
                pin.value(1 if bits & bit else 0)
        if self._tone is not None and (bits ^ self._bits) & SPEAKER:
            self._tone.duty_u16(_HALF if bits & SPEAKER else 0)
        self._bits = bits
