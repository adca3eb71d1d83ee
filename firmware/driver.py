"""Carries out what the unit's brain orders, with the ports it is given. Holds no decisions of its own.

One pass of the main loop lets time pass for brain and pipes, shows the lamp, feeds the watchdog and sleeps until the
next of their times, or until something has changed. A press does not wait for that loop: the task that waits for the
contact handles it at once, journal first.
"""

import asyncio

from firmware.core import stages
from firmware.ports.console import say
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.core.press import Contact
    from firmware.core.unit import Unit
    from firmware.ports.clock import Clock
    from firmware.ports.journal import Journal
    from firmware.ports.pins import Contact as Pin
    from firmware.ports.pins import Outputs
    from firmware.ports.sealer import Sealer
    from firmware.ports.watchdog import Watchdog


class Driver:
    """`proven()` is called at the first verified receipt: the unit has shown that it works.

    `pipes` is empty at first: call `add` for each, then `run`.
    """

    def __init__(
        self,
        unit: "Unit",
        journal: "Journal",
        sealer: "Sealer",
        clock: "Clock",
        watchdog: "Watchdog",
        contact: "Contact",
        pin: "Pin",
        outputs: "Outputs",
        proven: "Callable[[], None]",
    ) -> None:
        self._unit = unit
        self._journal = journal
        self._sealer = sealer
        self._clock = clock
        self._watchdog = watchdog
        self._contact = contact
        self._pin = pin
        self._outputs = outputs
        self._proven = proven
        self._heard = False
        self._pipes: "dict[str, Any]" = {}
        self._changed = asyncio.Event()
        self._stage = stages.OFF
        self._stage_since = 0

    def add(self, pipe: "Any") -> None:
        """One more way to the fleet."""
        self._pipes[pipe.name] = pipe

    def on_frame(self, pipe: "Any", frame: bytes) -> None:
        """A frame has come down a pipe. Nothing in it counts before it has been opened with our key."""
        message = self._sealer.open(frame)
        if isinstance(message, messages.Receipt):
            if not self._heard:
                self._heard = True
                self._proven()
            self.feed(("receipt", message.items, message.time))
            return
        if message is not None:
            # Genuine, but nothing that this unit can obey.
            self._sealer.refuse("type")
        self.feed(("refused",))

    def on_change(self, pipe: "Any") -> None:
        """A pipe has come up or gone down."""
        self.feed(("pipe", pipe.name, pipe.up))

    def feed(self, event: "tuple[Any, ...]") -> None:
        """Let the brain handle an event, and carry out what it orders."""
        now = self._clock.now()
        self._carry_out(self._unit.handle(event, now))
        self._changed.set()

    def _carry_out(self, actions: "list[tuple[Any, ...]]") -> None:
        unsent = []
        for action in actions:
            if action[0] == "journal":
                self._record(action[1])
            elif action[0] == "send":
                if not self._send(action[1], action[2], action[3], action[4]):
                    unsent.append(("unsent", action[2], action[1]))
            elif action[0] == "lamp":
                self._stage = action[1]
                self._stage_since = self._clock.now()
                self._show(self._stage_since)
        for event in unsent:
            self._carry_out(self._unit.handle(event, self._clock.now()))

    def _record(self, record: "dict[int, int]") -> None:
        """Put a record on flash. Flash that refuses, or a full heap, is counted and stops no alarm."""
        try:
            self._journal.append(record)
        except (OSError, MemoryError) as error:
            say("journal:", error)

    def _send(self, name: str, key: "object", message: "messages.Message", urgent: bool) -> bool:
        """Whether the frame is on its way; what has no key is asked again soon and need not be."""
        pipe = self._pipes[name]
        if urgent and not pipe.up:
            pipe.hurry()
            return False
        sent = pipe.send(key, self._sealer.seal(message.encode()), urgent)
        return sent or key is None

    def _show(self, now: int) -> "int | None":
        """Set lamp and motor; when they change next."""
        bits, left = stages.outputs(self._stage, now - self._stage_since)
        self._outputs.show(bits)
        return None if left is None else now + left

    def _edges(self) -> None:
        for closed, ticks in self._pin.take():
            if self._contact.edge(closed, self._clock.at(ticks)):
                self._pressed()
        self._changed.set()

    def _pressed(self) -> None:
        self.feed(("pressed", 0, messages.KIND_MANUAL))

    async def _watch_contact(self) -> None:
        while True:
            await self._pin.wait()
            self._edges()

    def _turn(self) -> int:
        """Do what is due; for how many ms there is nothing to do."""
        now = self._clock.now()
        self._watchdog.feed(now)
        if self._contact.timeout(now):
            self._pressed()
        self._carry_out(self._unit.handle(("time",), now))
        # What was just done took time; a lamp must not be shown as of before its stage began.
        now = self._clock.now()
        due = [self._watchdog.next_wakeup(), self._unit.next_wakeup(now), self._contact.next_wakeup(), self._show(now)]
        for name in sorted(self._pipes):
            pipe = self._pipes[name]
            pipe.timeout(now)
            due.append(pipe.next_wakeup(now))
        return max(0, min([at for at in due if at is not None]) - self._clock.now())

    async def run(self) -> None:
        """Never returns. An exception in any task is for the composition root's handler."""
        now = self._clock.now()
        for name in sorted(self._pipes):
            if self._pipes[name].up:
                self._carry_out(self._unit.handle(("pipe", name, True), now))
        self._carry_out(self._unit.start(now))
        asyncio.create_task(self._watch_contact())
        for name in sorted(self._pipes):
            asyncio.create_task(self._pipes[name].run())
        while True:
            self._changed.clear()
            idle = self._turn()
            try:
                await asyncio.wait_for_ms(self._changed.wait(), idle)
            except asyncio.TimeoutError:
                continue
