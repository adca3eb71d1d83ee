"""The processor's pins, converters, UART, sleep, watchdog and resets, in place of `machine`, which the unix port of
MicroPython lacks. Names and arguments are those of the ESP32 port, as far as the firmware uses them.

The other end of every wire is the sim: board_wires.py says how. A reset or a deep sleep ends the process with a status
of its own, and the sim powers it up again with `LIVLINA_RESET_CAUSE` and `LIVLINA_WAKE_REASON`. A watchdog that is not
fed is bitten by the sim with SIGKILL, since a firmware that hangs cannot do it; `LIVLINA_WDT=off` cuts its tooth, for
runs on a clock that is not the world's. `LIVLINA_MODEM_TTY` is the modem's end of the UART.
"""

import os
import struct
import time

from board_wires import BOARD, FULL_SCALE_UV

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

PIN_WAKE = 2
EXT0_WAKE = 2
EXT1_WAKE = 3
TIMER_WAKE = 4

EXIT_RESET = 75
"""The process ends with this when the firmware resets the board; the sim then powers it up again."""
EXIT_DEEP_SLEEP = 76
"""The process ends with this when the firmware puts the board into deep sleep."""

_set = BOARD.set


def reset() -> None:
    """The board starts over, which here means that the process ends."""
    raise SystemExit(EXIT_RESET)


def reset_cause() -> int:
    cause = os.getenv("LIVLINA_RESET_CAUSE")
    return int(cause) if cause else PWRON_RESET


def wake_reason() -> int:
    """What ended a deep sleep; 0 after any other start."""
    reason = os.getenv("LIVLINA_WAKE_REASON")
    return int(reason) if reason else 0


def unique_id() -> bytes:
    return struct.pack(">I", BOARD.unit)


def deepsleep(time_ms: int = 0) -> None:
    """Everything stops but the clock and what `esp32` has been told to watch; the next start is a reset."""
    import esp32

    pin, level = esp32._wake
    keep = BOARD.held if esp32._hold else 0
    wake = struct.pack(">IBBBII", time_ms, pin, level, esp32._high, keep, BOARD.levels & keep)
    BOARD.tell(b"D", wake + BOARD.memory)
    raise SystemExit(EXIT_DEEP_SLEEP)


def lightsleep(time_ms: int = 0) -> None:
    """Stand still for so long, or until something happens to the board; then go on."""
    BOARD.wait(time_ms)


class RTC:
    """`memory` survives deep sleep and no other end."""

    def memory(self, data: "bytes | None" = None) -> "bytes | None":
        if data is None:
            return BOARD.memory
        if len(data) > 2048:
            raise ValueError("buffer too long")
        BOARD.memory = bytes(data)
        return None


class Pin:
    """One pin. Inputs are pulled up: nobody presses."""

    IN = 0
    OUT = 1
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    _handler = None
    _trigger = 0
    _mode = IN

    def __init__(
        self,
        number: int,
        mode: int = IN,
        pull: "int | None" = None,
        value: "int | None" = None,
        hold: "bool | None" = None,
    ) -> None:
        # What is as it was for every pin costs an object nothing: a board's own takes two words.
        self.number = number
        if mode != self.IN:
            self._mode = mode
        BOARD.connect()
        if mode == self.OUT:
            self.init(value=value, hold=hold)
        else:
            pulled = value if value is not None else (1 if pull == self.PULL_UP else 0)
            BOARD.set(number, BOARD.inputs.get(number, pulled))

    def init(
        self,
        mode: "int | None" = None,
        pull: "int | None" = None,
        value: "int | None" = None,
        hold: "bool | None" = None,
    ) -> None:
        """As on the ESP32: the value first, then the hold, so that letting go of a held pin makes no glitch."""
        if mode is not None:
            self._mode = mode
        bit = 1 << self.number
        if hold is not None:
            BOARD.held &= ~bit
        if value is not None and BOARD.set(self.number, value):
            BOARD.changed()
        if hold:
            BOARD.held |= bit

    def value(self, level: "int | None" = None) -> "int | None":
        if level is None:
            return BOARD.levels >> self.number & 1
        if self._mode == self.OUT and BOARD.set(self.number, level):
            BOARD.changed()
        return None

    def irq(self, handler=None, trigger: int = IRQ_FALLING | IRQ_RISING) -> None:
        self._handler = handler
        self._trigger = trigger
        # One handler a pin, whatever objects there are of it.
        BOARD.pins[self.number] = self

    def interrupt(self, level: int) -> None:
        """The wire has changed from outside."""
        if self._handler is not None and self._trigger & (self.IRQ_RISING if level else self.IRQ_FALLING):
            self._handler(self)


class PWM:
    """A tone on a pin, which the wires show as a level: high while there is one."""

    def __init__(self, pin: Pin, freq: int = 0, duty_u16: int = 0) -> None:
        self._pin = pin
        self.duty_u16(duty_u16)

    def duty_u16(self, duty: int) -> None:
        self._pin.value(1 if duty else 0)


class ADC:
    """One converter. `read_uv` is calibrated, as the ESP32's is."""

    ATTN_11DB = 3

    def __init__(self, channel: int, atten: "int | None" = None) -> None:
        self._channel = channel

    def read_u16(self) -> int:
        return BOARD.raw.get(self._channel, 0)

    def read_uv(self) -> int:
        return BOARD.raw.get(self._channel, 0) * FULL_SCALE_UV // 65535


class UART:
    """`UART(n, ...)` is the stream of the modem's pseudo-terminal itself, so that nothing needs to be polled."""

    RTS = 1
    CTS = 2

    def __new__(cls, number: int, *arguments, **settings):
        path = os.getenv("LIVLINA_MODEM_TTY")
        if not path:
            raise OSError(19)  # ENODEV: no modem is fitted
        return open(path, "r+b")


class WDT:
    """The watchdog: the sim ends the process when it has not been fed for `timeout` ms.

    The sim is told only now and then, with a tenth of the time to spare: it never bites early, and up to a tenth late.
    """

    def __init__(self, timeout: int = 5000) -> None:
        self.timeout = timeout
        self._off = os.getenv("LIVLINA_WDT") == "off"
        self._told = None
        BOARD.connect()
        self.feed()

    def feed(self) -> None:
        now = time.ticks_ms()
        if self._off or (self._told is not None and time.ticks_diff(now, self._told) < self.timeout // 10):
            return
        self._told = now
        BOARD.tell(b"W", struct.pack(">I", self.timeout + self.timeout // 10))
