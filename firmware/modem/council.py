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
        self.state = orders.OFF
        self._slots = slots
        # Since when a receipt is awaited on this path, and how often the path was made anew for want of one.
        self._waits: "int | None" = None
        self._renewals = 0
        # Whether the card in use is a guest on the network that it has found, and until when it is not sent away.
        self._roams = False
        self.leaves_at = now
        # Whether the unit rests, and whether its modem was put off for it: that was no reset.
        self._rests = False
        self._put_off = False
        # When the modem had a first word to say that nobody had asked for.
        self._spoke = now - orders.SPOKEN_MS
        self._later: "dict[str, int]" = {}
        self._rung: "str | None" = None
        self._reason = 0
        self._worked = self.ladder.state()
        self._out: "Actions" = []

    def remembered(self, now: int) -> "list[Any]":
        """What a deep sleep must not wipe out: the card in use, and what the choice has to remember."""
        return [self.slot] + self.choice.remembered(now)

    def woken(self, known: "Any", slept: int, now: int) -> None:
        """Before anything else, after a deep sleep of `slept` ms: `known` is what `remembered` gave. The board's
        multiplexer has kept its card."""
        if isinstance(known, list) and known and known[0] in range(self.choice.slots):
            self.slot = known[0]
            self.choice.woken(known[1:], slept, now)
        self.governor.slept(slept)
        self._put_off = True

    def _awaited(self, is_open: bool, now: int) -> None:
        if not is_open or self._waits is None:
            self._waits = now if is_open else None

    def _renewal(self) -> "int | None":
        if self._slots > 1 or self.state != orders.UP or self._waits is None:
            return None
        return self._waits + min(orders.RENEW_MS << min(self._renewals, 10), orders.LONGEST_RENEW_MS)

    def _idle(self, state: str, now: int) -> bool:
        """Whether a modem in this state is to be off while the unit rests: without a path it cannot save power in its
        own way, and would search for ever. One that has come out of PSM by itself has its path again in a moment."""
        if not self._rests or self.alarm or state not in orders.PATHLESS:
            return False
        return state == orders.OFF or now >= self._spoke + orders.SPOKEN_MS

    def _put_away(self, now: int) -> None:
        """The modem has left its network and is off."""
        self._put_off = True
        self._govern(("graceful",), now)

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
        if order == "power_on" and self._put_off:
            kinds = (ATTACH,)
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
