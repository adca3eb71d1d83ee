"""The unit's brain: events in, actions out, in the order in which they must be carried out.

Pure: `handle(event, now)` with `now` in milliseconds since boot. It owns the one sequence number per boot, the open
presses, the courier and the heartbeat. It never touches flash, a key or a socket, and it never raises for anything that
came from outside.

Events: ("pressed", input, kind), ("receipt", items, time) of a receipt that was opened and verified,
("refused",) for a down frame that was not, ("pipe", name, up), ("unsent", key, pipe) when a pipe could not take a
frame, ("time",) to let time pass.

Actions: ("journal", record) is to be on flash before the next action is carried out; ("send", pipe, key, message,
urgent) builds no bytes that may be kept: seal with a fresh counter and send; ("lamp", stage) of core.stages.
"""

from firmware.core.alarm import COUNTED, Alarms
from protocols.wire import messages
from protocols.wire.courier import ALARM, HEARTBEAT, Courier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from firmware.core.heartbeat import Heartbeat
    from firmware.core.records import Entry

    Actions = list[tuple[Any, ...]]

STATUS_EVERY_MS = 86400000
"""The full status goes with the first heartbeat after boot and then daily."""
_LONGEST_JITTER_MS = 60000


class Unit:
    """One boot of one unit.

    `boot` is this boot's number; `pipes` are names in preferred order; `random(n)` gives an integer in 0..n-1;
    `heartbeat` is core.heartbeat's plan; `entries` are the journal's open presses; `measure()` gives two dicts: what a
    heartbeat says of the unit now (fields of messages.Heartbeat) and the full status; `wall()` gives the unit's own
    clock (unix s); `bearer` as in messages.
    """

    def __init__(
        self,
        boot: int,
        pipes: "Sequence[str]",
        random: "Callable[[int], int]",
        heartbeat: "Heartbeat",
        entries: "Iterable[Entry]",
        measure: "Callable[[], tuple[dict[str, Any], dict[int, Any]]]",
        wall: "Callable[[], int]",
        bearer: "int | None",
        now: int,
    ) -> None:
        self.boot = boot
        self.heartbeat = heartbeat
        self.refused = 0
        self._seq = 0
        self._alarms = Alarms(entries, now)
        jitter = min(_LONGEST_JITTER_MS, heartbeat.interval * 250)
        self._courier = Courier(pipes, random, jitter=jitter)
        self._measure = measure
        self._wall = wall
        self._bearer = bearer
        self._echo: "int | None" = None
        self._lamp = 0
        self._report: "tuple[int, int] | None" = None
        self._status_due = now
        self._status_in: "tuple[int, int] | None" = None
        self._full: "list[tuple[int, int]]" = []

    def start(self, now: int) -> "Actions":
        """Take up what the last boot has left, and plan the first heartbeat."""
        self.heartbeat.start(now)
        actions: "Actions" = []
        for one in list(self._alarms.open):
            actions += self._translate(self._courier.submit(one.key, ALARM, now, one.stage), now)
        return actions + self._show(now)

    def urgent(self) -> bool:
        """Whether a press is not stored yet."""
        return any([not one.stage for one in self._alarms.open])

    def handle(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        """What is to be done now that this has happened."""
        name = event[0]
        if name == "pressed":
            actions = self._pressed(event[1], event[2], now)
        elif name == "receipt":
            actions = self._receipt(event[1], event[2], now)
        elif name == "pipe":
            change = self._courier.pipe_up if event[2] else self._courier.pipe_down
            actions = self._translate(change(event[1], now), now)
        elif name == "unsent":
            actions = self._translate(self._courier.failed(event[1], event[2], now), now)
        else:
            actions = []
            if name == "refused":
                self.refused += 1
        return actions + self._time(now) + self._show(now)

    def next_wakeup(self, now: int) -> "int | None":
        """When ("time",) is to be handled next."""
        due = [self.heartbeat.due, self._courier.next_wakeup(now), self._alarms.next_wakeup(now)]
        known = [at for at in due if at is not None]
        return min(known) if known else None

    def _key(self) -> "tuple[int, int]":
        self._seq += 1
        return self.boot, self._seq

    def _pressed(self, input_code: int, kind: int, now: int) -> "Actions":
        key = self._key()
        one, record = self._alarms.press(key, kind, input_code, self._wall(), now)
        actions: "Actions" = [("journal", record)]
        # The wearer sees that the press was noticed before the radio is used.
        actions += self._show(now)
        return actions + self._translate(self._courier.submit(one.key, ALARM, now), now)

    def _receipt(self, items: "Sequence[tuple[int, int, int]]", time: "int | None", now: int) -> "Actions":
        if time is not None:
            self._echo = time if self._echo is None else max(self._echo, time)
        actions: "Actions" = []
        for boot, seq, stage in items:
            key = (boot, seq)
            actions += self._translate(self._courier.receipt(key, stage, now), now)
            if key == self._report:
                self._report = None
            if key == self._status_in:
                self._status_in = None
                self._status_due = now + STATUS_EVERY_MS
        return actions

    def _time(self, now: int) -> "Actions":
        actions: "Actions" = [("journal", record) for record in self._alarms.ages(now)]
        if self.heartbeat.due is not None and now >= self.heartbeat.due:
            self._report = self._key()
            self.heartbeat.sent(now)
            actions += self._translate(self._courier.submit(self._report, HEARTBEAT, now), now)
        return actions + self._translate(self._courier.timeout(now), now)

    def _show(self, now: int) -> "Actions":
        lamp = self._alarms.lamp(now)
        if lamp == self._lamp:
            return []
        self._lamp = lamp
        return [("lamp", lamp)]

    def _translate(self, orders: "Actions", now: int) -> "Actions":
        """The courier's orders as actions of the unit."""
        actions: "Actions" = []
        for order in orders:
            name = order[0]
            if name == "send":
                message = self._message(order[1], order[2], now)
                if message is not None:
                    actions.append(("send", order[3], order[1], message, self._alarms.find(order[1]) is not None))
            elif name == "query":
                actions.append(("send", order[2], None, messages.Query(open=order[1]), False))
            elif name == "stage":
                actions += self._reached(order[1], order[2], now)
            elif name == "forgotten":
                record = self._alarms.close(order[1])
                if record is not None:
                    actions.append(("journal", record))
            elif name == "full" and order[1] not in self._full:
                self._full.append(order[1])
        return actions

    def _reached(self, key: "tuple[int, int]", stage: int, now: int) -> "Actions":
        record = self._alarms.reached(key, stage, now)
        if record is None:
            return []
        actions: "Actions" = [("journal", record)]
        # There may be room at the courier now for presses that found none; the freshest goes first.
        waiting, self._full = self._full, []
        for one in reversed(waiting):
            actions += self._translate(self._courier.submit(one, ALARM, now), now)
        self._full.reverse()
        return actions

    def _message(self, key: "tuple[int, int]", attempt: int, now: int) -> "messages.Message | None":
        one = self._alarms.find(key)
        if one is not None:
            return self._alarms.message(one, attempt, now, self._wall(), self._echo, self._bearer)
        if key != self._report:
            return None
        fields, status = self._measure()
        if now >= self._status_due:
            # It goes with every heartbeat until one of them has its receipt.
            fields["status"] = status
            self._status_in = key
        return messages.Heartbeat(
            boot=key[0],
            seq=key[1],
            next_due=self.heartbeat.next_due(),
            bearer=self._bearer,
            attempts=min(attempt, COUNTED),
            open=min(len(self._alarms.open), COUNTED),
            refused=min(self.refused, COUNTED),
            echo=self._echo,
            **fields,
        )
