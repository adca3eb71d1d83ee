"""Which of two SIMs the one modem uses: chosen before the alarm, proven daily, changed quickly when an alarm needs it.

Pure. One modem cannot race two SIMs, so the choice is made by heartbeats beforehand: the SIM that the fleet prefers, as
long as it works. It never decides how a network is searched (`core.registration`) nor whether a switch may be made now
(`core.governor`, which an alarm passes), and it believes no clock but a verified server time.

Event source: the modem's task, the courier and the fleet's policy. Action sink: the modem's task.
Events: ("switched", slot[, ms]) when a switch is done (CFUN=1 was answered), with what the modem took for it: before
that nothing is believed of the new SIM;
("registered", operator, technology) and ("lost",) of the SIM in use; ("sim", ok) for a SIM that cannot be read;
("barred",) when the subscription is refused; ("restarted",) when the modem has started anew with the same SIM, so
that a search is no loss; ("slept",) right after a deep sleep through which the modem has kept its network; ("abroad",
bool): the SIM in use has found a network, a guest's (stat 5) or its own; ("use", slot) when a verified command asks for
a slot; ("asked",) when a heartbeat is sent or waits behind what is not
answered; ("receipt",) when a verified receipt came over this modem that is no old one played again (core.receipts);
("alarm", open) while a press is not stored, and again at each further press; ("policy", policy), see `Policy`;
("clock", unix s) of a verified server time; ("time",).
Actions: ("switch", slot, reason), one of `REASONS`; ("heartbeat", alone) to be sent now, so that the path is proven,
alone: at a time that this unit shares with no other, unless by chance;
("proven", slot, ok) is the outcome of the daily exercise; ("undiverse", operator, operator) when both SIMs stand on one
radio network; ("closing", slot, operator, technology, date); ("keep", state).
`operator` is MCC and MNC as a number (24001), `technology` as in protocols.wire.messages.
"""

from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Actions = list[tuple[Any, ...]]

NO_RECEIPT, LOST, EXERCISE, RETURN, UNANSWERED, POLICY = 0, 1, 2, 3, 4, 5
REASONS = ("no receipt", "registration lost", "exercise", "return", "heartbeat unanswered", "policy")

# In an alarm. The promise is the alarm on the other SIM within 20 s: 10 s here, CFUN=0 4.0-6.4 s and a warm scan with
# registration 2-3 s (nRF9151 log, device-notes section 2). Each further switch of one alarm has twice the patience.
ALARM_MS = 10000
EARLY_MS = 3000
"""A slow modem begins to take leave up to this much before those 10 s, so that it changes the card soon after them and
not 6.4 s later. It is below the shortest CFUN=0 of the log: the card itself is never changed within the 10 s."""
RADIO_ON_MS = 1000
"""The part of a switch that comes after the change of the card: CFUN=1 0.7-0.9 s (nRF9151 log)."""
SEARCH_MS = 30000
"""A SIM just switched to may search for this long in an alarm; a first registration takes up to 3 min (boaks)."""
WORSE_MS = (60000, 120000)
"""The patience where the other SIM was last refused, or could not be read."""
DOUBLINGS = 3

# Without an alarm. The promise is another SIM within one heartbeat + 90 s: 60 s here, the switch takes some 10 s.
IDLE_MS = 60000
LONGEST_IDLE_MS = 1800000
"""While no SIM gets a receipt, the switches to and fro come at most this far apart."""
SWITCH_MS = 30000
"""A switch that is not done by then is taken for done; what the modem does is the ladder's business."""

HOUR_MS = 3600000
DAY_MS = 86400000
HOLD_MS = HOUR_MS
"""Where the policy says nothing else: so long a unit stays away, and at most one return in this time. Each return that
fails doubles the first, up to a day."""
RECEIPT_MS = HOUR_MS
"""A return waits up to this much longer for a receipt and begins with it. If the preferred SIM is still silent the unit
is back before its next heartbeat is missed: an operator's whole fleet left it together and tries it together, and would
look like an outage of the other one. So does an exercise, which is two changes and two spreads of up to a minute, and
would make a heartbeat late that falls into it. Where heartbeats are rarer than this no receipt is waited for."""
AFTER_ALARM_MS = 600000
"""Nor does either begin so soon after a press was stored, whose later stages come over the path that it has; a contact
that tells again and again puts neither off by more than an hour."""
EXERCISE_MS = 180000
"""So long the spare path has in its daily exercise to bring a receipt: as long as a first registration may take."""
SPREAD_PARTS = 8
"""The exercise is up to this part of a day early, so that a fleet does not exercise in step."""
SAVE_MS = HOUR_MS
WARN_S = 180 * 86400
"""A closing date is reported from this long before."""

# (technologies, operators) that stand on one radio network. Tele2 and Telenor: Net4Mobility (operatorwatch.com 2021,
# tele2.se; its own code 24024 is unconfirmed). A failure there takes both.
_LTE = (messages.RADIO_LTE, messages.RADIO_LTE_M, messages.RADIO_NB_IOT)
SHARED_RADIO = ((_LTE + (messages.RADIO_GSM,), (24007, 24008, 24024)),)


def same_radio(one: "tuple[int, int]", other: "tuple[int, int]") -> bool:
    """Whether (operator, technology) and another one stand on the same radio network."""
    if one[0] == other[0]:
        return True
    for technologies, operators in SHARED_RADIO:
        if one[0] in operators and other[0] in operators and one[1] in technologies and other[1] in technologies:
            return True
    return False


class Policy:
    """What the fleet wants: the preferred slot, operators not to be used without need, closing dates as (operator,
    technology, unix s), whether a SIM may be a guest on another operator's network without an alarm, how long (s) a
    unit stays away from its preferred SIM, and the least time (s) between two returns: all told by a verified command.

    Attributes `hold` and `apart` are ms."""

    __slots__ = ("apart", "closings", "forbidden", "hold", "preferred", "roaming")

    def __init__(
        self,
        preferred: int = 0,
        forbidden: "tuple[int, ...]" = (),
        closings: "tuple[tuple[int, int, int], ...]" = (),
        roaming: int = 1,
        hold_s: int = HOLD_MS // 1000,
        apart_s: int = HOLD_MS // 1000,
    ) -> None:
        if preferred not in (0, 1):
            raise ValueError("the preferred SIM is 0 or 1")
        self.preferred = preferred
        self.forbidden = forbidden
        self.closings = closings
        self.roaming = bool(roaming)
        self.hold = hold_s * 1000
        self.apart = apart_s * 1000


def held(value: "Sequence[Any] | None") -> Policy:
    """The policy of the list that core.obey.policy gives; without one the usual."""
    if value is None:
        return Policy()
    return Policy(value[0], tuple(value[1]), tuple([tuple(row) for row in value[2]]), *value[3:])


GOOD, UNWANTED, REFUSED, UNREADABLE = 0, 1, 2, 3
FORMAT = 1
SWITCHING, SEARCHING, UP = 0, 1, 2


class SimChoice:
    """`state` is what was kept last, or None; a damaged one counts as none. `slots` is how many SIMs there are;
    `random(n)` gives an integer in 0..n-1; `now` in ms since boot."""

    def __init__(self, state: "Any", policy: Policy, slots: int, random: "Callable[[int], int]", now: int) -> None:
        self.policy = policy
        self.slots = slots
        self._random = random
        kept = isinstance(state, list) and len(state) in (7, 8) and all([isinstance(n, int) for n in state])
        kept = kept and state[0] == FORMAT and 0 <= state[1] < slots and 0 <= state[2] * 1000 <= DAY_MS
        self.active = state[1] if kept else (policy.preferred if slots > 1 else 0)
        self.seen = [(state[3], state[4]), (state[5], state[6])] if kept else [(0, 0), (0, 0)]
        # What the modem took for its last change of card (ms), 0 if it is not known yet.
        self._takes = state[7] if kept and len(state) > 7 else 0
        self._standing = [GOOD, GOOD]
        # Whether each SIM was a guest where it was found last.
        self._abroad = [False, False]
        self.phase = SEARCHING
        self._since = now  # when the phase began
        self._arrived = now  # when this SIM was switched to
        self._found = False  # whether it has been registered since
        self._restarted = False  # whether the modem has started anew on this SIM and has not found it again yet
        self._moved = False  # whether this boot has switched at all
        self._alone = False  # whether the last switch came at a time of this unit's own
        self._alarm: "int | None" = None
        self._alarm_over = now - AFTER_ALARM_MS
        self._switches = 0  # in this alarm
        self._fresh: "int | None" = None  # the first further press of this alarm since the phase began
        self._heeded = False  # whether the last search of this alarm was cut short by one
        self._left_up = False  # whether the other SIM had its network when it was left
        self._heard = now  # the last receipt
        self._asked: "int | None" = None
        # Switches without an alarm since the last receipt. One to begin with: a first registration takes its time.
        self._fruitless = 1
        self._returned: "int | None" = None
        self._hold = policy.hold
        self._exercising = False
        # A fresh unit proves its other card soon, and learns how long a change takes.
        left = DAY_MS - state[2] * 1000 - random(DAY_MS // SPREAD_PARTS) if kept else HOUR_MS + random(HOUR_MS)
        self._exercise = now + max(left, 0)
        self._clock: "int | None" = None  # the last verified time, unix s
        self._saved = now
        self._told: "list[str]" = []
        self._woke: "int | None" = None  # when a deep sleep ended
        self._tried = 0  # switches of this boot for want of a receipt or a network, without an alarm

    def state(self, now: int) -> "list[int]":
        """What is to be kept: which SIM is in use, how long ago the spare was exercised, and who was seen where."""
        self._saved = now
        since = DAY_MS - max(self._exercise - now, 0)
        return [FORMAT, self.active, max(since, 0) // 1000] + list(self.seen[0]) + list(self.seen[1]) + [self._takes]

    def remembered(self, now: int) -> "list[Any]":
        """What a deep sleep must not wipe out and flash need not keep: ms since this SIM was switched to and since the
        last return (and 1; 0: none), how long a unit stays away now, fruitless switches, ms until the exercise, and
        what has been reported."""
        returned = 0 if self._returned is None else now - self._returned + 1
        since = [now - self._arrived, returned, self._hold, self._fruitless, max(self._exercise - now, 0)]
        return since + self._told

    def woken(self, known: "Any", slept: int, now: int) -> None:
        """Before anything else, after a deep sleep of so many ms: `known` is what `remembered` gave. What does not fit
        is nothing."""
        if not isinstance(known, list) or len(known) < 5 or not all([isinstance(one, int) for one in known[:5]]):
            return
        self._woke = now
        # Receipts of this wake count, and its heartbeat brings one: nothing need be guessed from those before it.
        self._heard = now - 1
        self._arrived = now - slept - known[0]
        self._returned = now - slept - known[1] + 1 if known[1] else None
        self._hold = min(max(known[2], 0), DAY_MS)
        self._fruitless = max(known[3], 0)
        self._exercise = now - slept + min(max(known[4], 0), DAY_MS)
        self._told = known[5:]

    def unsettled(self, now: int) -> bool:
        """Whether a deep sleep now would cut something short: a change or an exercise that goes on, a heartbeat that
        nobody has answered before the other SIM has been tried, once a boot. Bounded, so that a battery outlasts masts
        that are gone."""
        if self.slots < 2 or self._alarm is not None:
            return False
        if self._exercising or (self.phase == SWITCHING and self._tried < 2):
            return True
        if self._moved and not self._found and self._tried < 2 and now < self._arrived + EXERCISE_MS:
            return True
        for at, reason in self._plans():
            if reason == POLICY and at <= now + IDLE_MS:
                return True
            waits = reason == UNANSWERED or (reason == LOST and not self._found)
            if waits and not self._tried and at <= now + 2 * IDLE_MS:
                return True
        return False

    def handle(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        """What is to be done now that this has happened."""
        name = event[0]
        actions: "Actions" = []
        if self.phase == SWITCHING and name in ("registered", "lost", "sim", "barred", "abroad"):
            # The last words of the SIM that was left.
            name = "time"
        if name == "registered":
            actions = self._registered(event[1], event[2], now)
        elif name == "lost":
            if self.phase == UP:
                self._enter(SEARCHING, now)
        elif name == "abroad":
            self._abroad[self.active] = event[1]
        elif name in ("sim", "barred"):
            bad = REFUSED if name == "barred" else UNREADABLE
            self._standing[self.active] = GOOD if name == "sim" and event[1] else bad
            if self.phase == UP and self._standing[self.active]:
                self._enter(SEARCHING, now)
        elif name == "restarted":
            if self.phase != SWITCHING:
                self._enter(SEARCHING, now)
                self._restarted = self._restarted or self._found
        elif name == "slept":
            # Out of its sleep it is registered in a moment, or that network is gone.
            self._restarted = True
        elif name == "use":
            if event[1] != self.active and event[1] < self.slots and self._alarm is None and self.phase != SWITCHING:
                self._exercising = False
                actions = self._switch(POLICY, now)
        elif name == "switched":
            if self.phase == SWITCHING and event[1] == self.active:
                self._enter(SEARCHING, self._since)
                if len(event) > 2:
                    self._takes = event[2]
        elif name == "asked":
            if self._asked is None:
                self._asked = now
        elif name == "receipt":
            actions = self._receipt(now)
        elif name == "alarm":
            self._alarms(event[1], now)
        elif name == "policy":
            self.policy = event[1]
            self._hold = self.policy.hold
            actions = self._news(now)
        elif name == "clock":
            # A receipt that is played again, however genuine, does not open again what is closed.
            self._clock = event[1] if self._clock is None else max(self._clock, event[1])
            actions = self._news(now)
        return actions + self._time(now)

    def next_wakeup(self, now: int) -> "int | None":
        """When ("time",) is to be handled next."""
        if self.slots < 2:
            return None
        due = [self._saved + SAVE_MS]
        if self.phase == SWITCHING:
            due.append(self._since + SWITCH_MS)
        else:
            due += [at for at, _ in self._plans()]
        return min(due)

    def standing(self, slot: int) -> int:
        """How good a SIM is as far as is known: GOOD, UNWANTED by policy or closed, REFUSED or UNREADABLE."""
        if self._standing[slot]:
            return self._standing[slot]
        operator, technology = self.seen[slot]
        if operator in self.policy.forbidden or (self._abroad[slot] and not self.policy.roaming):
            return UNWANTED
        for closed_operator, closed_technology, date in self.policy.closings:
            if operator == closed_operator and technology == closed_technology and self._past(date):
                return UNWANTED
        return GOOD

    def _past(self, date: int) -> bool:
        # Between two verified times this clock stands still: ours is not believed.
        return self._clock is not None and self._clock >= date

    def _best(self) -> int:
        preferred = self.policy.preferred
        return preferred if self.standing(preferred) <= self.standing(1 - preferred) else 1 - preferred

    def _enter(self, phase: int, at: int) -> None:
        self._fresh = None
        self.phase = phase
        self._since = at

    def _registered(self, operator: int, technology: int, now: int) -> "Actions":
        actions: "Actions" = []
        if self.phase != UP:
            self._enter(UP, now)
            self._asked = None
            if self._moved and not self._found and self._alarm is None:
                actions.append(("heartbeat", self._alone))
            self._found = True
            self._restarted = False
        self._standing[self.active] = GOOD
        if self.seen[self.active] != (operator, technology):
            self.seen[self.active] = (operator, technology)
            actions += [("keep", self.state(now))] + self._news(now)
        return actions

    def _receipt(self, now: int) -> "Actions":
        self._heard = now
        self._asked = None
        self._fruitless = 0
        if self.active == self.policy.preferred and now >= self._arrived + IDLE_MS:
            self._hold = self.policy.hold
        if not self._exercising or self.phase != UP:
            return []
        return self._end_exercise(True, now)

    def _alarms(self, is_open: bool, now: int) -> None:
        if is_open and self._alarm is None:
            self._alarm = now
            self._switches = 0
            self._heeded = False
            self._fresh = None
            # The exercise has lost its meaning; what is registered is used.
            self._exercising = False
        elif is_open:
            if self._fresh is None:
                self._fresh = now
        elif not is_open and self._alarm is not None:
            self._alarm = None
            self._alarm_over = now

    def _news(self, now: int) -> "Actions":
        """Reports that have not been made yet."""
        actions: "Actions" = []
        if self.slots > 1 and self.seen[0][0] and self.seen[1][0] and same_radio(self.seen[0], self.seen[1]):
            actions.append(("undiverse", self.seen[0][0], self.seen[1][0]))
        for operator, technology, date in self.policy.closings:
            for slot in range(self.slots):
                if self.seen[slot] == (operator, technology) and self._past(date - WARN_S):
                    actions.append(("closing", slot, operator, technology, date))
        fresh = [one for one in actions if str(one) not in self._told]
        self._told = [str(one) for one in actions]
        return fresh

    def _plans(self) -> "list[tuple[int, int]]":
        """(when, why) of the switches that are due if nothing happens."""
        if self._alarm is not None:
            return [self._in_alarm(self._alarm)]
        plans = []
        worse = self.standing(1 - self.active) >= REFUSED > self.standing(self.active)
        patience = LONGEST_IDLE_MS if worse else min(IDLE_MS << min(self._fruitless, 10), LONGEST_IDLE_MS)
        if self._exercising:
            hopeless = self._standing[self.active] >= REFUSED
            return [(self._since if hopeless else self._arrived + EXERCISE_MS, EXERCISE)]
        if self.phase != UP:
            plans.append((self._patient(self._since, patience), LOST))
        elif self._asked is not None:
            plans.append((self._patient(max(self._asked, self._since), patience), UNANSWERED))
        if self.phase == UP:
            if self._best() != self.active:
                # The time counts from the return and from the arrival: a SIM that flaps is not run after.
                hold = self._arrived + self._hold
                if self.standing(self.active) == UNWANTED:
                    hold = self._since + IDLE_MS
                if self._returned is not None:
                    hold = max(hold, self._returned + self.policy.apart)
                if self.standing(self.active):
                    plans.append((hold, POLICY))
                else:
                    plans.append((self._with_a_receipt(hold), RETURN))
            else:
                quiet = self._exercise if self._returned is None else self._returned + self.policy.apart
                plans.append((self._with_a_receipt(max(quiet, self._exercise)), EXERCISE))
        return plans

    def _patient(self, start: int, patience: int) -> int:
        """When the patience of a wait is over that began at `start`. After a deep sleep the time slept on this SIM is
        part of it: a wake is short, and switches are far apart all the same."""
        return start + patience if self._woke is None else max(start + IDLE_MS, self._arrived + patience)

    def _with_a_receipt(self, hold: int) -> int:
        hold = max(hold, min(self._alarm_over + AFTER_ALARM_MS, hold + RECEIPT_MS))
        if self._woke is not None:
            # What fell due in a deep sleep begins with a receipt of this wake.
            hold = max(hold, self._woke)
        return hold if self._heard >= hold else hold + RECEIPT_MS

    def _in_alarm(self, since: int) -> "tuple[int, int]":
        """When an alarm leaves this SIM, and why."""
        doublings = min(self._switches, DOUBLINGS)
        patience = ALARM_MS << doublings
        if not doublings:
            patience -= max(min(self._takes - RADIO_ON_MS, EARLY_MS), 0)
        if self.phase == UP:
            reason, start = NO_RECEIPT, max(since, self._since, self._heard)
            if self._fresh is not None:
                # A further press has its own 10 s, however long the ones before it have waited.
                patience = min(patience, max(self._fresh - start, 0) + ALARM_MS)
        elif self._restarted:
            # A modem that has started anew finds the cell that it had within 3 s (nRF9151 log).
            reason, start = LOST, self._since
        elif self._found or self._since + SEARCH_MS <= since:
            # Lost: at once, but not for ever to and fro.
            patience, reason = (ALARM_MS << doublings if self._switches > 1 else 0), LOST
            start = max(since, self._since)
        else:
            # Switched to a moment ago: it must be given time to find its network.
            patience, reason = SEARCH_MS << doublings, LOST
            start = self._since
            if self._fresh is not None and self._left_up and not self._heeded:
                # The servers may be there again, and the other SIM still has its network. Every second search is let
                # alone: somebody who presses on and on must not keep a SIM from finding its own.
                patience = min(patience, max(self._fresh - start, SEARCH_MS))
        if self._standing[self.active] == UNREADABLE:
            patience = 0
        other = self._standing[1 - self.active]
        if other >= REFUSED:
            patience = max(patience, WORSE_MS[other - REFUSED])
        return start + patience, reason

    def _time(self, now: int) -> "Actions":
        if self.slots < 2:
            return []
        actions: "Actions" = []
        if now >= self._saved + SAVE_MS:
            actions.append(("keep", self.state(now)))
        if self.phase == SWITCHING:
            if now < self._since + SWITCH_MS:
                return actions
            self._enter(SEARCHING, self._since)
        for at, reason in sorted(self._plans()):
            if now >= at:
                if reason == EXERCISE and self._exercising:
                    return actions + self._end_exercise(False, now)
                return actions + self._switch(reason, now)
        return actions

    def _end_exercise(self, ok: bool, now: int) -> "Actions":
        slot = self.active
        self._exercising = False
        self._exercise = now + DAY_MS - self._random(DAY_MS // SPREAD_PARTS)
        return [("proven", slot, ok)] + self._switch(RETURN, now)

    def _switch(self, reason: int, now: int) -> "Actions":
        """Change to the other SIM."""
        if reason == EXERCISE:
            self._exercising = True
        elif reason in (RETURN, POLICY):
            self._returned = now
        elif self._alarm is not None:
            self._switches += 1
            if self.phase != UP:
                self._heeded = self._fresh is not None and not self._heeded
        else:
            self._fruitless += 1
            self._tried += 1
            preferred = self.active == self.policy.preferred
            if preferred and self._returned is not None and now < self._returned + max(HOLD_MS, self.policy.apart):
                # The return has failed: the next one waits longer.
                self._hold = min(self._hold * 2, DAY_MS)
        # Masts that go take many units with them at once; a heartbeat without an answer has a time of its own.
        self._alone = reason == UNANSWERED
        self._left_up = self.phase == UP
        self.active = 1 - self.active
        # What is wrong with it will be said again; what was wrong with it may be over.
        self._standing[self.active] = GOOD
        self._arrived = now
        self._found = self._restarted = False
        self._moved = True
        self._asked = None
        self._enter(SWITCHING, now)
        return [("keep", self.state(now)), ("switch", self.active, reason)]
