"""Supervision of a whole fleet, on any clock: heartbeats in, changes, steps and incidents out. It opens nothing.

The common case, a heartbeat in time, costs a few array writes: a unit's entry in the time wheel stays where it is and
is looked at when it comes up. Only units that are late have a record of their own. Out of ``handle`` and ``tick`` come
everything that has to be written down or done; the order of events at one time does not matter to the result.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Final

from fleet.supervision import decide
from fleet.supervision.cohorts import WINDOW_MS, Places, Tally
from fleet.supervision.decide import SECOND, Facts, Rung
from fleet.supervision.detector import Detector
from fleet.supervision.incidents import Fate, Incident, LatePress, Member, Outcome
from fleet.supervision.model import (
    HEARD,
    VERDICTS,
    WAITING,
    Action,
    Cause,
    Change,
    Heard,
    Spare,
    State,
    Step,
    UnitInfo,
    Word,
)  # fmt: skip
from fleet.supervision.wheel import Wheel

NEVER: Final = -(1 << 62)
SUSPECT_MS: Final = 10_000
HOLD_MS: Final = 60_000
"""A verdict waits this long at most while the unit's cohorts are under suspicion, and once only."""
_KNOWN: Final = int(State.KNOWN)
_LISTENED: Final = HEARD | WAITING
_ON_BATTERY, _BATTERY_LOW, _OFF, _NOT_WORN, _AWAITED = 1, 2, 4, 8, 16
"""AWAITED: an open incident has it for presumed, or does not know on which path it is, until it says so."""


@dataclass(slots=True)
class _Late:
    """A unit that did not come in time: the rungs that are left, and what was found out."""

    rungs: tuple[Rung, ...]
    missed_ms: int
    place: int = 0
    attached: bool | None = None
    incident: int | None = None
    held: bool = False
    woken: bool = False


class Watch:
    """All units. Times never run backwards between calls of ``tick``."""

    def __init__(self, *, first_incident: int = 1) -> None:
        self.places = Places()
        self.tally = Tally(self.places)
        self.detector = Detector(self.places, self.tally, first_number=first_incident)
        self._wheel = Wheel()
        self._index: dict[int, int] = {}
        self._info: list[UnitInfo] = []
        self._seen, self._due, self._entry, self._counted = (array("q") for _ in range(4))
        self._epoch, self._since = (array("q") for _ in range(2))
        self._interval, self._signature = (array("l") for _ in range(2))
        self._state, self._flags = bytearray(), bytearray()
        self._cause: dict[int, Cause] = {}
        self._late: dict[int, _Late] = {}
        self._anew: dict[int, int] = {}
        """Units that are looked at alone since their incident ended: their profile's time begins there."""
        self._hinted: dict[int, int] = {}
        self._told: set[int] = set()
        self._silent_since_ms: int | None = None
        self._listening_ms = NEVER
        self._out = Outcome()

    def __len__(self) -> int:
        return len(self._index)

    def add(self, info: UnitInfo, now_ms: int) -> None:
        """Takes a unit up, or takes its new settings; what was heard of it since it was taken up stays."""
        i = self._index.get(info.unit)
        if i is not None:
            self._info[i] = info
            if info.absent != (self._state[i] == State.ABSENT):
                self._set(i, State.ABSENT if info.absent else State.KNOWN, Cause.LIFE, now_ms)
                self._late.pop(i, None)
                self._due[i] = max(self._due[i], now_ms + self._interval[i] * SECOND)
                self._look_at(i, decide.late_at(self._due[i], self._interval[i]))
            return
        i = self._index[info.unit] = len(self._info)
        self._info.append(info)
        seen = NEVER if info.seen_ms is None else info.seen_ms
        begins = now_ms if info.seen_ms is None else info.seen_ms
        state, cause = decide.heard_state(info.on_battery, info.not_worn)
        if info.absent:
            state, cause = State.ABSENT, Cause.LIFE
        elif info.state is not None:
            state, cause = info.state, info.cause or cause
        for column, value in (
            (self._seen, seen), (self._due, begins + info.interval_s * SECOND), (self._entry, NEVER),
            (self._counted, NEVER), (self._epoch, info.epoch), (self._since, info.since_ms or begins),
            (self._interval, info.interval_s), (self._signature, self.places.signature(info.place)),
        ):  # fmt: skip
            column.append(value)
        self._state.append(state)
        said = (info.on_battery, info.battery_low, info.off, info.not_worn)
        self._flags.append(sum(flag << place for place, flag in enumerate(said)))
        if cause is not Cause.HEARD:
            self._cause[i] = cause
        if info.told:
            self._told.add(i)
        if state not in VERDICTS:
            self._look_at(i, decide.late_at(self._due[i], info.interval_s))
        if info.incident in self.detector.open and state in VERDICTS | WAITING:
            self._late[i] = _Late((), begins, incident=info.incident)
        if any(info.unit in incident.members for incident in self.detector.open.values()):
            self._flags[i] |= _AWAITED

    def remove(self, unit: int) -> None:
        """Stops supervising a unit: retired, returned, revoked. Its place in the columns is never used again."""
        i = self._index.pop(unit, None)
        if i is not None:
            self._state[i] = State.ABSENT
            self._late.pop(i, None)

    def heard(self, sign: Heard) -> None:
        """A sign of life. What is older than the last changes nothing; an older epoch proves life and nothing else. So
        does, for any path, what does not say by which it came: the report of a change of SIM comes by the new one."""
        i = self._index.get(sign.unit)
        if i is None or sign.at_ms < self._seen[i]:
            return
        self._seen[i] = sign.at_ms
        newer = sign.epoch > self._epoch[i]
        if newer:
            if sign.epoch >> 32 != self._epoch[i] >> 32:
                self._flags[i] &= ~_BATTERY_LOW  # it has started anew, and says so again if it still is
            self._epoch[i] = sign.epoch
            if sign.next_due_s:
                self._interval[i] = sign.next_due_s
        counts = decide.counts_at(self._due[i], sign.at_ms, self._interval[i])
        if sign.next_due_s or sign.at_ms >= self._due[i]:
            self._due[i] = sign.at_ms + self._interval[i] * SECOND
        state, by_path = self._state[i], sign.bearer is not None
        self._flags[i] &= ~_OFF
        if state == _KNOWN and sign.place is None and not self._flags[i] and not sign.on_battery and not sign.not_worn:
            if by_path:
                self.tally.hit(self._signature[i], counts)
            return
        if newer:
            self._note(i, sign)
        if state == State.ABSENT:
            return
        if by_path and (state in HEARD or self._cause.get(i) is Cause.CONNECTION_CLOSED):
            self.tally.hit(self._signature[i], counts)
        self._heard_again(i, sign.at_ms, by_path=by_path)

    def on_time(self, unit: int, last_ms: int, epoch: int) -> None:
        """A unit that is KNOWN comes in time up to ``last_ms``, as whoever plays it knows beforehand: told at once, not
        heartbeat by heartbeat. Its cohorts' hits are counted by the caller (`Tally.hits`)."""
        i = self._index[unit]
        self._seen[i], self._epoch[i] = last_ms, epoch
        self._due[i] = last_ms + self._interval[i] * SECOND

    def signature(self, unit: int) -> int:
        """The number of the place that a unit was last heard from."""
        return self._signature[self._index[unit]]

    def word(self, unit: int, word: Word, at_ms: int, epoch: int = -1) -> None:
        """What a unit said. A word of an older epoch than the newest message is late and changes nothing."""
        i = self._index.get(unit)
        if i is None or (epoch >= 0 and epoch < self._epoch[i]):
            return
        mains = word is Word.MAINS_LOST if word in (Word.MAINS_LOST, Word.MAINS_BACK) else None
        worn = word is Word.NOT_WORN if word in (Word.WORN, Word.NOT_WORN) else None
        self.heard(Heard(unit, at_ms, max(epoch, self._epoch[i]), on_battery=mains, not_worn=worn))
        self._say(i, mains, worn, at_ms)
        if word is Word.BATTERY_LOW:
            self._flags[i] |= _BATTERY_LOW
        elif word is Word.OFF:
            self._flags[i] |= _OFF
        if self._state[i] in HEARD:
            self._heard_again(i, at_ms, by_path=False)

    def closed(self, unit: int, at_ms: int) -> None:
        """A unit's connection has ended without a farewell: a hint only. If it is not heard within the grace of a
        heartbeat it is asked after. Its due time stays, and its cohorts count a miss only when that has passed: a
        gateway that drops a thousand connections is no outage. Whoever was heard since is connected again."""
        i = self._index.get(unit)
        if i is None or at_ms < self._seen[i] or self._state[i] not in HEARD:
            return
        soon = at_ms + decide.grace_s(self._interval[i]) * SECOND
        if soon < decide.late_at(self._due[i], self._interval[i]):
            self._hinted[i] = at_ms
            self._look_at(i, soon)

    def sim_view(self, unit: int, attached: bool | None) -> None:
        """What the SIM's provider says of a unit that is being asked after."""
        i = self._index.get(unit)
        if i is not None and i in self._late:
            self._late[i].attached = attached

    def press(self, unit: int, pressed_ms: int, received_ms: int) -> None:
        """A press was received; open incidents note it if it came late."""
        i = self._index.get(unit)
        if i is not None:
            for incident in self.detector.open.values():
                incident.press(LatePress(unit, pressed_ms, received_ms))

    def suspend(self, at_ms: int) -> None:
        """We do not listen from now on: no unit becomes late and no verdict falls until ``resume``."""
        if self._silent_since_ms is None:
            self._silent_since_ms = at_ms

    def resume(self, at_ms: int) -> None:
        """We listen again. Whoever was due meanwhile gets a whole interval, steps of late units begin again, and the
        time of a profile runs only while we listen."""
        if self._silent_since_ms is None:
            return
        self._silent_since_ms = None
        self._listening_ms = at_ms
        self.tally.clear()
        for i, interval in enumerate(self._interval):
            if self._state[i] in VERDICTS or self._state[i] == State.ABSENT:
                continue
            late = self._late.get(i)
            if late is not None and late.incident is not None:
                continue
            self._late.pop(i, None)
            self._due[i] = decide.due_after_downtime(self._due[i], at_ms, interval)
            self._look_at(i, decide.late_at(self._due[i], interval))

    def tick(self, now_ms: int) -> Outcome:
        """Everything that time brings, and everything since the last call."""
        if self._silent_since_ms is None:
            for i in self._wheel.take(now_ms):
                if self._entry[i] > now_ms:
                    continue
                self._entry[i] = NEVER
                self._look(i, now_ms)
            if self.tally.close(now_ms):
                self._look_at_cohorts(now_ms)
        out, self._out = self._out, Outcome()
        return out

    def next_wakeup(self) -> int | None:
        """When the next unit is to be looked at; None while we do not listen, or without units."""
        return None if self._silent_since_ms is not None else self._wheel.next_ms()

    def state(self, unit: int) -> tuple[State, Cause, int]:
        """A unit's state, its cause, and since when. Raises KeyError for a unit that is not supervised."""
        i = self._index[unit]
        return State(self._state[i]), self._cause.get(i, Cause.HEARD), self._since[i]

    def counts(self) -> Counter[State]:
        """How many units are in which state."""
        return Counter(State(self._state[i]) for i in self._index.values())

    def _note(self, i: int, sign: Heard) -> None:
        if sign.place is not None:
            self._signature[i] = self.places.signature(sign.place)
        self._say(i, sign.on_battery, sign.not_worn, sign.at_ms)

    def _say(self, i: int, on_battery: bool | None, not_worn: bool | None, at_ms: int) -> None:
        """Keeps what a unit says of its mains and its wearer; None: nothing."""
        info = self._info[i]
        if on_battery and not self._flags[i] & _ON_BATTERY:
            self._flags[i] |= _ON_BATTERY
            self.detector.mains_lost(info.place.district, info.unit, at_ms)
        elif on_battery is False and self._flags[i] & _ON_BATTERY:
            self._flags[i] &= ~(_ON_BATTERY | _BATTERY_LOW)
            self.detector.mains_back(info.place.district, info.unit)
        if not_worn is not None:
            self._flags[i] = self._flags[i] & ~_NOT_WORN | (_NOT_WORN if not_worn else 0)

    def _heard_again(self, i: int, at_ms: int, *, by_path: bool) -> None:
        """``by_path``: it said by which way. Who has only one came by that one."""
        late = self._late.pop(i, None)
        if late is not None and late.woken:
            self._counted[i] = at_ms  # where it is reception is poor: its next miss says nothing of its cohorts
        self._anew.pop(i, None)
        on_battery, unit = bool(self._flags[i] & _ON_BATTERY), self._info[i].unit
        by_path = by_path or self._info[i].spare is Spare.NONE
        self._flags[i] &= ~_AWAITED
        for incident in self.detector.open.values():
            if unit in incident.members:
                self._flags[i] |= 0 if by_path else _AWAITED
                inside = self.detector.inside(incident, self._signature[i]) if by_path else None
                incident.heard(unit, at_ms, inside=inside, on_battery=on_battery)
                self._out.incidents[incident.number] = incident
        state, cause = decide.heard_state(on_battery, bool(self._flags[i] & _NOT_WORN))
        if state != self._state[i] or cause is not self._cause.get(i, Cause.HEARD):
            self._set(i, state, cause, at_ms)
        self._told.discard(i)
        self._look_at(i, decide.late_at(self._due[i], self._interval[i]))

    def _set(
        self, i: int, state: State, cause: Cause, at_ms: int, *, told: bool = False, incident: int | None = None
    ) -> None:
        was = State(self._state[i])
        self._state[i] = state
        self._since[i] = at_ms
        if cause is Cause.HEARD:
            self._cause.pop(i, None)
        else:
            self._cause[i] = cause
        self._out.changes.append(Change(self._info[i].unit, state, cause, at_ms, was, told, incident))

    def _look_at(self, i: int, at_ms: int) -> None:
        """One entry a unit: a later time waits for the entry that there is."""
        if self._entry[i] == NEVER or at_ms < self._entry[i]:
            self._wheel.put(i, at_ms)
            self._entry[i] = at_ms

    def _look(self, i: int, now_ms: int) -> None:
        state = State(self._state[i])
        if state in VERDICTS or state is State.ABSENT:
            return
        late = self._late.get(i)
        if late is not None:
            self._climb(i, late, now_ms)
            return
        at = decide.late_at(self._due[i], self._interval[i])
        hinted = self._hinted.pop(i, None)
        if at > now_ms:
            if hinted is not None and self._seen[i] <= hinted:
                if now_ms < hinted + decide.grace_s(self._interval[i]) * SECOND:
                    self._hinted[i] = hinted
                    at = min(at, hinted + decide.grace_s(self._interval[i]) * SECOND)
                elif state in HEARD and self.detector.incident_of(self._signature[i]) is None:
                    self._set(i, State.PROBING, Cause.CONNECTION_CLOSED, now_ms)
                    self._out.actions.append(Action(self._info[i].unit, Step.PROBE_PATH, now_ms))
            self._look_at(i, at)
            return
        self._miss(i, state, now_ms)

    def _miss(self, i: int, state: State, now_ms: int) -> None:
        info = self._info[i]
        seen = self._anew.get(i) or (self._seen[i] if self._seen[i] != NEVER else self._since[i])
        seen = max(seen, self._listening_ms)
        rungs = decide.ladder(info.profile, seen, self._due[i], self._interval[i], info.spare, info.switch_s)
        late = self._late[i] = _Late(rungs, now_ms)
        signature = self._signature[i]
        if state in HEARD or self._cause.get(i) is Cause.CONNECTION_CLOSED:
            self._set(i, State.LATE, Cause.OVERDUE, now_ms)
            if self._seen[i] != NEVER and now_ms - self._counted[i] > WINDOW_MS:
                self._counted[i] = now_ms
                self.tally.miss(signature)
        incident = self.detector.incident_of(signature)
        if incident is not None:
            self._join(i, late, incident, now_ms)
        self._climb(i, late, now_ms)

    def _join(self, i: int, late: _Late, incident: Incident, now_ms: int) -> None:
        late.incident = incident.number
        incident.touch(self._member(i, late.missed_ms), now_ms)
        self._out.incidents[incident.number] = incident

    def _climb(self, i: int, late: _Late, now_ms: int) -> None:
        """Takes the rungs that are due. A unit that an incident explains costs no probe: one outage is no flood."""
        while late.place < len(late.rungs) and late.rungs[late.place].at_ms <= now_ms:
            rung = late.rungs[late.place]
            if rung.step is Step.VERDICT:
                self._judge(i, late, now_ms)
                return
            if late.incident is None and self.tally.suspected(self._signature[i]):
                self._look_at(i, min(late.rungs[-1].at_ms, now_ms + SUSPECT_MS))
                if now_ms < late.rungs[-1].at_ms:
                    return
            late.place += 1
            after = late.rungs[late.place]
            if late.incident is not None or (rung.step is after.step and after.at_ms <= now_ms):
                continue
            late.woken = late.woken or rung.step is Step.WAKE
            if self._state[i] == State.LATE and rung.step is not Step.ASK_SIM:
                self._set(i, State.PROBING, Cause.PROBED, now_ms)
            self._out.actions.append(Action(self._info[i].unit, rung.step, now_ms))
        if late.place < len(late.rungs):
            self._look_at(i, late.rungs[late.place].at_ms)

    def _judge(self, i: int, late: _Late, now_ms: int) -> None:
        suspected = self.tally.suspected(self._signature[i])
        if late.incident is None and not late.held and (suspected or not late.woken):
            late.held = True
            if not late.woken:
                late.woken = True
                self._out.actions.append(Action(self._info[i].unit, Step.WAKE, now_ms))
            self._look_at(i, now_ms + HOLD_MS)
            late.rungs = (*late.rungs[:-1], Rung(now_ms + HOLD_MS, Step.VERDICT))
            return
        if late.incident not in self.detector.open:
            late.incident = None
        flags, unit = self._flags[i], self._info[i].unit
        cuts = [incident for incident in self.detector.open.values() if incident.power and unit in incident.members]
        for incident in cuts:
            incident.touch(self._member(i, late.missed_ms), now_ms)
            self._out.incidents[incident.number] = incident
        facts = Facts(
            self._seen[i] != NEVER, bool(flags & _ON_BATTERY), bool(flags & _BATTERY_LOW), bool(flags & _OFF),
            late.incident is not None, late.attached,
        )  # fmt: skip
        state, cause = decide.verdict(facts)
        told = late.incident is None and not (cuts and state is State.NO_POWER) and i not in self._told
        if told:
            self._told.add(i)
        self._set(i, state, cause, now_ms, told=told, incident=late.incident)

    def _look_at_cohorts(self, now_ms: int) -> None:
        changed = self.detector.look(now_ms, self._missing, self._present)
        changed += self.detector.look_power(
            now_ms,
            self._districts,
            lambda units: [self._member(self._index[u], now_ms) for u in units if u in self._index],
        )
        for incident in changed:
            self._out.incidents[incident.number] = incident
            for unit in list(incident.members):
                if unit in self._index:
                    self._settle(self._index[unit], incident, now_ms)
        for incident in self.detector.close_over(now_ms):
            self._out.incidents[incident.number] = incident
            for unit, member in incident.members.items():
                if member.fate is Fate.DOWN and unit in self._index:
                    self._start_alone(self._index[unit], now_ms)

    def _settle(self, i: int, incident: Incident, now_ms: int) -> None:
        """A member of a changed incident: taken in, or let go when the scope no longer holds it."""
        late, unit = self._late.get(i), self._info[i].unit
        if incident.power and incident.stage == 1:
            return
        if incident.members[unit].fate is Fate.PRESUMED:
            self._flags[i] |= _AWAITED
        if self.detector.inside(incident, self._signature[i]):
            if late is not None:
                late.incident = incident.number
        elif not incident.power and incident.members[unit].fate in (Fate.DOWN, Fate.PRESUMED):
            incident.release(unit)
            if late is not None:
                late.incident = None
            if State(self._state[i]) in VERDICTS:
                self._start_alone(i, now_ms)

    def _start_alone(self, i: int, now_ms: int) -> None:
        """An incident is over and this unit is still down: from here on it is looked at alone, from the beginning."""
        if self._state[i] in HEARD or self._state[i] == State.ABSENT:
            return
        self._set(i, State.LATE, Cause.OVERDUE, now_ms)
        self._late.pop(i, None)
        self._due[i] = now_ms + self._interval[i] * SECOND
        self._anew[i] = now_ms
        self._look_at(i, decide.late_at(self._due[i], self._interval[i]))

    def _member(self, i: int, since_ms: int, fate: Fate = Fate.DOWN) -> Member:
        info = self._info[i]
        single = info.spare is Spare.NONE
        by = since_ms if single else self._due[i] + info.switch_s * SECOND
        return Member(info.unit, since_ms, fate, single, by, info.priority, info.place.district, info.reference)

    def _missing(self, signatures: set[int], since_ms: int) -> list[Member]:
        return [
            self._member(i, late.missed_ms)
            for i, late in self._late.items()
            if late.missed_ms >= since_ms and late.incident is None and self._signature[i] in signatures
        ]

    def _present(self, signatures: set[int], since_ms: int) -> list[Member]:
        return [
            self._member(i, since_ms, Fate.PRESUMED)
            for i, signature in enumerate(self._signature)
            if signature in signatures and self._state[i] in _LISTENED and NEVER < self._seen[i] < since_ms
        ]

    def _districts(self) -> Counter[str]:
        return Counter(self._info[i].place.district for i in self._index.values())
