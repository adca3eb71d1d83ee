"""What the unit says of itself in a heartbeat and in the status, gathered from its ports. Decides nothing."""

import gc

from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.ports.ballast import Ballast
    from firmware.ports.clock import Clock
    from firmware.ports.journal import Journal


class Gauge:
    """`version` and `profile` go into the status, `reboot` is why this boot began (core.reboot). `sensors` and
    `cellular` are set once they are there. Attribute: `lowest`, the least free heap seen after a collection, what is
    set aside (`ballast`) counted as free: a full unit whose ballast has gone must not look better than one that has
    it."""

    def __init__(
        self, version: str, profile: int, reboot: int, clock: "Clock", journal: "Journal", ballast: "Ballast"
    ) -> None:
        self.sensors: "Any" = None
        self.cellular: "Any" = None
        self.lowest: "int | None" = None
        self._version = version
        self._profile = profile
        self._reboot = reboot
        self._clock = clock
        self._journal = journal
        self._ballast = ballast

    def look(self) -> int:
        """Free heap now; the least is remembered."""
        gc.collect()
        free = gc.mem_free() + self._ballast.held()  # type: ignore[attr-defined]
        self.lowest = free if self.lowest is None else min(self.lowest, free)
        return free

    def measure(self) -> "tuple[dict[str, Any], dict[int, Any]]":
        """(fields of messages.Heartbeat, status)."""
        self.look()
        fields: "dict[str, Any]" = {}
        status = {
            messages.STATUS_VERSION: self._version,
            messages.STATUS_PROFILE: self._profile,
            messages.STATUS_REBOOT: self._reboot,
            messages.STATUS_HEAP_LOW: self.lowest,
            messages.STATUS_UPTIME: self._clock.now() // 1000,
            messages.STATUS_CLOCK: self._clock.unix(),
            messages.STATUS_JOURNAL: self._journal.head,
        }
        if self.cellular is not None:
            told, known = self.cellular.measure()
            fields.update(told)
            status.update(known)
        if self.sensors is not None:
            fields["flags"] = self.sensors.flags() or None
            celsius = self.sensors.temperature()
            self._put(status, messages.STATUS_TEMPERATURE, None if celsius is None else celsius * 10)
            self._put(status, messages.STATUS_BATTERY_MV, self.sensors.battery_mv())
            self._put(status, messages.STATUS_SUPPLY_MV, self.sensors.supply_mv())
        return fields, status

    def _put(self, status: "dict[int, Any]", key: int, value: "Any") -> None:
        if value is not None:
            status[key] = value
