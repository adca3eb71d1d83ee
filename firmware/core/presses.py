"""From what happens at the inputs to presses that are open: contacts, pendants, cancel windows and drills together.

Pure. It joins the pure machines of `core.contact`, `core.pendants`, `core.cancel`, `core.drill` and `core.alarm`. It
never decides when something is sent.

Events: ("edge", code, closed, at) of a contact, with its own time; ("pendant", frame); ("press", code) that somebody
else has established; ("time",).
Orders, to be carried out in turn: ("journal", record); ("show",) what the wearer sees may have changed; ("submit", key)
a press that is to be sent; ("forget", key) one that is no longer; ("event", kind, data, key of the press or None);
("fault", code, text); ("keep", name, value).
"""

from firmware.core import alarm
from firmware.core.alarm import NO_INPUT, Alarms
from firmware.core.cancel import Tap
from firmware.core.contact import Inputs
from firmware.core.drill import GIVE_UP_MS, Drill
from firmware.core.events import FAULT_DRILL
from firmware.core.profiles import CANCEL, DURESS, MAN_DOWN, OWN
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from firmware.core.pendants import Pendants
    from firmware.core.records import Entry
    from firmware.core.setup import Setup

    Orders = list[tuple[Any, ...]]

_PENDANT_EVENTS = (
    ("missed", messages.EVENT_PENDANT_MISSED),
    ("back", messages.EVENT_PENDANT_BACK),
    ("low", messages.EVENT_PENDANT_BATTERY_LOW),
)


class Presses:
    """The presses of one boot. `key()` takes the next (boot, seq); `wall()` is the unit's own clock (unix s)."""

    def __init__(
        self,
        setup: "Setup",
        entries: "Iterable[Entry]",
        pendants: "Pendants | None",
        drill: "Any",
        random: "Callable[[int], int]",
        key: "Callable[[], tuple[int, int]]",
        wall: "Callable[[], int]",
        now: int,
    ) -> None:
        self.drill = Drill(drill, random, now)
        self.inputs = Inputs(setup.inputs, self.drill)
        self.pendants = pendants
        self.alarms = Alarms(entries, self._flags, now)
        self._key = key
        self._wall = wall
        self._drilling: "tuple[int, int] | None" = None
        own = self.inputs.find(OWN)
        self._taps: "dict[int, Tap]" = {CANCEL: Tap()}
        if own is not None and own.hold:
            self._taps[OWN] = Tap(own.hold, False)
        for one in self.alarms.open:
            one.code = self._code(one.kind, one.code)
            found = self.inputs.find(one.code)
            if found is not None and one.kind != messages.KIND_TEST:
                found.resume(one.count, one.age(now) * 1000, now)

    def _code(self, kind: int, input_code: int) -> int:
        """The input that a press of an earlier boot came from."""
        sensor = {messages.KIND_MAN_DOWN: MAN_DOWN, messages.KIND_DURESS: DURESS}.get(kind)
        return sensor if sensor is not None and self.inputs.find(sensor) is not None else input_code

    def _flags(self, kind: int, input_code: int) -> int:
        """The flags of a press that an earlier boot has made."""
        one = self.inputs.find(self._code(kind, input_code))
        flags = one.flags if one is not None else 0
        if kind == messages.KIND_TEST:
            return flags | messages.ALARM_TEST
        return flags | messages.ALARM_SILENT if kind == messages.KIND_DURESS else flags

    def stuck(self, one: "alarm.Press") -> bool:
        """Whether the input of a press is stuck now."""
        found = self.inputs.find(one.code)
        return found is not None and found.stuck != 0

    def handle(self, event: "tuple[Any, ...]", now: int) -> "Orders":
        """What is to be done now that this has happened."""
        name = event[0]
        orders: "Orders" = []
        if name == "edge":
            code, closed, at = event[1], event[2], event[3]
            tap = self._taps.get(code)
            if tap is not None:
                orders += self._cancel(code, tap.edge(closed, at), now)
            orders += self._told(self.inputs.handle(("edge", code, closed), at), now)
        elif name == "press":
            orders += self._told(self.inputs.handle(event, now), now)
        elif name == "pendant" and self.pendants is not None:
            orders += self._pendant(self.pendants.handle(("frame", event[1]), now), now)
        return orders + self._time(now)

    def next_wakeup(self, now: int) -> "int | None":
        """When ("time",) is to be handled next."""
        due = [self.inputs.next_wakeup(now), self.alarms.next_wakeup(now), self.drill.next_wakeup()]
        due += [self._taps[code].next_wakeup() for code in self._taps]
        if self.pendants is not None:
            due.append(self.pendants.next_wakeup(now))
        if self._drilling is not None:
            one = self.alarms.find(self._drilling)
            if one is not None:
                due.append(one.since + GIVE_UP_MS)
        return min([at for at in due if at is not None])

    def reached(self, key: "tuple[int, int]", stage: int, now: int) -> "Orders":
        """A verified receipt has shown this stage of a press."""
        one = self.alarms.find(key)
        record = self.alarms.reached(key, stage, now)
        if one is None or record is None:
            return []
        orders: "Orders" = []
        if stage >= messages.TAKEN:
            calm = not [other for other in self.alarms.open if other.code == one.code]
            # Repeats that have not been told are a press now: on flash before the one that spoke for them is over.
            orders += self._told(self.inputs.handle(("taken", one.code, calm), now), now)
        return orders + [("journal", record)]

    def _time(self, now: int) -> "Orders":
        orders: "Orders" = []
        for code in sorted(self._taps):
            orders += self._cancel(code, self._taps[code].time(now), now)
        orders += self._told(self.inputs.handle(("time",), now), now)
        if self.pendants is not None:
            orders += self._pendant(self.pendants.handle(("time",), now), now)
        orders += [("journal", record) for record in self.alarms.ages(now)]
        return orders + self._drill(now)

    def _told(self, actions: "Orders", now: int) -> "Orders":
        """What the inputs have told, as orders."""
        orders: "Orders" = []
        for place, action in enumerate(actions):
            name, code = action[0], action[1]
            if name == "pressed":
                orders += self._pressed(action, now)
            elif name == "test":
                orders += self._press(code, messages.KIND_TEST, action[2], 1, action[3])
            elif name == "pending":
                orders += self._pending(code, now)
            elif name == "cancelled":
                before = actions[place - 1] if place else ("",)
                forced = before[0] == "pressed" and before[1] == code and before[2] == messages.KIND_DURESS
                orders += self._cancelled(code, forced)
            elif name == "stuck":
                data = {1: alarm.wire_input(code), 2: action[2]}
                orders.append(("event", messages.EVENT_INPUT_STUCK, data, None))
            elif name == "released":
                orders.append(("event", messages.EVENT_INPUT_RELEASED, {1: alarm.wire_input(code)}, None))
        return orders

    def _pressed(self, action: "tuple[Any, ...]", now: int) -> "Orders":
        _, code, kind, flags, count, _, ago = action
        self.drill.over(code)
        window = self.alarms.window(code)
        if window is not None and kind == window.kind:
            # The window is over: what the journal has as a press is one now.
            window.window = False
            orders: "Orders" = []
            if count > window.count:
                record = self.alarms.count(window, count)
                orders.append(("journal", record))
            return orders + [("show",), ("submit", window.key)]
        return self._press(code, kind, flags, count, now - ago * 1000)

    def _press(self, code: int, kind: int, flags: int, count: int, since: int) -> "Orders":
        one, record = self.alarms.press(self._key(), kind, code, flags, count, self._wall(), since)
        # The wearer sees that the press was noticed before the radio is used.
        return [("journal", record), ("show",), ("submit", one.key)]

    def _pending(self, code: int, now: int) -> "Orders":
        found = self.inputs.find(code)
        if found is None:
            return []
        one, record = self.alarms.press(self._key(), found.kind, code, found.flags, 1, self._wall(), now)
        if self.alarms.pend(one):
            return [("journal", record), ("show",)]
        # So many presses wait already that it was counted into one of them.
        return [("journal", record), ("show",), ("submit", one.key)]

    def _cancelled(self, code: int, forced: bool) -> "Orders":
        one = self.alarms.window(code)
        if one is None:
            return []
        record = self.alarms.close(one.key)
        orders: "Orders" = [("journal", record), ("show",), ("forget", one.key)]
        if not forced:
            orders.append(("event", messages.EVENT_CANCELLED, {1: alarm.wire_input(code)}, one.key))
        return orders

    def _cancel(self, code: int, forced: "bool | None", now: int) -> "Orders":
        """A tap takes back what may be taken back; the unit's own button never its own press."""
        orders: "Orders" = []
        if forced is not None:
            for one in [one for one in self.alarms.open if one.window and one.code != code]:
                orders += self._told(self.inputs.handle(("cancel", one.code, forced), now), now)
        return orders

    def _pendant(self, actions: "Orders", now: int) -> "Orders":
        orders: "Orders" = []
        for action in actions:
            name = action[0]
            if name == "press":
                orders += self._told(self.inputs.handle(action, now), now)
            elif name == "test":
                # Had one been ordered too, it is done.
                self.drill.over(action[1])
                orders += self._press(action[1], messages.KIND_TEST, messages.ALARM_TEST, 1, now)
            elif name == "keep":
                orders.append(("keep", "pendants", action[1]))
            else:
                for told, kind in _PENDANT_EVENTS:
                    if told == name:
                        data = {1: action[1]} if name == "back" else {1: action[1], 2: action[2]}
                        orders.append(("event", kind, data, None))
        return orders

    def _drill(self, now: int) -> "Orders":
        """The drill that nobody presses."""
        orders: "Orders" = []
        one = self.alarms.find(self._drilling) if self._drilling is not None else None
        if one is not None and now >= one.since + GIVE_UP_MS:
            # Nobody waits at this lamp: asking for its stages any longer is not worth the radio.
            orders += [("journal", self.alarms.close(one.key)), ("forget", one.key)]
            if not one.stage:
                orders.append(("fault", FAULT_DRILL, "a drill was not stored"))
            self._drilling = one = None
        if self.drill.due(now) and one is None:
            orders += self._press(NO_INPUT, messages.KIND_TEST, messages.ALARM_TEST, 1, now)
            self._drilling = orders[-1][1]
        left = self.drill.keep(now)
        if left is not None:
            orders.append(("keep", "drill", left))
        return orders
