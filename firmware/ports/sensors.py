"""What the unit feels besides its button: mains, charging, worn, further contacts, voltages and its temperature.

`board.PINS` names the inputs: `mains` (high while there is mains), `charging` (low while the charger charges), `worn`
(high while the unit is worn), `man_down`, `duress` and `cancel` (contacts to ground). `board.ADCS` names the converters
`battery` and `supply` as (channel, multiply, divide): mV before the board's divider = mV at the pin * multiply //
divide. What the board or the profile does not have is absent, and is never told of.

Levels are told once they have been quiet for `SETTLE_MS`, first as they are at the start and then at every change.
Contacts are told at once, edge by edge with the ticks of their interrupt: `core.press` debounces them. Nothing is
allocated in an interrupt, and an edge is forgotten only after the handler has returned.
"""

import asyncio
import gc
import time

import machine
from board import ADCS, PINS

from firmware.core import charge, profiles
from firmware.ports.console import say
from firmware.ports.latch import SHORT, take
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SETTLE_MS = {"mains": 2000, "charging": 2000, "worn": 10000}
"""A flicker of mains is no loss, a plug makes contact several times, and a strap moves with its wearer."""
SAMPLES = 7
"""Readings of a voltage, the median of which counts: a modem that sends makes the battery dip."""
LONGEST_MS = 60000


class _Level:
    """One input with a state. `on` is what it means, told or not."""

    def __init__(self, name: str, word: str, meaning: int, flag: "asyncio.ThreadSafeFlag") -> None:
        self.word = word
        self.told: "bool | None" = None
        self._settle = SETTLE_MS[name]
        self._meaning = meaning
        self._flag = flag
        self._since = time.ticks_ms()
        self._pin = machine.Pin(PINS[name], machine.Pin.IN, machine.Pin.PULL_UP)
        self._pin.irq(self._interrupt, machine.Pin.IRQ_FALLING | machine.Pin.IRQ_RISING)

    def _interrupt(self, pin: "machine.Pin") -> None:
        self._since = time.ticks_ms()
        self._flag.set()

    def on(self) -> bool:
        """Whether it is so at this moment."""
        return self._pin.value() == self._meaning

    def left(self, now: int) -> int:
        """For how many ms more it must be quiet before it can be told; 0 if there is something to tell, -1 if not."""
        if self.on() == self.told:
            return -1
        return max(0, self._settle - time.ticks_diff(now, self._since))


class _Contact:
    """One further contact."""

    def __init__(self, name: str, code: int, flag: "asyncio.ThreadSafeFlag") -> None:
        self.code = code
        self._latch = take(name)
        self._latch.flag = flag
        self._pin = self._latch.pin
        self._read = 0
        self._last = False

    def pending(self) -> bool:
        """Whether there are edges that nobody has taken."""
        return self._read < self._latch.written

    def drain(self, handler: "Callable[[int, bool, int], None]") -> None:
        """Hand over what waits as (code, closed, ticks), oldest first, ending with the present level. Allocates
        nothing."""
        latch = self._latch
        while self._read < latch.written:
            # Looked at each time: the interrupt may go on writing meanwhile.
            self._read = max(self._read, latch.written - SHORT)
            at = self._read % SHORT
            closed = bool(latch.closed[at])
            handler(self.code, closed, latch.ticks[at])
            self._last = closed
            self._read += 1
        closed = not self._pin.value()
        if closed != self._last:
            handler(self.code, closed, time.ticks_ms())
            self._last = closed


class Sensors:
    """`on_event(event)` is called, from the task of `run`, with ("mains", lost), ("charging", on), ("worn", on), and
    `on_edge(code, closed, ticks)` for every edge of a contact. Attributes: `starved`, how often one of them had to wait
    for memory; `alive`, called at every turn of `run` if it is set."""

    def __init__(
        self,
        profile: "profiles.Profile",
        on_event: "Callable[[tuple[Any, ...]], None]",
        on_edge: "Callable[[int, bool, int], None]",
    ) -> None:
        self.alive: "Callable[[], None] | None" = None
        self._on_event = on_event
        self._on_edge = on_edge
        self._chemistry = profile.battery[2]
        self._flag = asyncio.ThreadSafeFlag()
        self.starved = 0
        codes = [row[0] for row in profile.inputs]
        self._contacts = [
            _Contact(name, code, self._flag)
            for name, code in (
                ("man_down", profiles.MAN_DOWN),
                ("duress", profiles.DURESS),
                ("cancel", profiles.CANCEL),
            )
            # What takes a press back is no input of a profile: any press may have a window.
            if name in PINS and (code in codes or (codes and code == profiles.CANCEL))
        ]
        levels = [("charging", "charging", 0)]
        if profile.battery[3]:
            levels.append(("mains", "mains", 0))
        if profiles.MAN_DOWN in codes:
            levels.append(("worn", "worn", 1))
        self._levels = [_Level(name, word, means, self._flag) for name, word, means in levels if name in PINS]
        # Without attenuation an ESP32 reads nothing above 1 V, and every battery would look empty.
        wide = machine.ADC.ATTN_11DB
        self._adcs = {name: machine.ADC(ADCS[name][0], atten=wide) for name in ADCS}
        # A contact that is closed already, and the levels as they are.
        self._flag.set()

    async def run(self) -> None:
        """Tell what changes, for ever."""
        while True:
            if self.alive is not None:
                self.alive()
            try:
                left = self._tell()
            except MemoryError:
                # Nothing is lost: what was not handed over is still there.
                self.starved += 1
                gc.collect()
                left = 100
            try:
                await asyncio.wait_for_ms(self._flag.wait(), left)
            except asyncio.TimeoutError:
                continue

    def _tell(self) -> int:
        """Hand over what there is; in how many ms there may be more without another interrupt."""
        self.drain(self._on_edge)
        longest = LONGEST_MS
        now = time.ticks_ms()
        for level in self._levels:
            left = level.left(now)
            if left == 0:
                on = level.on()
                self._on_event((level.word, on))
                level.told = on
            elif left > 0:
                longest = min(longest, left)
        return longest

    def drain(self, handler: "Callable[[int, bool, int], None]") -> None:
        """Hand over the edges of all contacts, as (code, closed, ticks)."""
        for contact in self._contacts:
            contact.drain(handler)

    def pending(self) -> bool:
        """Whether a contact has something to tell that nobody has heard."""
        return any([contact.pending() for contact in self._contacts])

    def flags(self) -> int:
        """Flags of a heartbeat, as things stand at this moment."""
        made = 0
        for level in self._levels:
            on = level.on()
            if level.word == "mains" and on:
                made |= messages.MAINS_LOST
            elif level.word == "charging" and on:
                made |= messages.CHARGING
            elif level.word == "worn" and not on:
                made |= messages.NOT_WORN
        return made

    def battery(self) -> "int | None":
        """Percent of the battery that is left, by its chemistry's curve; None without a converter."""
        mv = self.battery_mv()
        return None if mv is None else charge.percent(mv, self._chemistry)

    def battery_mv(self) -> "int | None":
        """The battery's voltage in mV."""
        return self._mv("battery")

    def supply_mv(self) -> "int | None":
        """The voltage of what feeds the board, in mV."""
        return self._mv("supply")

    def _mv(self, name: str) -> "int | None":
        adc = self._adcs.get(name)
        if adc is None:
            return None
        readings = sorted([adc.read_uv() for _ in range(SAMPLES)])
        _, multiply, divide = ADCS[name]
        return readings[SAMPLES // 2] * multiply // divide // 1000

    def temperature(self) -> "int | None":
        """Degrees C of the processor, which is warmer than the room; None where it has no sensor."""
        try:
            from esp32 import mcu_temperature
        except ImportError:
            return None
        try:
            return int(mcu_temperature())
        except (OSError, RuntimeError) as error:
            say("temperature:", error)
            return None
