"""A modem with two SIMs for tests of the choice between them, on a lock-step clock; on both engines."""

from firmware.core.sim_choice import Policy, SimChoice
from protocols.wire import messages

TELIA, TELE2 = 24001, 24007
LTE_M = messages.RADIO_LTE_M
CFUN_OFF = 6400
SCAN = 3000
SLOWEST_REGISTRATION = 3200
PROVEN = [1, 0, 0, 0, 0, 0, 0]
"""As a unit keeps it whose other card was proven just now."""


def middle(n):
    return n // 2


class World:
    """A modem with two SIMs on a lock-step clock: which has a network (`works`), which the server hears (`answers`)."""

    def __init__(self, policy=None, state=None, slots=2, operators=(TELIA, TELE2), beat=300000):
        self.now = 0
        self.choice = SimChoice(state, policy or Policy(), slots, middle, 0)
        self.works = [True, True]
        self.answers = [True, True]
        self.scan = [SCAN, SCAN]
        self.broken = [None, None]
        self.abroad = [False, False]
        self.operators = operators
        self.beat = beat
        self.alarm = False
        self.log = []
        self.receipts = []
        self.kept = None
        self.up = False
        self.later = []
        self.plan(SCAN, "scanned", self.choice.active)
        self.plan(SCAN + 1000, "beat", None)

    def plan(self, delay, what, slot):
        self.later.append((self.now + delay, len(self.log), what, slot))
        self.later.sort()

    def put(self, event):
        for action in self.choice.handle(event, self.now):
            if action[0] == "keep":
                self.kept = action[1]
                continue
            self.log.append((self.now,) + action)
            if action[0] == "switch":
                self.up = False
                self.later = [one for one in self.later if one[2] not in ("scanned", "switched")]
                self.plan(CFUN_OFF, "switched", action[1])
            elif action[0] == "heartbeat":
                self.plan(10, "once", None)

    def happen(self, what, slot):
        active = self.choice.active
        if what == "switched":
            self.put(("switched", slot))
            self.plan(self.scan[slot], "scanned", slot)
        elif what == "scanned":
            if self.broken[slot]:
                self.put(self.broken[slot])
            elif self.abroad[slot] and not self.choice.policy.roaming and not self.alarm:
                self.put(("abroad", True))
            elif self.works[slot]:
                self.put(("abroad", self.abroad[slot]))
                self.up = True
                self.put(("registered", self.operators[slot], LTE_M))
                if self.alarm and self.answers[slot]:
                    self.plan(200, "answer", slot)
        elif what in ("beat", "once"):
            if what == "beat":
                self.plan(self.beat, "beat", None)
            if self.up:
                self.put(("asked",))
                if self.answers[active]:
                    self.plan(200, "answer", active)
        elif what == "answer" and self.up and slot == active:
            self.receipts.append(self.now)
            self.put(("receipt",))
            if self.alarm:
                self.alarm = False
                self.log.append((self.now, "stored", slot))
                self.put(("alarm", False))

    def run(self, span):
        until = self.now + span
        turns = 0
        while True:
            due = self.choice.next_wakeup(self.now)
            at = min(until, until if due is None else max(due, self.now))
            turns += 1
            assert turns < 100000
            if self.later and self.later[0][0] <= at:
                self.now, _, what, slot = self.later.pop(0)
                self.happen(what, slot)
                continue
            self.now = at
            self.put(("time",))
            if at >= until and (due is None or due > until):
                return self

    def press(self):
        self.alarm = True
        self.put(("alarm", True))
        if self.up and self.answers[self.choice.active]:
            self.plan(200, "answer", self.choice.active)
        return self

    def lose(self, slot):
        self.works[slot] = False
        if self.choice.active == slot and self.up:
            self.up = False
            self.put(("lost",))
        return self

    def switches(self):
        return [(event[0], event[2], event[3]) for event in self.log if event[1] == "switch"]

    def named(self, name):
        return [event for event in self.log if event[1] == name]
