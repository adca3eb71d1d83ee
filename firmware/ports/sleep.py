"""Deep sleep of the board: what ends it, what stays on meanwhile, and what is known again afterwards.

`core.rest` decides when and how long. After deep sleep the processor starts as after a reset, and only this file knows
better: whether the button woke it, how long it slept, and what was remembered.

Memory is the processor's own (2 kB, kept in deep sleep, gone with the power): CBOR {1: unix s at the start of the
sleep, 2: planned ms, 3: levels of held outputs by their place in `HELD`, 4: what the caller remembers}. What does not
decode is nothing.
"""

import machine
from board import PINS

from protocols.wire import cbor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

HELD = ("modem_power", "modem_mux")
"""Outputs that keep their level: a modem whose supply went would be no modem in power saving mode."""
LONGEST_MS = 43200000
LARGEST = 2048
_SINCE, _PLANNED, _LEVELS, _MEMORY = 1, 2, 3, 4


class Sleep:
    """Made once, before any other pin. `wall()` gives the board's own clock (unix s), which runs on in deep sleep.

    Attributes: `woken` (whether this start ended a deep sleep), `slept` (ms, 0 if not), `memory` (what the caller
    remembered, or None).
    """

    def __init__(self, wall: "Callable[[], int]") -> None:
        self._wall = wall
        self.woken = machine.reset_cause() == machine.DEEPSLEEP_RESET
        kept = self._recall() if self.woken else {}
        self.memory = kept.get(_MEMORY)
        self.slept = self._duration(kept)
        self._levels = kept.get(_LEVELS, {})
        self._outputs: "dict[str, machine.Pin]" = {}
        # What is in there now is old.
        machine.RTC().memory(b"")

    def _recall(self) -> "dict[Any, Any]":
        data = bytes(machine.RTC().memory())
        try:
            kept = cbor.decode(data)
        except cbor.CborError:
            return {}
        return kept if isinstance(kept, dict) else {}

    def _duration(self, kept: "dict[Any, Any]") -> int:
        planned = kept.get(_PLANNED, 0)
        if not self.woken or self.woken_by_button():
            # Somewhere before its end; the wall clock may have been set meanwhile.
            return min(max(self._wall() - kept.get(_SINCE, self._wall()), 0) * 1000, planned)
        return planned

    def woken_by_button(self) -> bool:
        """Whether the button has ended the sleep: that is a press, however short, though its contact may be open."""
        return self.woken and machine.wake_reason() == machine.EXT0_WAKE

    def output(self, name: str) -> "machine.Pin | None":
        """An output of `HELD` as a pin, with the level that it has had in the sleep; low after any other start."""
        if name not in PINS:
            return None
        level = self._levels.get(HELD.index(name), 0)
        self._outputs[name] = machine.Pin(PINS[name], machine.Pin.OUT, value=level, hold=False)
        return self._outputs[name]

    def off(self, name: str) -> None:
        """Take away what an output of `HELD` supplies."""
        if name in self._outputs:
            self._outputs[name].value(0)

    def begin(self, ms: int, memory: "Any" = None) -> bool:
        """Sleep for so long, or until the button is pressed, or until who does not wear the unit now puts it on. Does
        not return if it can: then the processor starts over.

        Gives False, having changed nothing, while the button is closed: it would wake the board at once.
        """
        button = machine.Pin(PINS["button"], machine.Pin.IN, machine.Pin.PULL_UP)
        if not button.value():
            return False
        import esp32

        kept = {
            _SINCE: self._wall(),
            _PLANNED: min(ms, LONGEST_MS),
            _LEVELS: {HELD.index(name): pin.value() for name, pin in self._outputs.items()},
            _MEMORY: memory,
        }
        data = cbor.encode(kept)
        if len(data) > LARGEST:
            raise ValueError("more is to be remembered than the processor keeps")
        machine.RTC().memory(data)
        for pin in self._outputs.values():
            pin.init(hold=True)
        esp32.gpio_deep_sleep_hold(True)
        esp32.wake_on_ext0(button, esp32.WAKEUP_ALL_LOW)
        worn = machine.Pin(PINS["worn"], machine.Pin.IN, machine.Pin.PULL_UP) if "worn" in PINS else None
        if worn is not None and not worn.value():
            esp32.wake_on_ext1((worn,), esp32.WAKEUP_ANY_HIGH)
        machine.deepsleep(min(ms, LONGEST_MS))
        return True
