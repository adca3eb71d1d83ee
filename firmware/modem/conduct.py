"""What a modem is to do next: joins its path, the ladder, the governor and the choice of SIM. Pure.

It never talks to a modem. `handle(event, now)` gives actions, to be carried out in order:

    ("do", order, argument)   begin; at most one order at a time, then tell ("finished" or "failed", ...)
    ("abandon",)              give up what the modem is doing now, whoever wanted it: an alarm waits
    ("keep", name, value)     on flash before the next action
    ("up", bool)              whether there is a path for datagrams (also in PSM: sending wakes the modem)
    ("drop",)                 all sockets are gone
    ("result", order, value)  what a chore has brought
    ("tell", event)           for the unit, as in bearer.Cellular

Events: ("begin", operation) and ("end",) of everything that holds the channel; ("finished", order, value), ("failed",
order, reason); what Dialect.event and the engine tell; ("doubt",) and ("works",) of a socket; ("use",) when something
wants to be sent; ("sms_out",); what the unit tells (`bearer.Cellular.tell`); ("time",).

A network that is not the SIM's own is none where the policy says so, but for an alarm and `GUEST_MS` after it.
Every order that troubles a network or the power asks the governor. An alarm passes it (its own bounds stay), ends all
pauses, and interrupts what takes too long.
"""

from firmware.core import governor as governors
from firmware.core.events import FAULT_PORT
from firmware.core.governor import ATTACH, CONTEXT
from firmware.core.registration import REGISTERED, ROAMING
from firmware.core.sim_choice import SWITCHING
from firmware.modem import chores as chore
from firmware.modem import orders
from firmware.modem.chores import Chores
from firmware.modem.council import Council
from firmware.modem.orders import ASLEEP, ATTACHED, DEAD, LOCATING, OFF, ON, SEARCHING, TRANSITIONS, UP
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.core.sim_choice import Policy

    Actions = list[tuple[Any, ...]]

_CLIMBS = (SEARCHING, ATTACHED, UP, DEAD)
_ENERGY = {OFF: "off", ASLEEP: "psm", LOCATING: "off"}


class Conduct(Council):
    """`kept` is what was kept last under "governor", "ladder" and "sims" (a function of the name); `random(n)` gives
    an integer in 0..n-1. Attributes: `state` as in orders.py, `slot` in use, `up`, `alarm`, `cuts` of the power."""

    def __init__(
        self,
        slots: int,
        policy: "Policy",
        kept: "Callable[[str], Any]",
        random: "Callable[[int], int]",
        now: int,
        takes_radio: bool = False,
        sleeps: bool = True,
        safe: bool = False,
    ) -> None:
        super().__init__(slots, policy, kept, random, now)
        self.chores = Chores(takes_radio, sleeps, safe)
        self.cuts = 0
        self._sleeps = sleeps
        self._identified = [False, False]
        self._running: "str | None" = None
        self._argument: "Any" = None
        self._since = now
        self._op: "tuple[str, int] | None" = None
        self._abandoned = False
        self._failures = 0
        self._not_before = now
        self._poll = now
        self._checked = False
        self._use = False
        self._doubts = 0

    @property
    def busy(self) -> bool:
        """Whether an order is being carried out."""
        return self._running is not None

    @property
    def up(self) -> bool:
        return self.state in (UP, ASLEEP)

    def handle(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        """What is to be done now that this has happened."""
        actions = self._out = []
        up, state, slot, gnss = self.up, self.state, self.slot, self.chores.on
        self._happened(event, now)
        self._time(now)
        if self.up != up:
            actions.append(("up", self.up))
        if self.slot != slot:
            actions.append(("tell", ("bearer",)))
        if self.state != state:
            actions.append(("tell", ("energy", "modem", _ENERGY.get(self.state, "idle"))))
        if self.chores.on != gnss:
            actions.append(("tell", ("energy", "gnss", "on" if self.chores.on else "off")))
        return actions

    def next_wakeup(self, now: int) -> "int | None":
        """When ("time",) is to be handled next."""
        due = [self.governor.next_wakeup(now)]
        if self.state != LOCATING:
            due.append(self.choice.next_wakeup(now))
        if self._climbing():
            due.append(self.ladder.next_wakeup(now))
        if self._running is None:
            due.append(self.chores.next_wakeup(self.state, self.alarm))
            wanted = self._wanted(now)
            if wanted is not None:
                due.append(max(self._not_before, self._later.get(wanted[0], 0)))
            elif self.state in orders.RADIO and self.slot != self.choice.active:
                due.append(self._later.get("select_sim"))
            if self.state == SEARCHING:
                due.append(max(self._poll, self._not_before))
            due.append(self._renewal())
            due.append(self.leaves_at if self._roams and self.leaves_at > now else None)
        if self.alarm and self._op is not None and not self._abandoned and self._op[0] not in orders.NEVER:
            name, since = self._op
            due.append(since + orders.patience(name, self._slots > 1))
            if since + orders.YIELD_MS > now:
                due.append(since + orders.YIELD_MS)
        known = [at for at in due if at is not None]
        return max(now, min(known)) if known else None

    # What has happened

    def _happened(self, event: "tuple[Any, ...]", now: int) -> None:
        name = event[0]
        if name == "begin":
            self._op = (event[1], now)
            self._abandoned = False
        elif name == "end":
            self._op = None
        elif name == "finished":
            self._running = None
            self._failures = 0
            self._finished(event[1], event[2], now)
        elif name == "failed":
            self._running = None
            self._failed(event[1], event[2], now)
        elif name == "registration":
            self._registration(event[1], now)
        elif name in ("boot", "hung", "asleep", "pdp", "sim", "lost"):
            self._said(name, event, now)
        elif name == "doubt":
            self._doubt(now)
        elif name == "works":
            self._doubts = 0
        elif name == "use":
            self._use = True
        elif name == "sms":
            self.chores.sms(event[1], now)
        elif name == "sms_out":
            self.chores.sms_out = True
        else:
            self._told(name, event, now)

    def _told(self, name: str, event: "tuple[Any, ...]", now: int) -> None:
        """By the unit."""
        if name == "alarm":
            self._alarmed(event[1], now)
            self._govern(event, now)
            self._choose(event, now)
            self._awaited(event[1], now)
            self._hurry(now)
        elif name == "asked":
            self._choose(event, now)
            self._awaited(True, now)
            if self.state == UP:
                self.chores.survey(now)
        elif name == "receipt":
            self._doubts = self._renewals = 0
            self._waits = None
            self._choose(event, now)
        elif name == "clock":
            self._govern(event, now)
            self._choose(event, now)
        elif name == "policy":
            self.leaves_at = now + orders.GUEST_MS
            self._choose(event, now)
        elif name == "switch":
            self._choose(("use", event[1]), now)
        elif name == "rest":
            self._rests = event[1]
            self.chores.rest(event[2] if event[1] else None)
        elif name == "locate":
            self.chores.locate = event[1]
        elif name == "hurry":
            self._hurry(now)
        elif name == "slept":
            self._move(name, now)
            self._choose(event, now)

    def _hurry(self, now: int) -> None:
        """No pause while an alarm waits."""
        if self.alarm:
            self._not_before = min(self._not_before, now)
            self._later = {}
            self._poll = min(self._poll, now + orders.POLL_ALARM_MS)

    def _said(self, name: str, event: "tuple[Any, ...]", now: int) -> None:
        """By the modem."""
        leaving = self._running in orders.RADIO_OFF
        if name == "pdp":
            if not event[1] and self._move("pdp_lost", now):
                self._checked = False
                self._out.append(("drop",))
        elif name == "lost":
            self._poll = now
            self.chores.survey(now)
            self.chores.sms(None, now)
        elif name == "sim":
            if not leaving:
                ok = event[1] == "READY"
                self._climb(("sim", ok), now)
                self._choose(("sim", ok), now)
        elif name == "asleep":
            if self._move("asleep", now):
                self._use = False
                self._out.append(("drop",))
        elif name == "hung":
            self._dead("hung", now)
        elif self._running not in orders.NEVER and self._move("boot", now):
            self._out.append(("drop",))
            self._spoke = now
            self._began(now)

    def _dead(self, why: str, now: int) -> None:
        if self._move(why, now):
            self._out.append(("drop",))
            self._out.append(("tell", ("fault", FAULT_PORT, "modem: " + why)))
            self._rung = None
            # A dead modem is no fault of its SIM.
            self._choose(("restarted",), now)
            self._climb(("silent",), now)
            if why == "too often":
                # It answers and does not work: waking it would change nothing.
                self._rung = "cut"

    def _began(self, now: int) -> None:
        """The modem answers, and begins its search anew: that is no loss."""
        self._rung = None
        self._roams = False
        self._choose(("restarted",), now)
        self._climb(("answers",), now)
        self._climb(("began", self.slot), now)
        self._poll = now
        self._checked = False

    def _registration(self, told: "Any", now: int) -> None:
        if self.state not in orders.RADIO or self._running in orders.RADIO_OFF:
            return
        self._out.append(("result", "registration", told))
        if self._turned_away(told, now):
            self._leave(now)
            return
        # Only an EMM cause means what our table says (TS 27.007 clause 10.1.22, <cause_type> 0).
        self._climb(("registration", told.stat, told.cause if told.cause_type == 0 else None), now)
        self._move("registered" if told.registered else "unregistered", now)

    def _alarmed(self, is_open: bool, now: int) -> None:
        if self.alarm and not is_open:
            self.leaves_at = now + orders.GUEST_MS
            self.chores.settle(now)
        self.alarm = is_open
        # As the modem told last, unless it is leaving that network.
        if is_open and self._roams and self._running not in orders.RADIO_OFF and self._move("registered", now):
            self._climb(("registration", ROAMING, None), now)

    def _leave(self, now: int) -> None:
        self._climb(("foreign",), now)
        if self.state == ATTACHED:
            self._move("unregistered", now)

    def _doubt(self, now: int) -> None:
        """A socket has failed: the path may be gone without a word. The modem is asked, later each time."""
        if self.state != UP:
            return
        self._doubts += 1
        if self._doubts >= orders.MOST_DOUBTS:
            self._doubts = 0
            self._dead("too often", now)
            return
        self._move("doubted", now)
        self._checked = False
        if self._doubts > 1 and not self.alarm:
            self._not_before = now + (orders.PAUSE_MS << self._doubts - 2)

    def _finished(self, order: str, value: "Any", now: int) -> None:
        if order in chore.NAMES:
            self._chore(order, value, now)
        elif order in ("power_on", "power_cut", "wake"):
            self.cuts += order == "power_cut"
            if order != "wake":
                self.slot = self._argument
            self._move(order, now)
        elif order == "start":
            if value is not None:
                self.slot = value
            self._move(order, now)
            self._began(now)
            self.chores.started(self._identified[self.slot], now)
        elif order == "select_sim":
            self.slot = self._argument
            self._began(now)
            self._choose(("switched", self.slot, now - self._since), now)
            self.chores.started(self._identified[self.slot], now)
            data = {1: self.slot, 2: self._reason}
            self._out.append(("tell", ("report", messages.EVENT_SIM_CHANGED, data)))
        elif order == "registration":
            self._poll = now + (orders.POLL_ALARM_MS if self.alarm else orders.POLL_MS)
            self._registration(value, now)
        elif order in ("cycle", "search"):
            self._poll = now
        elif order == "pdp_check":
            self._checked = True
            if value:
                self._arrive(now)
        elif order == "pdp_up":
            self._govern(("done", CONTEXT, self.slot), now)
            self._arrive(now)
        elif order == "power_off":
            self._move(order, now)
            self._out.append(("drop",))
            self._put_away(now)
        elif order == "pdp_down":
            self._move("pdp_lost", now)
            self._out.append(("drop",))
            self._checked = True

    def _arrive(self, now: int) -> None:
        """There is a path."""
        if self._move("pdp_up", now):
            self._use = False
            self._registered(now)
            self.chores.survey(now)
            if self._waits is not None:
                self._waits = now

    def _chore(self, order: str, value: "Any", now: int) -> None:
        self.chores.finished(order, value, self.alarm, now)
        self._out.append(("result", order, value))
        if order == "identify":
            self._identified[self.slot] = value.get("iccid") is not None
        elif order == "survey":
            if value.get("operator") and self.ladder.condition == REGISTERED:
                self._choose(("registered", value["operator"], value.get("radio", 0)), now)
            self._registration(value["registration"], now)
        elif order == "gnss_start" and self.chores.takes_radio:
            self._move(order, now)
        elif order == "gnss_stop" and self._move(order, now):
            self._began(now)

    def _failed(self, order: str, reason: str, now: int) -> None:
        if order in chore.NAMES:
            self.chores.failed(order, self.alarm, now)
            self._out.append(("result", order, None))
            if self.chores.takes_radio and reason not in ("hung", "reset"):
                # Nobody knows whether the radio is on: ending it sets that right, or the power cut does.
                if order == "gnss_start":
                    self._move(order, now)
                elif order == "gnss_stop":
                    self._dead("hung", now)
            return
        if order == "pdp_up":
            answered = reason not in ("timeout", "abandoned", "hung", "reset")
            cause = governors.TEMPORARY if answered else governors.NO_ANSWER
            self._govern(("failed", CONTEXT, self.slot, cause), now)
            self._choose(("lost",), now)
        if reason in ("hung", "reset"):
            return
        self._not_before = now + min(orders.PAUSE_MS << min(self._failures, 10), orders.LONGEST_PAUSE_MS)
        if self.alarm:
            self._not_before = now if reason == "abandoned" else min(self._not_before, now + orders.PAUSE_ALARM_MS)
        self._failures += 1
        if self._failures >= orders.MOST_FAILURES:
            self._dead("too often", now)

    def _move(self, event: str, now: int) -> bool:
        """Whether the state has changed by this."""
        leads = TRANSITIONS[self.state]
        at = leads.find("," + event + "=") + 1
        if not at:
            return False
        end = leads.find(",", at)
        self.state = leads[at + len(event) + 1 : end if end >= 0 else len(leads)]
        self._failures = 0
        self._not_before = now
        if self.state == ATTACHED:
            self._checked = False
        return True

    # What is to be done

    def _climbing(self) -> bool:
        return self.state in _CLIMBS and self._running not in orders.RADIO_OFF

    def _time(self, now: int) -> None:
        self._govern(("time",), now)
        if self._climbing():
            self._climb(("time",), now)
        if self.state != LOCATING:
            self._choose(("time",), now)
        if self.state in (ATTACHED, UP) and self._unwelcome(now):
            self._leave(now)
        if self.choice.phase == SWITCHING and self.choice.active == self.slot and self._running is None:
            # It has changed its mind before the switch, or the modem has started with the right card.
            self._choose(("switched", self.slot), now)
            if self.ladder.condition == REGISTERED:
                self._registered(now)
        self._interrupt(now)
        if self._running is None:
            self._begin(now)

    def _interrupt(self, now: int) -> None:
        if self._op is None or not self.alarm or self._abandoned or self._op[0] in orders.NEVER:
            return
        name, since = self._op
        over = now >= since + orders.patience(name, self._slots > 1)
        if not over and name not in orders.RADIO_OFF and now >= since + orders.YIELD_MS:
            wanted = self._wanted(now)
            over = wanted is not None and wanted[0] != name and wanted[0] in orders.NEEDED
        if over:
            self._abandoned = True
            if name == "pdp_up":
                # A SIM without a path is of no more use than one without a network.
                self._choose(("lost",), now)
            self._out.append(("abandon",))

    def _wanted(self, now: int) -> "tuple[str, Any] | None":
        """The order that leads to a path, with its argument."""
        state, card = self.state, self.choice.active
        if self._idle(state, now):
            return None if state == OFF else ("power_off", None)
        if state in orders.RADIO:
            return self._wanted_of_radio(now)
        if state == OFF:
            return "power_on", card
        if state == ON:
            return "start", None
        if state == DEAD:
            if self.alarm or self._rung == "cut":
                return "power_cut", card
            return ("wake", None) if self._rung == "wake" and self._sleeps else None
        wake = state == ASLEEP and (self._use or self.alarm or self.slot != card)
        return ("wake", None) if wake else None

    def _wanted_of_radio(self, now: int) -> "tuple[str, Any] | None":
        """The same while the modem answers."""
        card = self.choice.active
        if self._rung == "cut":
            return "power_cut", card
        if self.slot != card and now >= self._later.get("select_sim", 0):
            return "select_sim", card
        if self._rung is not None:
            return self._rung, None
        if self.state == SEARCHING:
            return ("registration", None) if now >= self._poll else None
        if self.state == ATTACHED:
            return "pdp_up" if self._checked else "pdp_check", None
        due = self._renewal()
        over = self._unwelcome(now) or (due is not None and now >= due)
        return ("pdp_down", None) if over else None

    def _begin(self, now: int) -> None:
        wanted = self._wanted(now) if now >= self._not_before else None
        if wanted is not None and now >= self._later.get(wanted[0], 0) and self._may(wanted[0], now):
            if wanted[0] == "pdp_down":
                self._renewals += 1
            if wanted[0] == self._rung or wanted[0] == "power_cut":
                self._rung = None
            if wanted[0] in ("select_sim", "cycle"):
                self._out.append(("drop",))
                self._move("leave", now)
            self._since = now
            self._order(wanted)
            return
        wanted = self.chores.wanted(self.state, self.alarm, now)
        if wanted is None:
            return
        if wanted[0] == "gnss_start" and self.chores.takes_radio:
            if self.governor.wait(ATTACH, self.slot, now):
                self.chores.failed(wanted[0], self.alarm, now)
                return
            self._govern(("want", ATTACH, self.slot), now)
            self._out.append(("drop",))
        self._order(wanted)

    def _order(self, wanted: "tuple[str, Any]") -> None:
        self._running, self._argument = wanted
        self._out.append(("do", self._running, self._argument))
