"""Reads a unit's lamp, and hears its speaker, as its wearer does: never from the unit's memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from firmware.core import stages
from sim.shims.board import PINS

_COLOURS = (("led_red", stages.RED), ("led_green", stages.GREEN), ("led_blue", stages.BLUE))
_BY_COLOUR = {
    stages.RED | stages.GREEN: stages.STORED,
    stages.BLUE: stages.ACCEPTED,
    stages.GREEN: stages.TAKEN,
    stages.RED | stages.BLUE: stages.CANCELLABLE,
}
"""Lights that are known by their colour alone; red needs its rhythm."""
GAP_S = 1.0
"""Dark for longer than this is off; shorter is blinking."""


class Handle(Protocol):
    """What `call_later` gives."""

    def cancel(self) -> None: ...


class LampReader:
    """`call_later` as an asyncio loop's; `on_stage(name, time)` is called at every change of what the lamp says.
    `tones`: (beginning, end) of what the speaker has sounded; `shakes`: the same of the motor."""

    def __init__(self, call_later: Callable[..., Handle], on_stage: Callable[[str, float], None]) -> None:
        self._call_later = call_later
        self._on_stage = on_stage
        self._light = 0
        self._timer: Handle | None = None
        self._stage = stages.OFF
        self.tones: list[tuple[float, float]] = []
        self.shakes: list[tuple[float, float]] = []
        self._since: dict[str, float] = {}

    @property
    def stage(self) -> str:
        """The name of the stage that the lamp shows."""
        return stages.NAMES[self._stage]

    def levels(self, levels: int, at: float) -> None:
        """The board's pins have these levels (bit n is pin n)."""
        for name, heard in (("speaker", self.tones), ("vibration", self.shakes)):
            if levels >> PINS[name] & 1:
                self._since.setdefault(name, at)
            elif name in self._since:
                heard.append((self._since.pop(name), at))
        light = sum(bit for name, bit in _COLOURS if levels >> PINS[name] & 1)
        shaking = levels >> PINS["vibration"] & 1
        if light == stages.RED and shaking:
            # Steady red would take a while to tell from blinking; red and shaking is only one thing.
            self._settle(stages.NOT_DELIVERED, at)
        if light == self._light:
            return
        self._light = light
        self.close()
        if light in _BY_COLOUR:
            self._settle(_BY_COLOUR[light], at)
        elif light == stages.RED:
            if not shaking:
                self._settle(stages.TRYING, at)
        elif not light:
            self._timer = self._call_later(GAP_S, self._elapsed, stages.OFF)

    def _elapsed(self, stage: int) -> None:
        self._timer = None
        self._settle(stage, time.monotonic())

    def _settle(self, stage: int, at: float) -> None:
        if stage != self._stage:
            self._stage = stage
            self._on_stage(stages.NAMES[stage], at)

    def close(self) -> None:
        """No more calls from a timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
