"""Rest of the whole unit: tells `core.rest` what goes on, and carries out what it decides. Decides nothing itself.

What would be lost in a deep sleep and matters afterwards goes through the processor's own memory (`ports.sleep`): how
long until the next full status and the next drill, the energy book (`core.ledger`), and what the choice of SIM counts
(`core.sim_choice`), each of whose times is longer than a wake. Presses and messages that wait are in the journal
anyway, and while one of them does the unit does not sleep.
"""

from firmware.core.ledger import EnergyBook
from firmware.core.rest import Rest
from firmware.ports.console import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.core.setup import Profile
    from firmware.core.unit import Unit
    from firmware.ports.sleep import Sleep


ACTIVE, BOOK, CARDS, SILENT, REFUSED = 4, 7, 8, 9, 10
"""The places of the energy book, of the choice of SIM, of the seconds of silence and of what was refused, in what is
remembered; before them is what the brain remembers, PSM's active time as granted among it (0 for none)."""
LOOK_MS = 10000
"""While the choice of SIM keeps the board awake it is asked so often whether it still does."""


DEAD = "dead"
"""Of firmware.modem.orders, which a unit without a modem does not load."""


class Repose:
    """`tell(event)` reaches the modem's part; `save()` is called right before a deep sleep; `untold()` says whether
    something may be about to become a press that the brain does not have; `cards` is the modem's conduct, where there
    is one. Attribute: `book`."""

    def __init__(
        self,
        profile: "Profile",
        unit: "Unit",
        sleep: "Sleep",
        tell: "Callable[[tuple[Any, ...]], None]",
        save: "Callable[[], object]",
        untold: "Callable[[], bool]",
        now: int,
        cards: "Any" = None,
    ) -> None:
        self._rest = Rest(profile, now)
        self._unit = unit
        self._sleep = sleep
        self._tell = tell
        self._save = save
        self._untold = untold
        self._cards = cards
        memory = sleep.memory
        known = memory[BOOK] if isinstance(memory, list) and len(memory) > BOOK else None
        self.book = EnergyBook(profile.battery[1], now, known, sleep.slept)
        self._mains: "list[str]" = []
        self._told: "dict[str, bool]" = {}

    def sensor(self, event: "tuple[Any, ...]") -> None:
        """Mains and charging, as the sensors tell them."""
        name = event[0]
        if name not in ("mains", "charging"):
            return
        there = event[1] if name == "charging" else not event[1]
        if there and name not in self._mains:
            self._mains.append(name)
        elif not there and name in self._mains:
            self._mains.remove(name)

    def energy(self, event: "tuple[Any, ...]", now: int) -> None:
        """("state", consumer, state) or ("exchange",): for the book, and the modem's state for the decision."""
        self._note(event, now)
        if event[0] == "state" and event[1] == "modem":
            self._carry_out(self._rest.handle(("modem", event[2]), now), now)

    def turn(self, now: int) -> "int | None":
        """What goes on now; when to look again."""
        facts = self._unit.busy(now)
        unsettled = self._cards is not None and self._cards.choice.unsettled(now)
        if unsettled:
            facts["pending"] = True
        facts["mains"] = len(self._mains) > 0
        facts["working"] = False
        for why in sorted(facts):
            if self._told.get(why, why == "working") != facts[why]:
                self._told[why] = facts[why]
                self._carry_out(self._rest.handle(("busy", why, facts[why]), now), now)
        self._carry_out(self._rest.handle(("barren", self._unit.vigil.least_sleep(now)), now), now)
        self._carry_out(self._rest.handle(("next", self._unit.report_due()), now), now)
        return now + LOOK_MS if unsettled else self._rest.next_wakeup(now)

    def _note(self, event: "tuple[Any, ...]", now: int) -> None:
        for _, ms, spent in self.book.handle(event, now):
            say("wake of", ms, "ms,", spent, "uJ")

    def _carry_out(self, actions: "list[tuple[Any, ...]]", now: int) -> None:
        for action in actions:
            if action[0] == "modem_rest":
                self._tell(("rest", action[1], action[2]))
                self._note(("rest" if action[1] else "wake",), now)
            elif action[0] == "deep_sleep":
                self._save()
                memory = self._unit.remembered(now)
                memory.append(self.book.remember(now, memory[ACTIVE] > 0))
                memory.append(None if self._cards is None else self._cards.remembered(now))
                memory.append(self._unit.vigil.silent(now))
                memory.append(self._unit.refusals())
                if self._cards is not None and self._cards.state == DEAD:
                    # No word reaches it: an alarm cuts its power as well.
                    self._sleep.off("modem_power")
                # Flash takes its time, and the modem's word may come right behind a press: is it still so?
                if any(self._unit.busy(now).values()) or self._untold() or not self._sleep.begin(action[1], memory):
                    self._carry_out(self._rest.handle(("awake",), now), now)
