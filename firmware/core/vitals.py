"""The unit's own condition: when it reports, when the full status goes along, and which change is news of its own.

Pure. The status goes with the first heartbeat after boot, then daily, on request and when something in it has changed;
it goes with every heartbeat until one of those has its receipt. Operator and radio technology go with every heartbeat
over a SIM, unless its numbers are so wide that it would pass 80 bytes (docs/wire.md, Sizes); a change of theirs calls
for a status. It never measures anything: values are handed in.
"""

from firmware.core import obey
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.core.heartbeat import Heartbeat
    from firmware.core.setup import Setup

    Key = tuple[int, int]

STATUS_EVERY_MS = 86400000
"""The full status goes with the first heartbeat after boot and then daily."""
CHANGED_MS = 300000
"""A change brings a heartbeat forward, but not twice within this time: cells change all day on a bus."""
WAKE_MS = 60000
"""An SMS from anybody brings a heartbeat forward, at most once in this time."""
LOW = 15
"""Battery in % from which an event tells it, once until it is above `LOW` and `RISE` more."""
RISE = 10
_NARROW = 0xFFFF
_ON_A_CARD = (messages.BEARER_SIM1, messages.BEARER_SIM2)


class Vitals:
    """`kept` is [interval, interval off duty] if the fleet has ordered another than the configuration's.

    `announced` is when the fleet expects a heartbeat, as the last one that has arrived says; None before there is one.
    """

    def __init__(self, setup: "Setup", heartbeat: "Heartbeat", kept: "Any", now: int) -> None:
        self.battery: "int | None" = None
        self.announced: "int | None" = None
        self._heartbeat = heartbeat
        found = obey.intervals(kept, setup)
        self._on_duty, self._off_duty = found if found is not None else (heartbeat.interval, setup.off_duty)
        heartbeat.interval = self._on_duty
        self._low = False
        self._mains_lost: "bool | None" = None
        self._worn: "bool | None" = None
        self._resting = False
        self._status_due = now
        self._status_in: "Key | None" = None
        self._radio: "tuple[Any, Any] | None" = None
        self._brought: "int | None" = None
        self._woken: "int | None" = None

    def start(self, now: int) -> None:
        """Plan the first heartbeat."""
        self._heartbeat.start(now)

    def due(self, now: int) -> bool:
        """Whether a heartbeat is due."""
        return self._heartbeat.due is not None and now >= self._heartbeat.due

    def sent(self, now: int) -> None:
        """It is made now."""
        self._heartbeat.sent(now)

    def arrived(self, now: int) -> None:
        """The last heartbeat has arrived."""
        self.announced = now + self.next_due() * 1000

    def next_due(self) -> int:
        """Seconds until the fleet may miss the next one."""
        return self._heartbeat.next_due()

    def next_wakeup(self) -> "int | None":
        """When the next heartbeat is due."""
        return self._heartbeat.due

    def status_in(self, now: int) -> int:
        """Seconds until the next full status."""
        return max(self._status_due - now, 0) // 1000

    def told(self, seconds: int, operator: int, radio: int, now: int) -> None:
        """A boot that ended in deep sleep has told the status, and this operator and radio technology (0: none); the
        next one is due in so many seconds."""
        self._status_due = now + seconds * 1000
        if operator:
            self._radio = (operator, radio or None)

    def soon(self, now: int) -> None:
        """A heartbeat is wanted now."""
        self._heartbeat.soon(now)

    def woken(self, now: int) -> None:
        """Somebody has knocked who has proven nothing."""
        if self._woken is None or now >= self._woken + WAKE_MS:
            self._woken = now
            self._heartbeat.soon(now)

    def ask(self, now: int) -> None:
        """The status is wanted now."""
        self._status_due = now
        self._heartbeat.soon(now)

    def changed(self, now: int) -> None:
        """Something in the status has changed."""
        self._status_due = min(self._status_due, now)
        if self._brought is None or now >= self._brought + CHANGED_MS:
            self._brought = now
            self._heartbeat.soon(now)

    def plan(self, interval: int, off_duty: int, now: int) -> None:
        """The fleet wants heartbeats at another interval (s); 0 leaves the one off duty."""
        self._on_duty = interval
        if off_duty:
            self._off_duty = off_duty
        self._duty(now)

    def receipt(self, key: "Key", now: int) -> None:
        """The heartbeat with this key has arrived."""
        if key == self._status_in:
            self._status_in = None
            self._status_due = now + STATUS_EVERY_MS

    def handle(self, event: "tuple[Any, ...]", now: int) -> "tuple[int, dict[int, Any]] | None":
        """("mains", lost), ("charging", on), ("worn", on) or ("battery", percent, mV): (kind, data) of the event that
        tells it, or None if it is no news."""
        name, value = event[0], event[1]
        if name == "battery":
            return self._level(value, event[2])
        if name == "charging":
            # Worn units are charged off duty.
            if value != self._resting:
                self._resting = value
                self._duty(now)
            return None
        if name == "mains":
            # Mains that were there at boot are no news; mains that were not are.
            before, self._mains_lost = self._mains_lost, value
            if value != bool(before):
                return (messages.EVENT_MAINS_LOST if value else messages.EVENT_MAINS_BACK), {}
            return None
        before, self._worn = self._worn, value
        if value != (before is None or before):
            return (messages.EVENT_WORN if value else messages.EVENT_NOT_WORN), {}
        return None

    def fields(self, key: "Key", fields: "dict[str, Any]", status: "dict[int, Any]", now: int) -> "dict[str, Any]":
        """What a heartbeat says, of what was measured, its bearer among it: `fields`, with the status if it is time."""
        radio = (fields.pop("operator", None), fields.pop("radio", None))
        if self.battery is not None:
            fields["battery"] = self.battery
        if now >= self._status_due or radio not in (self._radio, (None, None)):
            self._status_due = min(self._status_due, now)
            self._radio = radio
            self._status_in = key
            fields["status"] = status
        if "status" in fields or (fields["bearer"] in _ON_A_CARD and self._room(key)):
            fields["operator"], fields["radio"] = radio
        return fields

    def _room(self, key: "Key") -> bool:
        """Whether boot, seq and interval leave room for the operator: at most one of them is a wide number."""
        return len([one for one in (key[0], key[1], self.next_due()) if one > _NARROW]) < 2

    def _duty(self, now: int) -> None:
        interval = self._off_duty if self._resting and self._off_duty else self._on_duty
        if interval != self._heartbeat.interval:
            self._heartbeat.interval = interval
            # The fleet learns at once by when it may miss the next one.
            self._heartbeat.soon(now)

    def _level(self, percent: "int | None", mv: "int | None") -> "tuple[int, dict[int, Any]] | None":
        self.battery = percent
        if percent is None:
            return None
        if percent > LOW + RISE:
            self._low = False
        if percent > LOW or self._low:
            return None
        self._low = True
        data: "dict[int, Any]" = {1: percent}
        if mv is not None:
            data[2] = mv
        return messages.EVENT_BATTERY_LOW, data
