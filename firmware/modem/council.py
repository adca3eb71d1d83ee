"""Ladder, governor and choice of SIM as one: what one of them has decided reaches the others. Pure.

It decides one thing itself: whether the network of the card in use may be used now. What is to be kept, reported or
told is appended to `_out`; the ladder's last rung waits in `_rung`, and `_later` is when the governor lets an order go.
"""

from firmware.core.governor import ATTACH, Governor
from firmware.core.registration import ROAMING, Ladder
from firmware.core.sim_choice import SimChoice
from firmware.modem import orders
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.core.sim_choice import Policy

    Actions = list[tuple[Any, ...]]

_OF_THE_CARD = ("registered", "lost", "sim", "barred", "restarted", "asked", "receipt", "abroad")
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
        self.alarm = False
        # Whether the card in use is a guest on the network that it has found, and until when it is not sent away.
        self._roams = False
        self.leaves_at = now
        self._later: "dict[str, int]" = {}
        self._rung: "str | None" = None
        self._reason = 0
        self._worked = self.ladder.state()
        self._out: "Actions" = []

    def _unwelcome(self, now: int) -> bool:
        """Whether it may be a guest here for an alarm only, and there is none."""
        return self._roams and not self.choice.policy.roaming and not self.alarm and now >= self.leaves_at

    def _turned_away(self, told: "Any", now: int) -> bool:
        """Whether the network that the modem tells of may not be used."""
        self._roams = told.stat == ROAMING
        if told.registered:
            self._choose(("abroad", self._roams), now)
        return self._unwelcome(now)

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

    def _may(self, order: str, now: int) -> bool:
        """Ask the governor. What must wait is asked for again when it may go; a rung is handed back to the ladder."""
        kinds = orders.ASKS.get(order, ())
        card = self.choice.active if order in orders.CHOOSES else self.slot
        wait = max([self.governor.wait(kind, card, now) for kind in kinds] + [0])
        if not wait:
            for kind in kinds:
                self._govern(("want", kind, card), now)
            return True
        if order == self._rung or (order == "power_cut" and self._rung == "cut"):
            self._rung = None
            self._climb(("refused",), now)
        else:
            self._later[order] = now + wait
        return False
