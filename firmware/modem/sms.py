"""The last resort: one sealed frame as one SMS. Nobody knows when an SMS arrives, so it never replaces another pipe."""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LONGEST = 140
APART_MS = 30000
"""Between two messages: a network that stores them delivers each of them, and each costs money."""


class SmsPipe:
    """`number` is the fleet's. `ready()` says whether the modem has a network, `go()` that a frame waits in `frame`.
    Attributes: `sent`, messages that the network has taken; `refused`, `errors`."""

    last_resort = True

    def __init__(
        self,
        name: str,
        number: str,
        clock: "Any",
        go: "Callable[[], None]",
        on_change: "Callable[[object], None]",
    ) -> None:
        self.name = name
        self.number = number
        self.up = False
        self.bearer = 0
        self.frame: "bytes | None" = None
        self.sent = 0
        self.errors = 0
        self.refused = 0
        self._clock = clock
        self._go = go
        self._on_change = on_change
        self._not_before = 0

    def set_up(self, up: bool) -> None:
        """Whether there is a network."""
        if up != self.up:
            self.up = up
            self._on_change(self)

    def hurry(self) -> None:
        """An alarm is waiting; what it has to say may not be here yet."""
        if self.frame is not None:
            self._go()

    def send(self, key: "object", frame: bytes, urgent: bool) -> bool:
        """Send a frame in place of one that has not gone yet. False: too long, too soon after the last, or no network;
        and for everything but an alarm."""
        now = self._clock.now()
        if not urgent or not self.up or len(frame) > LONGEST or now < self._not_before:
            return False
        self._not_before = now + APART_MS
        self.frame = bytes(frame)
        self._go()
        return True

    def gone(self, ok: bool) -> None:
        """The network has taken it, or not."""
        self.frame = None
        if ok:
            self.sent += 1
        else:
            self.errors += 1
            self._not_before = self._clock.now()

    def timeout(self, now: int) -> None:
        """Nothing is ever due: what comes back comes as an SMS or another way."""

    def next_wakeup(self, now: int) -> "int | None":
        """Never."""
        return None

    async def run(self) -> None:
        """Nothing to do: the modem's own task sends."""
        await asyncio.Event().wait()
