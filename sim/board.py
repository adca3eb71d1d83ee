"""One simulated board as the world sees it: what is wired to its inputs, what its outputs show, whether it sleeps.

The other end of sim/shims/board_wires.py, where the datagrams are described. What the world does to a board (levels of
inputs, voltages) lasts while its processor restarts. Knows no process: sim/units.py starts and ends those.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sim.lamp import LampReader
from sim.shims.board import ADCS, PINS

BUTTON = PINS["button"]
FULL_SCALE_MV = 3300
"""Of a converter whose raw value is 65535: sim/shims/board_wires.py."""
TEMPERATURE = 31
KELVIN = 273
COMPANY = 0xFFFF
"""Bluetooth's number for tests."""
HEADER = struct.Struct(">IB")
_SLEEP = struct.Struct(">IBBBII")
_NO_PIN = 255

CAUSE_POWER, CAUSE_RESET, CAUSE_WATCHDOG, CAUSE_DEEP_SLEEP = 1, 2, 3, 4
WAKE_PIN, WAKE_HIGH, WAKE_TIMER = 2, 3, 4


@dataclass(frozen=True)
class Sleep:
    """A deep sleep as the board has announced it: for `ms` (0 for ever), until `pin` (None) has `level`, or until
    `high` (None) is high."""

    ms: int
    pin: int | None
    level: int
    high: int | None
    held: tuple[int, int]
    memory: bytes


@dataclass(eq=False)
class Board:
    """State of one board. `levels` are its outputs as last told; `inputs` and `raw` what the world has put there."""

    unit: int
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    pid: int | None = None
    wanted: bool = False
    resets: int = 0
    failed: str | None = None
    address: bytes | None = None
    levels: int = 0
    inputs: dict[int, int] = field(default_factory=dict)
    raw: dict[int, int] = field(default_factory=dict)
    sleep: Sleep | None = None
    asleep: bool = False
    woken_by: int = 0
    bite_at: float | None = None
    bitten: bool = False
    biter: asyncio.TimerHandle | None = None
    rested: float = 0.0
    serial: int = 0
    edges: dict[int, asyncio.Future[None]] = field(default_factory=dict)
    lamp: LampReader | None = None
    given: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))

    def __post_init__(self) -> None:
        self.present = asyncio.Event()
        self.gone = asyncio.Event()
        self.gone.set()
        self.roused = asyncio.Event()
        self.finger = asyncio.Lock()

    def environment(self, cause: int) -> dict[str, str]:
        """How the processor finds its wires when it is powered up for this cause."""
        self.given = (dict(self.inputs), dict(self.raw))
        made = {
            "LIVLINA_RESET_CAUSE": str(cause),
            "LIVLINA_INPUTS": ",".join(f"{pin}={level}" for pin, level in self.inputs.items()),
            "LIVLINA_ADC": ",".join(f"{channel}={raw}" for channel, raw in self.raw.items()),
        }
        if cause == CAUSE_DEEP_SLEEP and self.sleep is not None:
            mask, levels = self.sleep.held
            made["LIVLINA_HELD"] = f"{mask},{levels}"
            made["LIVLINA_RTC"] = self.sleep.memory.hex()
            made["LIVLINA_WAKE_REASON"] = str(self.woken_by or self._at_level() or WAKE_TIMER)
        return {**made, **self.env}

    def missed(self) -> list[bytes]:
        """Orders for what the world has done between power-up and the board's first word, without their serials."""
        inputs, raw = self.given
        orders = [pin_order(pin, level) for pin, level in self.inputs.items() if inputs.get(pin) != level]
        return orders + [adc_order(channel, value) for channel, value in self.raw.items() if raw.get(channel) != value]

    def _at_level(self) -> int:
        """The reason (WAKE_*) for which a pin would end the sleep now; 0 for none."""
        sleep = self.sleep
        if sleep is not None and sleep.pin is not None and self.inputs.get(sleep.pin, 1) == sleep.level:
            return WAKE_PIN
        return WAKE_HIGH if sleep is not None and sleep.high is not None and self.inputs.get(sleep.high, 1) else 0

    def at_wake_level(self) -> bool:
        """Whether a pin that is to end the sleep has its level now, or has had it since the sleep began."""
        return self.roused.is_set() or self._at_level() > 0

    def put(self, pin: int, level: int) -> None:
        """The world puts a level on an input; that may end a sleep."""
        self.inputs[pin] = level
        if self.asleep and self._at_level():
            self.woken_by = self.woken_by or self._at_level()
            self.roused.set()

    def announce(self, data: bytes) -> None:
        """The board says that it goes to sleep, and how."""
        ms, pin, level, high, mask, levels = _SLEEP.unpack_from(data)
        self.woken_by = 0
        held, memory = (mask, levels), data[_SLEEP.size :]
        self.sleep = Sleep(
            ms, None if pin == _NO_PIN else pin, level, None if high == _NO_PIN else high, held, memory
        )  # fmt: skip

    def fed(self, ms: int) -> None:
        """The watchdog bites at this time, unless it is fed again."""
        self.bite_at = time.monotonic() + ms / 1000

    def watch(self, bite: Callable[[Board], None]) -> None:
        """Call `bite` when the watchdog has not been fed in time."""
        if self.biter is None and self.bite_at is not None:
            self.biter = asyncio.get_running_loop().call_later(
                max(0.0, self.bite_at - time.monotonic()), self._look, bite
            )

    def _look(self, bite: Callable[[Board], None]) -> None:
        self.biter = None
        bite(self)

    def release(self) -> None:
        """The processor is gone: nobody waits for its watchdog, nobody sees its lamp."""
        self.pid = None
        self.address = None
        self.bite_at = None
        if self.biter is not None:
            self.biter.cancel()
            self.biter = None
        self.dark()

    def dark(self) -> None:
        """Nobody reads this lamp any more."""
        if self.lamp is not None:
            self.lamp.close()
            self.lamp = None

    def break_edges(self, error: Exception) -> None:
        """Whoever waits for the board to notice something waits in vain."""
        for edge in self.edges.values():
            if not edge.done():
                edge.set_exception(error)
        self.edges.clear()


def pin_order(pin: int, level: int) -> bytes:
    """An input has this level now."""
    return b"P" + bytes((0, pin, level))


def adc_order(channel: int, raw: int) -> bytes:
    """A converter sees this now."""
    return b"A" + bytes((0, channel)) + raw.to_bytes(2, "big")


def radio_order(advertisement: bytes) -> bytes:
    """A pendant is in the air."""
    return b"R" + bytes((0,)) + advertisement


def advertisement(frame: bytes) -> bytes:
    """The advertisement that carries a pendant's frame, as firmware/ports/ble.py says."""
    return b"\x02\x01\x06" + bytes((len(frame) + 3, 0xFF)) + COMPANY.to_bytes(2, "little") + frame


def channel(name: str) -> int:
    """The converter of this name. Raises KeyError."""
    return TEMPERATURE if name == "temperature" else ADCS[name][0]


def raw_of(name: str, value: int) -> int:
    """What the converter sees at so many mV before the board's divider (or degrees C, for `temperature`)."""
    if name == "temperature":
        return value + KELVIN
    _, multiply, divide = ADCS[name]
    return min(0xFFFF, max(0, round(value * divide / multiply * 0xFFFF / FULL_SCALE_MV)))
