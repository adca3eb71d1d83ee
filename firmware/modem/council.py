"""Ladder, governor and choice of SIM as one: what one of them has decided reaches the others. Pure.

It decides nothing itself. What is to be kept, reported or told is appended to `_out`; the ladder's last rung waits in
`_rung`.
"""

from firmware.core.governor import ATTACH, Governor
from firmware.core.registration import Ladder
from firmware.core.sim_choice import SimChoice
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.core.sim_choice import Policy

    Actions = list[tuple[Any, ...]]

_OF_THE_CARD = ("registered", "lost", "sim", "barred", "restarted", "asked", "receipt")
"""Events of the choice that are about the card in use."""


class Council:
    """`kept(name)` is what was kept last under "governor", "ladder" and "sims". `slot` is the card in use, which is not
    the chosen one as long as a change has to wait."""

    def __init__(
        self,
        slots: int,
        policy: "Policy",
        kept: "Callable[[str], Any]",
        random: "Callable[[int], int]",
        now: int,
    ) -> None:
        self.governor = Governor(kept("governor"), random, now)
        self.ladder = Ladder(kept("ladder"), now)
        self.choice = SimChoice(kept("sims"), policy, slots, random, now)
        self.slot = self.choice.active
        self._rung: "str | None" = None
        self._reason = 0
        self._worked = self.ladder.state()
        self._out: "Actions" = []

    def _govern(self, event: "tuple[Any, ...]", now: int) -> None:
        for action in self.governor.handle(event, now):
            if action[0] == "keep":
                self._out.append(("keep", "governor", action[1]))

    def _climb(self, event: "tuple[Any, ...]", now: int) -> None:
        for action in self.ladder.handle(event, now):
            name = action[0]
            if name == "registered":
                self._govern(("done", ATTACH, self.slot), now)
                self._registered(now)
            elif name == "lost":
                self._choose(("lost",), now)
            elif name == "barred":
                self._govern(("failed", ATTACH, self.slot, action[1]), now)
                self._choose(("barred",), now)
            else:
                self._rung = name
        if self.ladder.worked != self._worked:
            self._worked = self.ladder.state()
            self._out.append(("keep", "ladder", self._worked))

    def _registered(self, now: int) -> None:
        # Which network it is, the next survey tells.
        operator, technology = self.choice.seen[self.slot]
        self._choose(("registered", operator, technology), now)

    def _choose(self, event: "tuple[Any, ...]", now: int) -> None:
        if self.slot != self.choice.active and event[0] in _OF_THE_CARD:
            return
        for action in self.choice.handle(event, now):
            name = action[0]
            if name == "keep":
                self._out.append(("keep", "sims", action[1]))
            elif name == "switch":
                self._reason = action[2]
            elif name == "heartbeat":
                self._out.append(("tell", action))
            elif name == "proven":
                self._report(messages.EVENT_SIM_PROVEN, (action[1], int(action[2])))
            elif name == "undiverse":
                self._report(messages.EVENT_PATHS_NOT_DIVERSE, action[1:])
            elif name == "closing":
                self._report(messages.EVENT_TECHNOLOGY_CLOSING, action[1:])

    def _report(self, kind: int, values: "tuple[int, ...]") -> None:
        data = dict([(place + 1, value) for place, value in enumerate(values)])
        self._out.append(("tell", ("report", kind, data)))
