"""The unit's brain: events in, actions out, in the order in which they must be carried out.

Pure: `handle(event, now)` with `now` in milliseconds since boot. It owns the one sequence number per boot and the
courier, and joins the parts: presses (`core.presses`), what else waits (`core.events`), commands (`core.obey`), the
heartbeat and the search. It never touches flash, a key or a socket, and it never raises for anything that came from
outside.

Events: those of `core.presses` ("edge", "press", "pendant"); ("receipt", items, time, pipe or None) and ("command",
command) that were opened and verified, ("refused",) for a down frame that was not; ("pipe", name, up), ("unsent", key,
pipe) when a pipe could not take a frame; ("report", kind, data), ("position", data), ("mains", lost), ("charging", on),
("worn", on), ("battery", percent, mV), ("fault", code, text[, times]) of the ports; ("heartbeat", alone), as in
core.sim_choice, and ("status",) when one is wanted, ("wake",) by somebody unproven; ("time",) to let time pass.

Actions: ("journal", record) is to be on flash before the next action is carried out; ("keep", name, value) likewise;
("send", pipe, key, message, urgent) builds no bytes that may be kept: seal with a fresh counter and send, None where
memory failed for the message; ("lamp",
stage) of core.stages; ("cellular", event) for the modem; ("alive", pipe or None, server time or None): a receipt by
this way was a sign of life, and no old one played again; the time is the greatest that is known; ("reboot",).
"""

from firmware.core import events, obey
from firmware.core.alarm import COUNTED
from firmware.core.events import FAULT_PORT, Faults, Reports
from firmware.core.locate import Locate
from firmware.core.presses import Presses
from firmware.core.receipts import Receipts
from firmware.core.vitals import Vitals
from protocols.wire import messages
from protocols.wire.courier import ALARM, FAULT, HEARTBEAT, Courier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from firmware.core.heartbeat import Heartbeat
    from firmware.core.pendants import Pendants
    from firmware.core.records import Entry
    from firmware.core.setup import Means, Setup
    from firmware.core.spare import Spare
    from firmware.core.vigil import Vigil

    Actions = list[tuple[Any, ...]]
    Key = tuple[int, int]

_LATITUDE = 1
"""In the data of a position: there is a fix, and not the cell alone."""
_LONGEST_JITTER_MS = 60000
_WOKEN_JITTER_MS = 1000
REBOOT_MS = 10000
"""A reboot on command waits so long for its answer's receipt; the answer is on flash all the same."""
MOST_OVER = 32
"""Presses of this boot that are over and remembered, so that a challenge about one is answered without the flash."""


class Unit:
    """One boot of one unit.

    `boot` is this boot's number; `pipes` are names in preferred order; `entries` and `items` are the journal's open
    presses and waiting messages; `kept` are values kept by name; `slots` is how many SIMs there are, 0 without a modem;
    `radios` and `last_resort` are the courier's; `spare` says which of several radios is to be proven,
    `vigil` how long what waits keeps a unit that rests awake. After a deep sleep kept["slept"] is what `remembered`
    gave, less the seconds slept.
    """

    def __init__(
        self,
        boot: int,
        pipes: "Sequence[str]",
        setup: "Setup",
        means: "Means",
        heartbeat: "Heartbeat",
        now: int,
        entries: "Iterable[Entry]" = (),
        items: "Iterable[tuple[int, int, int, bytes]]" = (),
        kept: "dict[str, Any] | None" = None,
        pendants: "Pendants | None" = None,
        slots: int = 0,
        radios: "Sequence[object]" = (),
        last_resort: "Sequence[str]" = (),
        spare: "Spare | None" = None,
        vigil: "Vigil | None" = None,
    ) -> None:
        kept = kept or {}
        slept = kept.get("slept")
        self.boot = boot
        # What came behind the last heartbeat of a wake is told by the next wake's.
        self.refused = 0 if slept is None else slept[5]
        self._seq = 0
        self._means = means
        self._presses = Presses(
            setup,
            entries,
            pendants,
            kept.get("drill") if slept is None else slept[1],
            means.random,
            self.take_key,
            means.wall,
            now,
        )
        self._alarms = self._presses.alarms
        self.pendants = pendants
        self._reports = Reports(items, now)
        self.vigil = vigil
        self._faults = Faults()
        self._locate = Locate(setup.profile.position)
        self._vitals = Vitals(setup, heartbeat, kept.get("heartbeat"), now)
        if slept is not None:
            self._vitals.told(slept[0], slept[2], slept[3], now)
        drilled = [one.code for one in setup.inputs]
        self._commands = obey.Commands(setup, slots, kept.get("command"), self._state, drilled)
        # Whoever wakes from its own deep sleep does not come back together with the others of a street.
        jitter = min(_LONGEST_JITTER_MS, heartbeat.interval * 250) if slept is None else _WOKEN_JITTER_MS
        self._courier = Courier(
            pipes, means.random, others=events.MOST + 1, jitter=jitter, radios=radios, last_resort=last_resort
        )
        self._spare = spare
        self._receipts = Receipts()
        self._lamp = 0
        self._report: "Key | None" = None
        self._full: "list[Key]" = []
        self._over: "list[Key]" = []
        self._looking = False
        self._reboot: "tuple[Key, int] | None" = None

    def start(self, now: int) -> "Actions":
        """Take up what the last boot has left, and plan the first heartbeat."""
        self._vitals.start(now)
        actions: "Actions" = []
        for one in list(self._alarms.open):
            actions += self._translate(self._courier.submit(one.key, ALARM, now, one.stage, late=True), now)
        for waiting in list(self._reports.waiting):
            actions += self._translate(self._courier.submit(waiting.key, waiting.priority, now), now)
        # What an earlier boot has left takes its turn now, the newest first.
        actions += self._translate(self._courier.timeout(now), now)
        return actions + self._surplus() + self._show(now)

    def urgent(self) -> bool:
        """Whether a press is not stored yet."""
        return self._alarms.waiting()

    def at_stake(self) -> bool:
        """Whether a press is not stored yet, or still in its cancel window."""
        return any([not one.stage for one in self._alarms.open])

    def begun(self) -> bool:
        """Whether a contact is closed and may become a press, and is none yet."""
        return self._presses.inputs.begun()

    def is_open(self) -> bool:
        """Whether a press is open: not taken yet, or still in its cancel window."""
        return bool(self._alarms.open)

    def handle(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        """What is to be done now that this has happened. An event nobody knows only lets time pass."""
        name = event[0]
        actions: "Actions" = []
        if name in ("edge", "press", "pendant"):
            actions = self._carry_out(self._presses.handle(event, now), now)
        elif name != "time":
            # One method per event; a chain of comparisons would be as long as this class.
            handler = getattr(self, "_on_" + name, None)
            if handler is not None:
                actions = handler(event, now)
        actions += self._time(now)
        if self.vigil is not None:
            self.vigil.note(len(self._reports.waiting) > 0 or self._report is not None, now)
        return actions + self._show(now)

    def next_wakeup(self, now: int) -> "int | None":
        """When ("time",) is to be handled next."""
        due = [self._vitals.next_wakeup(), self._courier.next_wakeup(now), self._presses.next_wakeup(now)]
        due.append(self._locate.next_wakeup() if self._looking else None)
        due.append(None if self.vigil is None else self.vigil.next_wakeup(now))
        if self._reboot is not None:
            due.append(self._reboot[1])
        return min([at for at in due if at is not None])

    def busy(self, now: int) -> "dict[str, bool]":
        """What keeps the unit from resting, by core.rest's reasons."""
        return {
            "alarm": self.is_open(),
            "pending": self.vigil is not None and self.vigil.holds(now),
            "search": self._locate.wanted(now),
            "drill": self._presses.drill.is_open(now),
        }

    def report_due(self) -> "int | None":
        """When the next heartbeat is due."""
        return self._vitals.next_wakeup()

    def remembered(self, now: int) -> "list[int]":
        """What a deep sleep must not wipe out: seconds until the next full status and the next drill; operator and
        radio technology (0: none); what the network grants (active time, period, eDRX cycle)."""
        fields, status = self._means.measure()
        granted = (messages.STATUS_PSM_ACTIVE, messages.STATUS_PSM_TAU, messages.STATUS_EDRX)
        told = [self._vitals.status_in(now), self._presses.drill.left(now)]
        told += [fields.get(name) or 0 for name in ("operator", "radio")]
        return told + [status.get(key, 0) for key in granted]

    def refusals(self) -> int:
        """What has been refused since this boot began, or the deep sleeps before it."""
        pendants = 0 if self.pendants is None else self.pendants.refused
        return self.refused + self._commands.refused + self._receipts.refused + pendants

    def interval(self) -> int:
        """Seconds between heartbeats now."""
        return self._vitals.next_due()

    def take_seq(self) -> int:
        """The next sequence number, for who has no memory for more."""
        self._seq += 1
        return self._seq

    def take_key(self) -> "Key":
        """The next (boot, seq)."""
        self._seq += 1
        return self.boot, self._seq

    # What happens, one method per event.

    def _on_refused(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        self.refused += 1
        return []

    def _on_pipe(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        change = self._courier.pipe_up if event[2] else self._courier.pipe_down
        return self._translate(change(event[1], now), now)

    def _on_unsent(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        return self._translate(self._courier.failed(event[1], event[2], now), now)

    def _on_report(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        return self._event(event[1], event[2], None, now)

    def _on_fault(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        data = self._faults.note(event[1], event[2], now, event[3] if len(event) > 3 else 1)
        return [] if data is None else self._event(messages.EVENT_FAULT, data, None, now)

    def _on_position(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        if not self._locate.takes(_LATITUDE in event[1], now):
            return []
        return self._event(messages.EVENT_POSITION, event[1], self._locate.about(), now)

    def _on_heartbeat(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        if event[1]:
            self._courier.alone()
        if self._spare is not None:
            self._spare.prove()
        self._vitals.soon(now)
        return []

    def _on_wake(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        self._vitals.woken(now)
        return []

    def _on_status(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        self._vitals.changed(now)
        return []

    def _vital(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        told = self._vitals.handle(event, now)
        return [] if told is None else self._event(told[0], told[1], None, now)

    _on_mains = _on_charging = _on_worn = _on_battery = _vital

    def _on_receipt(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        pipe = event[3] if len(event) > 3 else None
        told = [((boot, seq), self._courier.receipt((boot, seq), stage, now)) for boot, seq, stage in event[1]]
        actions: "Actions" = []
        # The courier orders something for what has changed, and for nothing else.
        if self._receipts.fresh(event[2], any([orders for _, orders in told])):
            actions.append(("alive", pipe, self._receipts.time))
            if self.vigil is not None:
                self.vigil.heard(now)
            self._courier.answered()
            if self._spare is not None and pipe is not None:
                self._spare.heard(pipe, now)
        for key, orders in told:
            actions += self._translate(orders, now) + self._consumed(key)
            if key == self._report:
                self._report = None
                self._vitals.arrived(now)
            self._vitals.receipt(key, now)
        return actions

    def _on_command(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        command = event[1]
        outcome = self._commands.handle(command, bool(self._alarms.open))
        if outcome is None:
            return []
        result, data, effects = outcome
        key = self.take_key()
        answer = messages.Answer(boot=key[0], seq=key[1], number=command.number, result=result, data=data)
        actions: "Actions" = [one for one in effects if one[0] == "keep"]
        actions += self._wait(key, FAULT, answer, True, now)
        for effect in effects:
            name = effect[0]
            if name == "drill":
                self._presses.drill.open(effect[1], now)
            elif name == "status":
                self._vitals.ask(now)
            elif name == "heartbeat":
                self._vitals.plan(effect[1], effect[2], now)
            elif name == "search":
                self._locate.search(effect[1], effect[2], now)
            elif name == "reboot":
                self._reboot = (key, now + REBOOT_MS)
            elif name == "cellular":
                actions.append(effect)
        return actions

    # Time, and what it brings.

    def _time(self, now: int) -> "Actions":
        actions = self._carry_out(self._presses.handle(("time",), now), now)
        if self._vitals.due(now):
            self._report = self.take_key()
            radio = None if self._spare is None else self._proving(self._spare, now)
            self._vitals.sent(now)
            by = self._vitals.announced
            actions += self._translate(self._courier.submit(self._report, HEARTBEAT, now, radio=radio, by=by), now)
            silent = None if self._spare is None else self._spare.silent(now)
            if silent is not None:
                actions += self._on_fault(("fault", FAULT_PORT, "no answer: " + silent), now)
        wanted = self._locate.wanted(now)
        if wanted != self._looking:
            self._looking = wanted
            actions.append(("cellular", ("locate", wanted)))
        actions += self._translate(self._courier.timeout(now), now)
        if self._reboot is not None:
            key, at = self._reboot
            if now >= at or self._reports.find(key) is None:
                self._reboot = None
                if not self._alarms.open:
                    actions.append(("reboot",))
        return actions

    def _proving(self, spare: "Spare", now: int) -> "str | None":
        """The radio that the heartbeat of now is to prove. The status goes along: with it, and over no other radio, the
        fleet learns which network the modem is on."""
        radio = spare.wanted(now)
        if radio is not None:
            self._vitals.ask(now)
        return radio

    def _show(self, now: int) -> "Actions":
        lamp = self._alarms.lamp(now)
        if lamp == self._lamp:
            return []
        self._lamp = lamp
        return [("lamp", lamp)]

    # The parts' orders as actions of the unit.

    def _carry_out(self, orders: "Actions", now: int) -> "Actions":
        """The presses' orders."""
        actions: "Actions" = []
        for order in orders:
            name = order[0]
            if name == "submit":
                actions += self._translate(self._courier.submit(order[1], ALARM, now), now)
            elif name == "show":
                actions += self._show(now)
            elif name == "event":
                actions += self._event(order[1], order[2], order[3], now)
            elif name == "fault":
                actions += self._on_fault(order, now)
            elif name == "forget":
                self._courier.forget(order[1])
                self._remember(order[1])
            else:
                actions.append(order)
        return actions

    def _event(self, kind: int, data: "dict[int, Any]", about: "Key | None", now: int) -> "Actions":
        """Something to tell the fleet; on flash first."""
        key = self.take_key()
        about_boot, about_seq = (None, None) if about is None else about
        message = messages.Event(
            boot=key[0], seq=key[1], kind=kind, age=0, about_boot=about_boot, about_seq=about_seq, data=data or None
        )
        # A search's positions are worth nothing an hour later, and flash wears.
        keep = kind != messages.EVENT_POSITION or about is not None
        return self._wait(key, events.priority(kind), message, keep, now)

    def _wait(self, key: "Key", priority: int, message: "messages.Message", keep: bool, now: int) -> "Actions":
        try:
            record = self._reports.add(key, priority, message, keep, now)
        except messages.MessageError:
            # A port told something that fits no message of ours.
            self.refused += 1
            return []
        actions: "Actions" = [] if record is None else [("journal", record)]
        actions += self._surplus()
        return actions + self._translate(self._courier.submit(key, priority, now), now)

    def _surplus(self) -> "Actions":
        """Give up what is too much."""
        actions: "Actions" = []
        for one in self._reports.surplus():
            self._courier.forget(one.key)
            actions += self._consumed(one.key)
        return actions

    def _consumed(self, key: "Key") -> "Actions":
        record = self._reports.done(key)
        return [] if record is None else [("journal", record)]

    def _translate(self, orders: "Actions", now: int) -> "Actions":
        """The courier's orders."""
        actions: "Actions" = []
        for order in orders:
            name = order[0]
            if name == "send":
                urgent = self._alarms.find(order[1]) is not None
                try:
                    message = self._message(order[1], order[2], order[3], now)
                except MemoryError:
                    # Nothing has changed by it: it counts as not sent.
                    actions.append(("send", order[3], order[1], None, urgent))
                    continue
                if message is None:
                    actions += self._consumed(order[1])
                    self._courier.forget(order[1])
                else:
                    actions.append(("send", order[3], order[1], message, urgent))
            elif name == "query":
                actions.append(("send", order[2], None, messages.Query(open=order[1]), False))
            elif name == "stage":
                actions += self._reached(order[1], order[2], now)
            elif name == "give_up":
                actions += self._consumed(order[1])
                if order[1] == self._report:
                    self._report = None
            elif name == "forgotten":
                record = self._alarms.close(order[1])
                if record is not None:
                    actions.append(("journal", record))
                self._remember(order[1])
            elif name == "full" and order[1] not in self._full:
                self._full.append(order[1])
        return actions

    def _reached(self, key: "Key", stage: int, now: int) -> "Actions":
        press = self._alarms.find(key)
        actions = self._carry_out(self._presses.reached(key, stage, now), now)
        if not actions:
            return []
        if stage >= messages.TAKEN:
            self._remember(key)
        elif press is not None and press.kind != messages.KIND_TEST:
            # A drill asks nobody to come, and nobody may know where its wearer is.
            self._locate.stored(key, now)
        # There may be room at the courier now for presses that found none; the freshest goes first.
        waiting, self._full = self._full, []
        for one in reversed(waiting):
            actions += self._translate(self._courier.submit(one, ALARM, now), now)
        self._full.reverse()
        return actions

    def _remember(self, key: "Key") -> None:
        self._over = self._over[1 - MOST_OVER :] + [key]

    def _state(self, key: "Key") -> "int | None":
        """What a challenge about a press is answered; None if the unit cannot tell."""
        if self._alarms.find(key) is not None:
            return obey.OPEN
        known = key in self._over or self._means.past(key)
        return None if known is None else obey.OVER if known else obey.NOT_MINE

    def _message(self, key: "Key", attempt: int, pipe: str, now: int) -> "messages.Message | None":
        bearer = self._means.bearer(pipe)
        one = self._alarms.find(key)
        if one is not None:
            wall = self._means.wall()
            stuck = self._presses.stuck(one)
            return self._alarms.message(
                one, attempt, now, wall, self._receipts.time, bearer, self._vitals.battery, stuck
            )
        waiting = self._reports.find(key)
        if waiting is not None:
            return self._reports.message(waiting, now)
        if key != self._report:
            return None
        fields, status = self._means.measure()
        fields["bearer"] = bearer
        fields = self._vitals.fields(key, fields, status, now)
        return messages.Heartbeat(
            boot=key[0], seq=key[1], next_due=self._vitals.next_due(), attempts=min(attempt, COUNTED),
            open=min(len(self._alarms.open), COUNTED), refused=min(self.refusals(), COUNTED), echo=self._receipts.time,
            **fields,
        )  # fmt: skip
