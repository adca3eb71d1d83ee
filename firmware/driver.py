"""Carries out what the unit's brain orders, with the ports it is given. Holds no decisions of its own.

One pass of the main loop lets time pass for brain and pipes, shows the lamp, feeds the watchdog and sleeps until the
next of their times, or until something has changed. A press does not wait for that loop: the task that waits for the
contact handles it at once, journal first.

With an exhausted heap: before anything is handled there is room for it (`ports.ballast`). Should memory fail all the
same inside the brain, or while its orders are put on flash, nobody can trust the brain any more: half of a step has
been made. Small machines that allocate nothing tell which presses are owed (`firmware.owed`), `journal.emergency` puts
them on flash, and the unit resets at once and sends them after its restart. Where memory fails for a frame or a lamp
the unit goes on: the frame counts as not sent, and the lamp is set again.
"""

import asyncio
import gc

from firmware.core import records, stages
from firmware.core.events import FAULT_HEAP, FAULT_JOURNAL, FAULT_KEPT
from firmware.core.profiles import OWN
from firmware.owed import Owed
from firmware.ports import breadcrumbs
from firmware.ports.console import say
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.core.unit import Unit
    from firmware.ports.ballast import Ballast
    from firmware.ports.clock import Clock
    from firmware.ports.journal import Journal
    from firmware.ports.kept import Kept
    from firmware.ports.pins import Contact as Pin
    from firmware.ports.pins import Outputs
    from firmware.ports.sealer import Sealer
    from firmware.supervisor import Supervisor

LEVELS_MS = 60000
"""How often the battery is looked at."""
MOST_STARVED = 3
"""So often in that time memory may fail where going on is safe; then the unit resets all the same. While a press waits
the time does not end."""


class Driver:
    """`pipes` (by name) is empty at first: call `add` for each, then `run`; those over the board's own network have it
    as `network`. `sensors`, `cellular`, `radio` (of the pendants) and `repose` are set before `run` where the unit has
    them."""

    def __init__(
        self,
        unit: "Unit",
        journal: "Journal",
        kept: "Kept",
        sealer: "Sealer",
        clock: "Clock",
        supervisor: "Supervisor",
        ballast: "Ballast",
        owed: "Owed",
        pin: "Pin",
        outputs: "Outputs",
        pipes: "dict[str, Any]",
    ) -> None:
        self.unit = unit
        self.sensors: "Any" = None
        self.cellular: "Any" = None
        self.radio: "Any" = None
        self.repose: "Any" = None
        self.pipes = pipes
        self.crumbs = supervisor.crumbs
        self._journal = journal
        self._kept = kept
        self._sealer = sealer
        self._clock = clock
        self._supervisor = supervisor
        self._ballast = ballast
        self._pin = pin
        self._outputs = outputs
        self._order: "list[str]" = []
        self._waiting: "list[tuple[Any, ...]]" = []
        self._over_modem: "list[str]" = []
        self._changed = asyncio.Event()
        self._stage = stages.OFF
        self._stage_since = 0
        self._open = False
        self._further = False  # whether a press has been made since the last turn
        self._levels_due = 0
        self._owed = owed
        self._over = False
        self._starved = 0
        # Bound once: to bind a method takes memory.
        self._on_own_edge = self._own_edge
        self._on_last_own_edge = self._last_own_edge
        self._on_last_edge = self._last_edge

    def add(self, pipe: "Any", over_modem: bool = False) -> None:
        """One more way to the fleet."""
        self.pipes[pipe.name] = pipe
        self._order.append(pipe.name)
        if hasattr(pipe, "mark"):
            # A pipe of datagrams only waits; one with a connection must get on.
            pipe.mark = self._supervisor.task(pipe.name)
        if over_modem:
            self._over_modem.append(pipe.name)

    def later(self, event: "tuple[Any, ...]") -> None:
        """Something that is to be handled once the unit runs."""
        if event[0] == "press":
            self._owed.begun(event[1], self._clock.now())
        self._waiting.append(event)

    # What the ports tell.

    def on_frame(self, pipe: "Any", frame: bytes) -> None:
        """A frame has come down a pipe. Nothing in it counts before it has been opened with our key."""
        message = self._sealer.open(frame)
        if message is not None:
            self._energy(("exchange",))
        if isinstance(message, messages.Receipt):
            self._receipt(message, None if pipe is None else pipe.name)
        elif isinstance(message, messages.Command) and pipe is not None:
            self.crumbs.drop(breadcrumbs.COMMAND, message.kind & 0xFFFF)
            self.feed(("command", message))
        else:
            if message is not None:
                # Genuine, but nothing that this unit can obey; a command that came by SMS for example.
                self._sealer.refuse("type")
            self.feed(("refused",))
            if pipe is None:
                # An SMS that is no receipt may wake, like any other.
                self.feed(("wake",))

    def _receipt(self, message: "messages.Receipt", name: "str | None") -> None:
        for boot, seq, _ in message.items:
            for other in self._order:
                # It has arrived: what waits for another way, or is repeated there, need not.
                if hasattr(self.pipes[other], "overtaken"):
                    self.pipes[other].overtaken((boot, seq))
        self.feed(("receipt", message.items, message.time, name))

    def on_change(self, pipe: "Any") -> None:
        """A pipe has come up or gone down."""
        self.crumbs.drop(breadcrumbs.PIPE, int(pipe.up))
        self.feed(("pipe", pipe.name, pipe.up))

    def on_sensor(self, event: "tuple[Any, ...]") -> None:
        """A sensor has something to say."""
        if self.repose is not None:
            self.repose.sensor(event)
        self.feed(event)

    def on_edge(self, code: int, closed: bool, ticks: int) -> None:
        """A contact has moved; `ticks` are its interrupt's."""
        try:
            self._ballast.room()
            at = self._clock.at(ticks)
            self._owed.edge(code, closed, at)
            self.feed(("edge", code, closed, at))
        except MemoryError as error:
            # The brain has not heard of it, and nobody else has it.
            if closed:
                self._owed.begun(code)
            self._end(error)

    def on_pendant(self, frame: bytes) -> None:
        """The hub's radio has heard something of a pendant's length."""
        self._ballast.room()
        try:
            self._owed.pendant = self.unit.pendants.pressing(frame)
        except MemoryError as error:
            # Nothing has changed yet.
            self._relieve(error)
            self._owed.pendant = self.unit.pendants.pressing(frame)
        self.feed(("pendant", frame))
        self._owed.pendant = None

    def on_cellular(self, event: "tuple[Any, ...]") -> None:
        """The modem's part has something to say."""
        if event[0] == "frame":
            # A sealed frame that came by SMS: only a receipt counts.
            self.on_frame(None, event[1])
        elif event[0] == "time":
            self._clock.hint(event[1])
        elif event[0] == "energy":
            self._energy(("state", event[1], event[2]))
        elif event[0] == "bearer":
            for name in self._over_modem:
                if not hasattr(self.pipes[name], "last_resort"):
                    self.pipes[name].bearer = self.cellular.bearer
        else:
            if event[0] == "fault":
                self.crumbs.drop(breadcrumbs.MODEM_RESET, self.cellular.conduct.cuts)
            elif event[0] == "report" and event[1] == messages.EVENT_SIM_CHANGED:
                self.crumbs.drop(breadcrumbs.SIM_SWITCHED, event[2][1])
            self.feed(event)

    def _energy(self, event: "tuple[Any, ...]") -> None:
        """Something for the energy book of a unit that rests."""
        if self.repose is not None:
            self.repose.energy(event, self._clock.now())

    def tell(self, event: "tuple[Any, ...]") -> None:
        """Tell the modem's part, if there is one. What it has heard by half nobody knows, as of the brain."""
        if self.cellular is not None:
            try:
                self.cellular.tell(event)
            except MemoryError as error:
                self._end(error)

    def feed(self, event: "tuple[Any, ...]") -> None:
        """Let the brain handle an event, and carry out what it orders."""
        self._ballast.room()
        self._handle(event, self._clock.now())
        self._changed.set()

    def _handle(self, event: "tuple[Any, ...]", now: int) -> None:
        try:
            self._carry_out(self.unit.handle(event, now))
        except MemoryError as error:
            if event[0] in ("edge", "press", "pendant") or self.unit.at_stake() or self._owed.any():
                self._end(error)
            # No press is at stake: a heartbeat that found no memory once must not cost the unit a reset.
            self._again(error)
            self.crumbs.drop(breadcrumbs.HEAP_LOW, self._starved)
            if not self._ballast.release():
                gc.collect()
            self._fault(FAULT_HEAP, "heap exhausted")

    def untold(self) -> bool:
        """Whether something may be about to become a press: a contact that has moved and the brain has not heard of, or
        that is held and not counted yet, or a pendant's frame that nobody has read."""
        moving = self._owed.moving() or self._pin.pending() or self.unit.begun()
        return moving or any([part is not None and part.pending() for part in (self.sensors, self.radio)])

    # What the brain orders.

    def _carry_out(self, actions: "list[tuple[Any, ...]]") -> None:
        unsent = []
        for action in actions:
            name = action[0]
            if name == "journal":
                self._record(action[1])
            elif name == "send":
                if not self._try_send(action[1], action[2], action[3], action[4]):
                    unsent.append(("unsent", action[2], action[1]))
            elif name == "lamp":
                self._light(action[1])
            elif name == "keep":
                self._keep(action[1], action[2])
            elif name == "cellular":
                self._order_modem(action[1])
            elif name == "alive":
                self._alive(action[1], action[2])
            elif name == "reboot":
                self._supervisor.restart()
        if unsent:
            # By the main loop, one after the other: each may order further sends, and as many presses as wait, each in
            # the midst of the one before, need more memory than there is.
            self._waiting += unsent
            self._changed.set()

    def _alive(self, name: "str | None", time: "int | None") -> None:
        """A receipt has proven this way, by SMS where it has no name, and this boot."""
        self._supervisor.receipt()
        if name is None or name in self._over_modem:
            # By SMS too: a card that brings one is of use.
            self.tell(("receipt",))
        if time is not None:
            self.tell(("clock", time))

    def _record(self, record: "dict[int, Any]") -> None:
        """Put a record on flash. Flash that refuses, or a full heap, is counted and stops no alarm."""
        try:
            self._journal.append(record)
        except MemoryError:
            # Once more behind the ballast; if that fails too, what is owed goes another way.
            if not self._ballast.release():
                raise
            self._journal.append(record)
        except OSError as error:
            say("journal:", error)
            self.crumbs.drop(breadcrumbs.FLASH_REFUSED, self._journal.failures)
            self._fault(FAULT_JOURNAL, "journal refused")
        kind = record[records.TYPE]
        if kind == records.PRESS:
            self._further = True
            self._owed.made(record[records.KIND], record[records.INPUT])
        elif kind == records.COUNTED:
            one = self._journal.entries.get((record[records.BOOT], record[records.SEQ]))
            if one is not None:
                # A press that was counted into an older one.
                self._owed.made(one.kind, one.input)

    def _keep(self, name: str, value: "Any") -> None:
        if not self._kept.save(name, value):
            self.crumbs.drop(breadcrumbs.FLASH_REFUSED, self._kept.failures)
            self._fault(FAULT_KEPT, name)

    def _fault(self, code: int, text: str) -> None:
        """Tell it once the present orders are carried out."""
        self.later(("fault", code, text))

    def _try_send(self, name: str, key: "object", message: "messages.Message | None", urgent: bool) -> bool:
        """As `_send`; where memory fails for the frame it is as if the pipe had refused it: the brain tries again."""
        try:
            return self._send(name, key, message, urgent)
        except MemoryError as error:
            self._relieve(error)
            return key is None

    def _send(self, name: str, key: "object", message: "messages.Message | None", urgent: bool) -> bool:
        """Whether the frame is on its way; what has no key is asked again soon and need not be."""
        if message is None:
            raise MemoryError
        pipe = self.pipes[name]
        if urgent and not pipe.up:
            pipe.hurry()
            return False
        sent = pipe.send(key, self._sealer.seal(message.encode()), urgent)
        if sent:
            self._energy(("exchange",))
        if isinstance(message, messages.Heartbeat) and name in self._over_modem:
            # Also where it must wait for another frame's answer: on a path that is dead that one never comes.
            self.tell(("asked",))
        return sent or key is None

    def _order_modem(self, event: "tuple[Any, ...]") -> None:
        if event[0] == "policy":
            # Loaded by units with a modem only.
            from firmware.core.sim_choice import held

            event = ("policy", held(event[1]))
        self.tell(event)

    def _light(self, stage: int) -> None:
        """The wearer is shown this stage; if memory fails for it, at the next turn."""
        self._stage = stage
        try:
            self._stage_since = self._clock.now()
            self._show(self._stage_since)
        except MemoryError as error:
            self._relieve(error)

    def _show(self, now: int) -> "int | None":
        """Set lamp, motor and speaker; when they change next."""
        bits, left = stages.outputs(self._stage, now - self._stage_since, self._outputs.sounds)
        self._outputs.show(bits)
        return None if left is None else now + left

    # The button.

    def _own_edge(self, closed: bool, ticks: int) -> None:
        self.on_edge(OWN, closed, ticks)

    def _last_edge(self, code: int, closed: bool, ticks: int) -> None:
        self._owed.last(code, closed)

    def _last_own_edge(self, closed: bool, ticks: int) -> None:
        self._owed.last(OWN, closed)

    def _edges(self) -> None:
        self._ballast.room()
        self._pin.drain(self._on_own_edge)

    async def _watch_contact(self) -> None:
        while True:
            try:
                await self._pin.wait()
            except MemoryError as error:
                self._relieve(error)
            self._edges()
            # The turn that settles the contact comes in its time.
            self._changed.set()

    def _relieve(self, error: BaseException) -> None:
        """Memory has failed where going on is safe. Does not return when there is no way on but a restart."""
        self.crumbs.drop(breadcrumbs.HEAP_LOW, 0)
        if not self._ballast.release():
            self._again(error)
        self._fault(FAULT_HEAP, "heap exhausted")

    def _again(self, error: BaseException) -> None:
        """Memory has failed where going on is safe: too often in a minute is the end all the same."""
        self._starved += 1
        if self._starved >= MOST_STARVED:
            self._end(error)

    def _end(self, error: BaseException) -> None:
        """Memory has failed where nobody can go on: what is owed goes on flash, and the unit resets, which counts as a
        crash. Does not return."""
        try:
            self.crumbs.drop(breadcrumbs.HEAP_LOW, 0)
            self.last_words()
        finally:
            self._supervisor.crashed(error)
        raise error

    def last_words(self) -> None:
        """The unit is about to reset: presses that are owed go on flash, with no memory at all. Once is enough."""
        if self._over:
            return
        self._over = True
        self._pin.drain(self._on_last_own_edge)
        if self.sensors is not None:
            self.sensors.drain(self._on_last_edge)
        owed = self._owed
        for one in owed.contacts:
            if one.owes():
                self._last_word(one.kind, OWN)
        if owed.pendant is not None:
            self._last_word(messages.KIND_MANUAL, owed.pendant)
        self._ballast.release()

    def _last_word(self, kind: int, code: int) -> None:
        seq = self.unit.take_seq()
        if self._journal.emergency(self.unit.boot, seq, kind, code):
            self.crumbs.drop(breadcrumbs.EMERGENCY, seq)

    # The main loop.

    def _turn(self) -> int:
        """Do what is due; for how many ms there is nothing to do."""
        self._edges()
        now = self._clock.now()
        self._owed.time(now)
        self._handle(("time",), now)
        while self._waiting:
            self._handle(self._waiting.pop(0), now)
        waiting = self.unit.urgent()
        if waiting != self._open or (waiting and self._further):
            self._open = waiting
            self.tell(("alarm", waiting))
        self._further = False
        self._supervisor.turn(now, self.unit.is_open(), self.untold, self.last_words)
        self._look(now)
        # What was just done took time; a lamp must not be shown as of before its stage began.
        now = self._clock.now()
        due = [self._supervisor.next_wakeup(), self.unit.next_wakeup(now), self._show(now)]
        if self.repose is not None:
            due.append(self.repose.turn(now))
        if self.sensors is not None:
            due.append(self._levels_due)
        for name in self._order:
            pipe = self.pipes[name]
            pipe.timeout(now)
            due.append(pipe.next_wakeup(now))
        return max(0, min([at for at in due if at is not None]) - self._clock.now())

    def _look(self, now: int) -> None:
        """The battery now and then, and a new ballast when the heap can spare one."""
        if now < self._levels_due:
            return
        self._levels_due = now + LEVELS_MS
        if not self._open:
            # A press that waits is not to wait for ever because its turns are rare.
            self._starved = 0
        self._ballast.restore()
        self.crumbs.keep()
        if self.sensors is not None:
            self._handle(("battery", self.sensors.battery(), self.sensors.battery_mv()), now)

    def _watch(self, part: "Any", mark: "Any") -> None:
        """The watchdog looks after this task."""
        if hasattr(part, "mark"):
            part.mark = mark
        else:
            part.alive = lambda: mark.alive(self._clock.now())

    async def run(self) -> None:
        """Never returns. An exception in any task is for the composition root's handler."""
        now = self._clock.now()
        for name in self._order:
            if self.pipes[name].up:
                self._handle(("pipe", name, True), now)
        self._carry_out(self.unit.start(now))
        asyncio.create_task(self._watch_contact())
        parts = [("sensors", self.sensors), ("modem", self.cellular), ("pendants", self.radio)]
        # One for all of them.
        parts += [("network", pipe.network) for pipe in self.pipes.values() if hasattr(pipe, "network")][:1]
        for name, part in parts:
            if part is not None:
                self._watch(part, self._supervisor.task(name))
                asyncio.create_task(part.run())
        for name in self._order:
            asyncio.create_task(self.pipes[name].run())
        while True:
            self._changed.clear()
            try:
                idle = self._turn()
                await asyncio.wait_for_ms(self._changed.wait(), idle)
            except asyncio.TimeoutError:
                continue
            except MemoryError as error:
                self._relieve(error)
