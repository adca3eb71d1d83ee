"""Which radio is to be proven: one that has brought no receipt for a day carries a heartbeat.

Pure, and only for units with several. A spare way that is first tried by a press may have been dead for months. It
never decides which radio an alarm takes, and proves nothing while the radio's heartbeats come back by themselves.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DAY_MS = 86400000
SPREAD_PARTS = 8
"""Up to this part of a day early, so that a fleet does not prove its spare ways in step."""
HOUR_MS = 3600000
"""A radio that has not answered is asked again after so long; after a start each is within it."""
MISSED = 2
"""Heartbeats over a radio without a receipt that are told as a fault; then again once a day."""


class Spare:
    """`pipes` and `radios` are the courier's; `modem` is the radio for which the modem's part asks for heartbeats;
    `random(n)` gives 0..n-1. Attribute: `modem`."""

    def __init__(
        self,
        pipes: "Sequence[str]",
        radios: "Sequence[str]",
        modem: str,
        random: "Callable[[int], int]",
        now: int,
    ) -> None:
        self.modem = modem
        self._random = random
        self._radio = dict([(pipes[index], radios[index]) for index in range(len(pipes))])
        self._order: "list[str]" = []
        for radio in radios:
            if radio not in self._order:
                self._order.append(radio)
        self._due = [now + random(HOUR_MS) for _ in self._order]
        self._asked = [0 for _ in self._order]
        self._told: "list[int | None]" = [None for _ in self._order]
        self._wished = False

    def prove(self) -> None:
        """The next heartbeat is to prove the modem's path."""
        self._wished = True

    def heard(self, pipe: str, now: int) -> None:
        """A receipt that is a sign of life has come over this pipe."""
        place = self._order.index(self._radio[pipe])
        self._due[place] = now + DAY_MS - self._random(DAY_MS // SPREAD_PARTS)
        self._asked[place] = 0

    def wanted(self, now: int) -> "str | None":
        """The radio that the heartbeat of now is to take, None for any."""
        if self._wished:
            self._wished = False
            return self.modem
        for place in range(len(self._order)):
            if now >= self._due[place]:
                self._due[place] = now + HOUR_MS
                self._asked[place] += 1
                return self._order[place]
        return None

    def silent(self, now: int) -> "str | None":
        """A radio that was asked and does not answer, when that is news."""
        for place in range(len(self._order)):
            told = self._told[place]
            if self._asked[place] > MISSED and (told is None or now >= told + DAY_MS):
                self._told[place] = now
                return self._order[place]
        return None
