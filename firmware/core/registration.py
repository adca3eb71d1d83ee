"""The ladder back to a network: what to do, after how long, when the modem is not registered.

Pure and a table. A modem that is left alone usually finds its network, and one that is prodded too early starts its
search anew each time; so every condition has its own rungs, each with the time that it must last first. The rungs never
come faster than `APART` allows, and a whole round without success makes the next one slower. Which rung has helped is
remembered per condition: the next time the ones before it, which did not help, are left out.

It never decides whether a network or the modem may be bothered now (`core.governor` is asked for each action), nor
which SIM is used (`core.sim_choice`), and an alarm does not hurry it: with an alarm the other SIM is the faster way.

Event source: the modem's AT task. Action sink: the same task, by way of the governor.
Events: ("registration", stat, cause) as +CEREG tells it, `cause` the EMM cause or None; ("sim", ok); ("silent",) when a
command had no answer at all; ("answers",) when one had; ("began", slot) when the modem was started or the SIM was
changed; ("refused",) when the governor did not let the last action go; ("foreign",) when the SIM is a guest on the
network that it is on, and may not use it; ("time",).
Actions: ("search",) AT+COPS=0; ("cycle",) CFUN=0 and 1; ("wake",) pulse the power key or DTR; ("cut",) take away the
modem's supply for `CUT_MS`; ("registered", ms since it was lost, roaming); ("lost", condition) when it is no longer
registered; ("barred", class, cause) when waiting helps nothing with this SIM or network.
"""

from firmware.core import governor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Actions = list[tuple[Any, ...]]

REGISTERED, SEARCHING, IDLE, DENIED, NO_SIM, SILENT, CONGESTED, OTHER_NETWORK, NO_SUBSCRIPTION = range(9)
CONDITIONS = (
    "registered", "searching", "not searching", "denied", "SIM fault", "silent", "congested", "network refuses",
    "subscription refused",
)  # fmt: skip

# +CEREG stat (TS 27.007 section 10.1.22), and what it means here. 90 is an nRF91's UICC failure. 8 is emergency service
# only: no data goes that way (unconfirmed). What is not listed is taken for searching: the ladder then has patience.
STATS = {0: IDLE, 1: REGISTERED, 2: SEARCHING, 3: DENIED, 4: SEARCHING, 5: REGISTERED, 8: DENIED, 90: NO_SIM}
ROAMING = 5

# EMM cause (TS 24.301 annex A) -> the governor's class of refusal. Others are temporary.
CAUSES = {
    2: governor.SUBSCRIPTION,  # IMSI unknown in HSS
    3: governor.SUBSCRIPTION,  # illegal UE
    6: governor.SUBSCRIPTION,  # illegal ME
    7: governor.SUBSCRIPTION,  # EPS services not allowed
    8: governor.SUBSCRIPTION,  # EPS and non-EPS services not allowed
    11: governor.NETWORK,  # PLMN not allowed
    12: governor.NETWORK,  # tracking area not allowed
    13: governor.NETWORK,  # roaming not allowed in this tracking area
    14: governor.NETWORK,  # EPS services not allowed in this PLMN
    15: governor.NETWORK,  # no suitable cells in tracking area
    22: governor.CONGESTION,
}
# Class of refusal -> condition.
_DENIALS = (DENIED, DENIED, CONGESTED, OTHER_NETWORK, NO_SUBSCRIPTION)

# Condition -> its rungs, of each the ms that the condition lasts since the last rung, and the action, one behind the
# other: rows of their own would be objects on the heap.
LADDERS: "tuple[tuple[Any, ...], ...]" = (
    (),
    # A warm cell is found within 3 s of CFUN=1 (nRF9151 log), the home network's search takes up to 1 min and a first
    # registration up to 3 min (boaks), a first scan up to 10 min (mbed 177). COPS may take 180 s itself.
    (90000, "search", 180000, "cycle", 330000, "cut"),
    # Not searching is a fault of the modem's: Particle sets COPS=0 after some checks of 15 s each.
    (30000, "search", 180000, "cycle", 330000, "cut"),
    # Denied without a cause that tells more: Particle cycles CFUN after some checks of 15 s.
    (45000, "cycle", 180000, "search", 375000, "cut"),
    # A SIM that is not seen is read anew by a cycle; contacts that have moved need the power cut (dwell unconfirmed).
    (15000, "cycle", 60000, "cut"),
    # No answer: it may sleep, then a pulse wakes it (PWRKEY 1.2 s; APP RDY 15 s after a restart). A hung modem comes
    # back by a power cut only (Pycom 225 and 445: one attach in 50 to 100).
    (5000, "wake", 20000, "cut"),
    # The network asks for patience (T3346), and the modem tries again by itself; the figure is ours (unconfirmed).
    (1800000, "search"),
    # Others may take us: search at once after some checks of 15 s, then only now and then.
    (45000, "search", 600000, "cycle"),
    # The modem holds the SIM for invalid until it is restarted (TS 24.301 section 5.5.1.2.5), and it may be restarted
    # once an hour (TS.34 as told by u-blox).
    (3600000, "cycle"),
)
_SEARCHES = (SEARCHING, IDLE, DENIED, OTHER_NETWORK)
# A modem that searches on has not been taken back: these end by registration, a restart, or another refusal.
_STICKY = (CONGESTED, NO_SUBSCRIPTION, NO_SIM)

# ms between two of the same action, whatever the conditions do in between.
APART = {
    "search": 180000,  # COPS set: 180 s until the modem gives up (drivers' time-outs)
    "cycle": 180000,  # CFUN: time-out 3 min (Particle)
    "wake": 20000,  # APP RDY 15 s after a restart
    "cut": 600000,  # a whole-modem reset at 10 min (Particle)
}
HASTY_CUT = 60000
"""A silent modem is cut earlier than one that only finds no network: nobody but the cut can help. 30 s to SMS Ready."""
CUT_MS = 5000
"""The supply stays off for this long (unconfirmed: the module's capacitors decide)."""
SLOWER = 3
"""After a round each further one takes twice as long, at most 2^SLOWER times."""
SETTLED_MS = 60000
"""Registered for this long counts as success; until then the ladder stays as slow as it was."""
CREDIT_MS = 180000
"""What comes back within this time after an action (a registration takes up to 3 min) came back by it."""


def refusal(cause: "int | None") -> int:
    """The governor's cause class of an EMM cause; None is no answer."""
    return governor.NO_ANSWER if cause is None else CAUSES.get(cause, governor.TEMPORARY)


class Ladder:
    """One modem's ladder. `memory` is what `state` gave in an earlier boot, or None; a damaged one counts as none."""

    def __init__(self, memory: "Any", now: int) -> None:
        self.condition = SEARCHING
        self.cause: "int | None" = None
        self.worked = [0] * len(LADDERS)
        if isinstance(memory, list) and len(memory) == len(LADDERS):
            for i in range(len(LADDERS)):
                if isinstance(memory[i], int) and 0 <= memory[i] < len(LADDERS[i]) // 2:
                    self.worked[i] = memory[i]
        self._since = now  # when this condition began, or its last rung was taken
        self._lost = now  # when it was last registered
        self._rung = self.worked[SEARCHING]
        self._round = 0
        self._last: "dict[str, int]" = {}
        self._tried: "tuple[int, int, int] | None" = None  # the last action: condition, rung and round

    def state(self) -> "list[int]":
        """What worked, to be kept when it changes: the first rung for each condition."""
        return list(self.worked)

    def handle(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        """What is to be done now that this has happened."""
        name = event[0]
        actions: "Actions" = []
        if name == "registration":
            if self.condition == SILENT:
                self._helped(now)
            actions = self._registration(event[1], event[2], now)
        elif name == "sim":
            if not event[1]:
                actions = self._enter(NO_SIM, now)
            elif self.condition == NO_SIM:
                self._helped(now)
                actions = self._enter(SEARCHING, now)
        elif name == "silent":
            actions = self._enter(SILENT, now)
        elif name == "answers":
            if self.condition == SILENT:
                self._helped(now)
                actions = self._enter(SEARCHING, now)
        elif name == "foreign":
            # As if that network had refused it: others are looked for now and then, and nobody cuts the power.
            self.cause = None
            actions = self._enter(OTHER_NETWORK, now)
        elif name == "began":
            actions = self._enter(SEARCHING, now)
            self.cause = None
            self._since = now
        elif name == "refused" and self._tried is not None:
            # The rung was not taken: it is asked for again after the same time, if it is still what is wanted.
            condition, rung, of_round = self._tried
            self._tried = None
            if condition == self.condition:
                self._rung, self._round = rung, of_round
        return actions + self._time(now)

    def next_wakeup(self, now: int) -> "int | None":
        """When ("time",) is to be handled next."""
        if self.condition == REGISTERED:
            return self._since + SETTLED_MS if self._unsettled() else None
        return self._due()

    def _registration(self, stat: int, cause: "int | None", now: int) -> "Actions":
        condition = STATS.get(stat, SEARCHING)
        if condition == DENIED:
            kind = refusal(cause)
            condition = _DENIALS[kind]
            news = condition != self.condition or cause != self.cause
            self.cause = cause
            actions = self._enter(condition, now)
            if news and kind in (governor.SUBSCRIPTION, governor.NETWORK):
                actions.append(("barred", kind, cause))
            return actions
        if condition in (SEARCHING, IDLE) and self.condition in _STICKY:
            return []
        news = condition != self.condition
        actions = self._enter(condition, now)
        if news and condition == REGISTERED:
            actions.append(("registered", now - self._lost, stat == ROAMING))
        return actions

    def _enter(self, condition: int, now: int) -> "Actions":
        """The condition is this one now. The time in it starts anew only if it is another one."""
        before = self.condition
        if condition == before:
            return []
        self.condition = condition
        if before in _SEARCHES and condition in _SEARCHES:
            # They alternate while a modem works through its networks: one outage, in which the time goes on.
            # Otherwise a flapping modem would never be helped.
            self._rung = min(self._rung, len(LADDERS[condition]) // 2 - 1)
        else:
            self._since = now
            self._rung = self.worked[condition]
        if before == REGISTERED:
            self._lost = now
            return [("lost", condition)]
        return []

    def _due(self) -> int:
        """When the next rung is to be taken."""
        dwell: int = LADDERS[self.condition][2 * self._rung]
        action: str = LADDERS[self.condition][2 * self._rung + 1]
        slower = min(self._round, SLOWER)
        due = self._since + (dwell << slower)
        if action not in self._last:
            return due
        apart = HASTY_CUT if action == "cut" and self.condition == SILENT else APART[action]
        return max(due, self._last[action] + (apart << slower))

    def _time(self, now: int) -> "Actions":
        if self.condition == REGISTERED:
            if self._unsettled() and now >= self._since + SETTLED_MS:
                self._helped(self._since)
                self._round = 0
            return []
        if now < self._due():
            return []
        action: str = LADDERS[self.condition][2 * self._rung + 1]
        self._tried = (self.condition, self._rung, self._round)
        self._last[action] = now
        self._since = now
        self._rung += 1
        if 2 * self._rung >= len(LADDERS[self.condition]):
            # A round without success: what was remembered does not help any more.
            self._rung = 0
            self._round += 1
            self.worked[self.condition] = 0
        return [(action,)]

    def _unsettled(self) -> bool:
        return self._tried is not None or self._round > 0

    def _helped(self, now: int) -> None:
        """The condition is over. The last action has the credit if it was not long ago."""
        if self._tried is not None:
            condition, rung, _ = self._tried
            if now - self._last[LADDERS[condition][2 * rung + 1]] <= CREDIT_MS:
                self.worked[condition] = rung
            self._tried = None
