"""The decisions about one unit: when it is late, what is tried before a person hears of it, and why it is silent."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import Final, NamedTuple

from fleet.supervision.model import Cause, Profile, Spare, State, Step

SECOND: Final = 1000
GRACE_LEAST_S: Final = 5
GRACE_MOST_S: Final = 60
GRACE_PART: Final = 30
"""A heartbeat may be late by a thirtieth of its interval: what retransmission takes."""
WAKE_ANSWER_S: Final = 30
"""A unit that is woken by SMS has this long to be heard, where its profile leaves the time."""
WAKES: Final = 3
"""So many SMS go out before a person hears of one unit: of those that missed enough heartbeats by chance each loses one
SMS in a hundred, and in a fleet of thousands there are some every day that lose two."""
WAKES_APART_S: Final = 5
"""Where the profile's time is short, wakes follow each other as closely as this."""
RECONNECT_S: Final = 60
"""Units that lost their connection to us come back spread over this time."""
RETURN_SPREAD_S: Final = 300
"""After our own downtime units become late spread over an interval as they were, or over this of a longer one."""
MARGIN_S: Final = 15
"""A verdict stands this long before the profile's time ends: the front doors say that they listen every ten seconds,
and it has to be written and shown."""
MARGIN_PART: Final = 6
MISSED: Final = 3
"""A unit that beats too seldom for its profile is judged after so many missed heartbeats: with 1 % lost in bursts, one
would be a false ticket for every hundred units a day."""


class Rung(NamedTuple):
    """One step of the ladder and when it is due."""

    at_ms: int
    step: Step


class Facts(NamedTuple):
    """What the unit, its SIM's provider and the cohorts have said, when the verdict falls."""

    heard_ever: bool = True
    on_battery: bool = False
    battery_low: bool = False
    off: bool = False
    in_incident: bool = False
    attached: bool | None = None


def grace_s(interval_s: int) -> int:
    """How long after its due time a heartbeat counts as in time."""
    return min(GRACE_MOST_S, max(GRACE_LEAST_S, interval_s // GRACE_PART))


def late_at(due_ms: int, interval_s: int) -> int:
    """When a unit that was due becomes late."""
    return due_ms + grace_s(interval_s) * SECOND


def verdict_at(profile: Profile, seen_ms: int, due_ms: int, interval_s: int) -> int:
    """When a unit that stays silent is judged: inside the profile's time, but never before it was late and tried.

    The unit's own interval may be too long for the profile's time (``keeps`` is False); then it is judged when three
    heartbeats are missing.
    """
    margin = min(MARGIN_S, profile.report_s // MARGIN_PART)
    tried = min(WAKE_ANSWER_S, max(1, profile.report_s // 4))
    if not keeps(profile, interval_s):
        due_ms += (MISSED - 1) * interval_s * SECOND
    return max(seen_ms + (profile.report_s - margin) * SECOND, late_at(due_ms, interval_s) + tried * SECOND)


def keeps(profile: Profile, interval_s: int) -> bool:
    """Whether heartbeats at this interval let a fault be known within the profile's time."""
    tried = min(WAKE_ANSWER_S, max(1, profile.report_s // 4))
    return interval_s + grace_s(interval_s) + tried <= profile.report_s


@lru_cache(maxsize=1024)
def longest_interval(profile: Profile) -> int:
    """The longest interval between heartbeats, in seconds, that keeps the profile; 0: none does."""
    return bisect_left(range(1, profile.report_s + 1), True, key=lambda interval_s: not keeps(profile, interval_s))


def ladder(
    profile: Profile, seen_ms: int, due_ms: int, interval_s: int, spare: Spare, switch_s: int
) -> tuple[Rung, ...]:
    """All steps for a unit that has become late, in order; the last is the verdict.

    A data path is probed at once, a second radio too. A spare SIM is waited for until the unit's declared switch. Only
    what then is missing costs an SMS: at the second missed heartbeat, sooner where the profile's time would not leave
    room for answers, and again until the last that may still be answered before the verdict.
    """
    late = late_at(due_ms, interval_s)
    verdict = verdict_at(profile, seen_ms, due_ms, interval_s)
    last = max(late, verdict - WAKE_ANSWER_S * SECOND)
    rungs = [Rung(late, Step.PROBE_PATH)]
    if spare is Spare.SECOND_RADIO:
        rungs.append(Rung(late, Step.PROBE_SPARE))
    wake = late + interval_s * SECOND
    if spare is Spare.SPARE_SIM:
        wake = max(wake, due_ms + switch_s * SECOND)
    wake = max(late, min(wake, last - (WAKES - 1) * WAKES_APART_S * SECOND))
    more = min(WAKES - 1, (last - wake) // (WAKES_APART_S * SECOND))
    rungs += [Rung(wake, Step.ASK_SIM), Rung(wake, Step.WAKE)]
    rungs += [Rung(wake + (last - wake) * n // more, Step.WAKE) for n in range(1, more + 1)]
    rungs.append(Rung(verdict, Step.VERDICT))
    return tuple(rungs)


def verdict(facts: Facts) -> tuple[State, Cause]:
    """Why a unit is not heard. What the unit itself said last goes before what others say of it."""
    if facts.off:
        return State.OFF, Cause.SWITCHED_OFF
    if facts.battery_low:
        return (State.NO_POWER if facts.on_battery else State.OFF), Cause.BATTERY_EMPTY
    if facts.in_incident:
        return State.NO_NETWORK, Cause.INCIDENT
    if facts.on_battery:
        return State.NO_POWER, Cause.MAINS_LOST
    if facts.attached is False:
        return State.NO_NETWORK, Cause.SIM_DETACHED
    if not facts.heard_ever:
        return State.SILENT, Cause.NEVER_HEARD
    return State.SILENT, Cause.SIM_ATTACHED if facts.attached else Cause.NO_ANSWER


def heard_state(on_battery: bool, not_worn: bool) -> tuple[State, Cause]:
    """How a unit is that was just heard."""
    if not_worn:
        return State.NOT_WORN, Cause.NOT_WORN
    return State.KNOWN, Cause.MAINS_LOST if on_battery else Cause.HEARD


def due_after_downtime(due_ms: int, back_ms: int, interval_s: int) -> int:
    """A due time that lay in our own downtime, or so soon after it that its unit may still be connecting, is moved:
    the unit has one whole interval to be heard, since it tries again at the latest with its next heartbeat. From there
    on units become late in the order in which they were due: those who lost that one heartbeat must not all be missed
    at one moment, which would look like an outage."""
    settled = back_ms + RECONNECT_S * SECOND
    if due_ms >= settled:
        return due_ms
    return settled + interval_s * SECOND + (due_ms - settled) % (min(interval_s, RETURN_SPREAD_S) * SECOND)


def counts_at(due_ms: int, at_ms: int, interval_s: int) -> int:
    """When a sign of life is set beside the misses of others: when its heartbeat would have been missed. What comes
    early (a press, a new connection) stands for the heartbeat that was due."""
    return late_at(max(due_ms, at_ms), interval_s)
