"""Assistants with their telephones, and the homes in which they install: what is done by hand in A4.

A telephone keeps a wish until it knows that the server has it, and sends it again as the page does: same key. An
assistant does what the page says: waits, presses, moves the unit. Each finger is written into the truth. Nothing here
decides what a press means.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from firmware.core import pendants, profiles
from fleet.pairing import store
from fleet.pairing.model import Refused
from protocols.wire import messages
from sim.scenarios import truth
from sim.scenarios.a4_story import HALLWAY, Fault, Install
from sim.scenarios.path import Air, Path
from sim.scenarios.wearers import BrainUnit, Pendant, Plan, attach
from sim.scenarios.world import World

FINGER_S = 0.2
WALK_S = (5.0, 12.0)
"""From one press to the next: he goes to another room."""
FLUSH_S = 5.0
"""The page tries again so often to send what is kept."""
MOVES_S = 20.0
"""To carry a hub to the window."""
WAITS_S = 30.0
MOST_WAITS = 10
LEAVES_AFTER = 2
"""So often somebody tries again before he goes and calls a technician."""
PRESSED, LIVE = "tests", "needs help"
Begin = Callable[[store.Wish, str], Awaitable[int]]
Act = Callable[[int, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Line:
    """The telephone's way to the server: seconds there and back, the part of messages that is lost each way, since when
    there is contact at all (seconds of the scenario), and whether the first answer is lost for certain."""

    rtt_s: float = 0.3
    loss: float = 0.02
    since: float = 0.0
    loses_first: bool = False


class Home(BrainUnit):
    """A unit in a home: says its signal; `hears` says which of its pendants reach it."""

    signal = -92

    def _measure(self) -> tuple[dict[str, Any], dict[int, Any]]:
        fields = {"signal": self.signal}
        return fields, {messages.STATUS_PROFILE: profiles.SOCIAL, messages.STATUS_UPTIME: self._now() // 1000}


@dataclass(slots=True)
class Placed:
    """A unit that is plugged in, with its way and its pendants."""

    home: Home
    way: Path
    pendants: Mapping[int, Pendant] = field(default_factory=dict)


class Street:
    """All the homes: plugs units in, and presses what is there to be pressed."""

    def __init__(self, world: World, door: tuple[str, int], written: truth.Truth, seed: int) -> None:
        self._world, self._door, self._written, self._seed = world, door, written, seed
        self._placed: dict[int, Placed] = {}
        self.live: list[int] = []

    def plug_in(self, plan: Plan, keys: Mapping[int, Pendant], air: Air, signal: int | None = None) -> None:
        """The unit starts, and reports itself."""
        if plan.unit in self._placed:
            return
        seed = self._seed * 1_000_003 + plan.unit
        home = Home(self._world, plan, seed)
        home.signal = home.signal if signal is None else signal
        self._placed[plan.unit] = Placed(home, attach(home, self._world, self._door, air, seed), keys)

    def unplug(self, unit: int) -> None:
        """It is gone, or nobody looks at it any more."""
        placed = self._placed.pop(unit, None)
        if placed is not None:
            placed.home.close()
            placed.way.close()

    def replug(self, unit: int) -> None:
        """The plug is pulled and put back: the unit says so, and hears what is waiting for it."""
        placed = self._placed.get(unit)
        if placed is not None:
            placed.home.mains(True)
            placed.home.mains(False)

    def press(self, unit: int, button: int, *, heard: bool = True, what: str = PRESSED) -> None:
        """A finger. `heard`: whether the pendant reaches its unit from where it is."""
        self._written.note(self._world.clock.now(), unit, what if heard else "not heard", button)
        placed = self._placed.get(unit)
        if placed is None or not heard:
            return
        if what == LIVE:
            self.live.append(unit)
        if button:
            placed.home.radio(placed.pendants[button].frame(pendants.PRESS))
        else:
            placed.home.contact(True)
            self._world.clock.call_later(FINGER_S, partial(placed.home.contact, False))

    def close(self) -> None:
        """Everybody goes home."""
        for unit in list(self._placed):
            self.unplug(unit)


class Assistant:
    """One install by one person. `tick` is called often; `seen` is what the page shows of the pairing."""

    def __init__(
        self, install: Install, wishes: list[store.Wish], name: str, line: Line, street: Street, began: float,
        chance: random.Random, begin: Begin, moved: Act, again: Act, give_up: Act,
    ) -> None:  # fmt: skip
        self.install, self.name, self.began = install, name, began
        self._wishes, self._line, self._street, self._chance = wishes, line, street, chance
        self._begin, self._moved, self._again, self._give_up = begin, moved, again, give_up
        self.unit = wishes[0].unit
        self._next = max(began, line.since)
        self._press_at: tuple[tuple[int, int], float] | None = None
        self._free_at = began
        self._helped = not install.alarm
        self.tries = 0
        self.sent = 0
        self.pairing: int | None = None
        self.refusals: list[Refused] = []
        self.said: list[str] = []
        self.taps: list[str] = ["scan the label", "begin"]
        self.waits = 0
        self.over = False
        self.ended_at: float | None = None
        self.moves = 0
        self.pending: list[str] = []

    async def tick(self, now: float, seen: Mapping[str, Any] | None) -> None:
        """What the person does now."""
        if self.over or now < self.began:
            return
        if self.pairing is None:
            if now >= self._next:
                self._next = now + FLUSH_S + self._line.rtt_s
                await self._send()
            return
        if seen is None or now < self._free_at:
            return
        if seen["state"] != "open":
            self._finish(now, seen["state"])
            return
        self._help(seen["steps"])
        step = next((one for one in seen["steps"] if one["state"] not in ("proven", "left_out")), None)
        if step is None:
            return
        if step["state"] == "ready":
            self._press(now, step)
        elif step["state"] == "failed":
            await self._failed(now, step)

    async def _send(self) -> None:
        """The wish goes out; the question or the answer may be lost on the way."""
        wish = self._wishes[0]
        if self._chance.random() < self._line.loss:
            return
        self.sent += 1
        try:
            pairing = await self._begin(wish, self.name)
        except store.PairingRefused as error:
            if self._chance.random() >= self._line.loss:
                self._refused(error.refused)
            return
        if self._chance.random() < self._line.loss or (self._line.loses_first and self.sent == 1):
            return
        self.pairing = pairing

    def _refused(self, refused: Refused) -> None:
        """He reads what the page says. A wrong person is corrected once; anything else is the end of this visit."""
        self.refusals.append(refused)
        if refused.code.endswith("_busy") and self.install.fault is not Fault.TOGETHER and self.waits < MOST_WAITS:
            # He talks to whoever is at it, and tries again.
            self.waits += 1
            self._next += WAITS_S
            return
        self._wishes.pop(0)
        if self._wishes:
            self._wishes[0] = replace(self._wishes[0], client_key=uuid.UUID(int=self._chance.getrandbits(128)))
            self.taps.append("begin")
        else:
            self.over = True

    def _help(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Somebody in this home needs help while the pairing is under way, and presses the old unit's button."""
        if not self._helped and self.install.old is not None and steps[0]["state"] == "proven":
            self._helped = True
            self._street.press(self.install.old, 0, what=LIVE)

    def _press(self, now: float, step: Mapping[str, Any]) -> None:
        """The page says *press now*: he goes there, and presses once."""
        key = (step["tries"], step["number"])
        if self._press_at is None or self._press_at[0] != key:
            self._press_at = (key, now + self._chance.uniform(*WALK_S))
        if now < self._press_at[1]:
            return
        self._press_at = (key, float("inf"))
        # He presses what stands before him: the old unit of this home, whatever home the server thinks it is.
        unit = self.install.old if step["kind"] == "old" else self.unit
        if unit is None:
            return
        self._street.press(unit, step["input"], heard=self._reaches(step))

    def _reaches(self, step: Mapping[str, Any]) -> bool:
        if self.install.fault is Fault.UNREAD and step["input"] == self.install.pendants:
            return False
        return not (self.install.place == HALLWAY and step.get("room") == "bathroom" and not self.moves)

    async def _failed(self, now: float, step: Mapping[str, Any]) -> None:
        assert self.pairing is not None
        self.said.append(f"{step.get('room') or step['kind']}: {step['why']}")
        self.pending.append(step["why"])
        if step["kind"] == "old" and self.install.fault is Fault.WRONG_PAPER and len(self._wishes) > 1:
            await self._wrong_home(now)
            return
        self.tries += 1
        if self.tries > LEAVES_AFTER:
            self.over = True
            return
        if step.get("room") and step["why"] == "no_press" and self.install.fault is None:
            self.moves += 1
            self.taps.append("I have moved it")
            self._street.replug(self.unit)
            self._free_at = now + MOVES_S
            await self._moved(self.pairing, self.name)
            return
        self.taps.append("try again")
        self._street.replug(step["unit"])
        await self._again(self.pairing, self.name)

    async def _wrong_home(self, now: float) -> None:
        """The old unit does not answer: he reads the order again, and it is another person's."""
        assert self.pairing is not None
        await self._give_up(self.pairing, self.name)
        self._wishes.pop(0)
        self.pairing = None
        self._next = now + FLUSH_S
        self.taps += ["give up", "begin"]

    def _finish(self, now: float, state: str) -> None:
        self.over = True
        if state == "active":
            self.ended_at = now
            self.taps.append("done")
