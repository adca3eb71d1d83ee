"""Pure decisions of forwarding: what the centre is told, what follows from its answer, and how it is doing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from fleet.alarms.decide import DURESS, MAN_DOWN, MANUAL, NO_MOVEMENT, PULL_CORD, TEST, is_test
from fleet.forwarding.model import (
    Fate,
    Health,
    Outcome,
    Owed,
    Policy,
    Position,
    Reconciliation,
    Sign,
    State,
    TroubleKind,
)

BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
REFUSED_AGAIN_S = 60.0
LONGEST_DELAY_S = max(*BACK_OFF_S, REFUSED_AGAIN_S)
SILENT_FLAG = 4

# The category names of protocols.centre.alarm; a kind that is not here is told as personal help, never withheld.
CATEGORY = {
    MANUAL: "PERSONAL_HELP",
    DURESS: "DURESS",
    MAN_DOWN: "FALL",
    NO_MOVEMENT: "INACTIVITY",
    PULL_CORD: "PERSONAL_HELP",
    TEST: "TEST_MANUAL",
}


def category_of(unit_type: str, kind: int, flags: int = 0) -> str:
    """The category a centre is told. A manual press on a worn personal alarm is an attack, not a fall at home."""
    if is_test(kind, flags):
        return CATEGORY[TEST]
    if unit_type == "personal" and kind == MANUAL:
        return "PERSONAL_ATTACK"
    return CATEGORY.get(kind, "PERSONAL_HELP")


def is_silent(owed: Owed) -> bool:
    """Nothing may sound at the wearer's end: duress always, others where the unit says so."""
    return owed.kind == DURESS or bool(owed.flags & SILENT_FLAG)


def sequence_of(outbox: int) -> int:
    """The DC-09 sequence 1..9999. It belongs to the outbox row, so every repetition carries the same one."""
    return (outbox - 1) % 9999 + 1


def sends_minimal(owed: Owed) -> bool:
    """After a refusal the same bytes must not go again: the next attempt carries the bare alarm only."""
    return owed.last_outcome == Outcome.REFUSED.value


def fate_of(outcome: Outcome, attempts: int) -> Fate:
    """What follows from an attempt. An alarm is owed for ever: there is no last attempt.

    A refused alarm is tried once more at once in its minimal form, then every minute; where the unit or we are refused,
    every minute as it is. A centre that does not answer is tried with a growing delay and nothing else is sent to it
    meanwhile.
    """
    if outcome is Outcome.DELIVERED:
        return Fate(delivered=True, delay_s=0.0, centre_is_down=False)
    if outcome is Outcome.REFUSED:
        return Fate(delivered=False, delay_s=0.0 if attempts <= 1 else REFUSED_AGAIN_S, centre_is_down=False)
    if outcome.answered:
        return Fate(delivered=False, delay_s=REFUSED_AGAIN_S, centre_is_down=False)
    return Fate(delivered=False, delay_s=back_off(attempts), centre_is_down=True)


def sign_of(outcome: Outcome) -> Sign | None:
    """What an attempt to tell an alarm says about the centre. A refusal says nothing: whoever refuses, lives."""
    if outcome is Outcome.DELIVERED:
        return Sign.DELIVERED
    return None if outcome.answered else Sign.ALARM_UNANSWERED


def sign_of_probe(outcome: Outcome) -> Sign:
    """What a probe says. Any answer at all is one."""
    return Sign.PROBE_ANSWERED if outcome.answered else Sign.PROBE_UNANSWERED


def trouble_of(outcome: Outcome, *, minimal: bool = False) -> TroubleKind | None:
    """What a person has to put right after this outcome; None where the protocol's own ways are enough.

    Where even the minimal form is refused nothing of the message is left to be wrong: then it is about the unit.
    """
    if outcome is Outcome.REFUSED:
        return TroubleKind.UNIT if minimal else None
    return _TROUBLES.get(outcome)


_TROUBLES = {
    Outcome.UNIT_REFUSED: TroubleKind.UNIT,
    Outcome.NOT_AUTHORIZED: TroubleKind.AUTHENTICATION,
    Outcome.WRONG_CERTIFICATE: TroubleKind.CERTIFICATE,
    Outcome.UNUSABLE: TroubleKind.CONFIGURATION,
}


def proven_by_probe(outcome: Outcome) -> tuple[TroubleKind, ...]:
    """What cannot be wrong any more once a probe had this outcome."""
    if outcome is Outcome.DELIVERED:
        return (TroubleKind.AUTHENTICATION, TroubleKind.CERTIFICATE, TroubleKind.CONFIGURATION)
    if outcome.answered:
        return (TroubleKind.CERTIFICATE, TroubleKind.CONFIGURATION)
    return (TroubleKind.CONFIGURATION,) if outcome is Outcome.WRONG_CERTIFICATE else ()


def refuses_all(units: int, policy: Policy) -> bool:
    """Whether a centre that refused so many different units, and took nothing since, is to be counted as down."""
    return units >= policy.refused_units


def step(health: Health, sign: Sign, at: datetime, policy: Policy) -> Health:
    """The state after a sign. Never raises; every sign is possible in every state, because workers are many.

    good -> doubted at the first alarm or probe without an answer, with a probe at once; doubted -> good when something
    is answered, -> down when that fails too, or when it is the second doubt in a while; down -> probing -> failing back
    after enough good probes in a row; failing back -> good with the first answer, -> down without. A centre that
    refuses unit after unit is down at once, whatever it says to probes.
    """
    later = _next_probe(health, sign, at, policy)
    if sign is Sign.DELIVERED:
        if health.state in (State.DOUBTED, State.FAILING_BACK):
            return replace(health, state=State.GOOD, since=at, probe_at=later, good_probes=0)
        return health  # a single delivery does not outweigh the probes that a centre owes us
    if sign is Sign.PROBE_ANSWERED:
        return _answered(health, at, later, policy)
    if health.state is State.GOOD and sign is not Sign.UNITS_REFUSED:
        return _doubted(health, at, later, policy)
    since = health.since if health.state is State.DOWN else at
    probe_at = health.probe_at if health.state is State.DOWN and sign is Sign.ALARM_UNANSWERED else later
    return replace(health, state=State.DOWN, since=since, probe_at=probe_at, good_probes=0)


def _next_probe(health: Health, sign: Sign, at: datetime, policy: Policy) -> datetime:
    """An interval from now; behind a probe an interval from its beginning, which whoever claimed it has written down: a
    centre that keeps us waiting is not probed less often.
    """
    later = at + timedelta(seconds=policy.probe_s)
    of_a_probe = sign in (Sign.PROBE_ANSWERED, Sign.PROBE_UNANSWERED)
    return health.probe_at if of_a_probe and at < health.probe_at <= later else later


def _answered(health: Health, at: datetime, later: datetime, policy: Policy) -> Health:
    if health.state is State.GOOD:
        return replace(health, probe_at=later)
    if health.state in (State.DOUBTED, State.FAILING_BACK):
        return replace(health, state=State.GOOD, since=at, probe_at=later, good_probes=0)
    good = health.good_probes + 1
    state = State.FAILING_BACK if good >= policy.good_probes else State.PROBING
    since = health.since if state is health.state else at
    return replace(health, state=state, since=since, probe_at=later, good_probes=good)


def _doubted(health: Health, at: datetime, later: datetime, policy: Policy) -> Health:
    recent = health.doubted_at is not None and at - health.doubted_at <= timedelta(seconds=policy.doubt_window_s)
    doubts = health.doubts + 1 if recent else 1
    state = State.DOUBTED if doubts == 1 else State.DOWN
    probe_at = at if state is State.DOUBTED else later
    return Health(state, at, probe_at, doubts=doubts, doubted_at=at)


def turned_unfit(before: Health, after: Health) -> bool:
    """Whether everything that the centre is still owed has to go to the other one now."""
    return before.fit and not after.fit


def compare(
    stored: Mapping[str, Collection[str]], reports: Mapping[str, Sequence[str]], tests: Collection[str] = ()
) -> Reconciliation:
    """Holds our rows against the centres' logs.

    ``stored`` maps each reference to the centres that we believe have it (empty: none yet), ``reports`` each centre to
    the references that it logged as new, in order. ``tests`` are references that count as stored and may be anywhere.
    """
    counts = {centre: Counter(references) for centre, references in reports.items()}
    holders: dict[str, set[str]] = {}
    for centre, counted in counts.items():
        for reference in counted:
            holders.setdefault(reference, set()).add(centre)
    ours = set(stored)
    asked = set(reports)
    return Reconciliation(
        presses=len(ours),
        lost=tuple(sorted(ours - set(holders))),
        unknown=tuple(sorted(set(holders) - ours - set(tests))),
        unproven=tuple(sorted(r for r in ours if (set(stored[r]) & asked) - holders.get(r, set()))),
        unnoticed=tuple(sorted(r for r in ours if holders.get(r, set()) - set(stored[r]))),
        both=tuple(sorted(r for r, where in holders.items() if len(where) > 1)),
        doubled=tuple(sorted({r for counted in counts.values() for r, times in counted.items() if times > 1})),
        by_centre={centre: len(counted) for centre, counted in sorted(counts.items())},
    )


def back_off(attempts: int) -> float:
    """Seconds until the next attempt after ``attempts`` (at least 1) that got no answer."""
    return BACK_OFF_S[min(max(attempts, 1), len(BACK_OFF_S)) - 1]


def told_age_s(owed: Owed) -> int:
    """Seconds from press to receipt as the unit knew them. Fixed by the row, so every repetition is equal."""
    return owed.age_s if owed.age_s is not None else 0


def occurred_at(owed: Owed) -> datetime:
    """When the centre is told it was pressed: by the unit's age where known, else when it came in."""
    return owed.pressed_at or owed.received_at


def position_of(
    data: Mapping[int, object], boot: int, seq: int, received_at: datetime, age_s: int | None
) -> Position | None:
    """The place in an event's data; None where there is none on Earth, as where a unit knows its cell alone.

    When it was found is known where event and fix say their ages; the server's clock is what they are counted from.
    """
    latitude, longitude, fix_age = data.get(1), data.get(2), data.get(5)
    if type(latitude) is not int or type(longitude) is not int:
        return None
    if abs(latitude) > 90 * _DEGREE or abs(longitude) > 180 * _DEGREE:
        return None
    fixed_at = None
    if type(fix_age) is int and 0 <= fix_age + (age_s or 0) <= _OLDEST_FIX_S:
        fixed_at = received_at - timedelta(seconds=fix_age + (age_s or 0))
    return Position(boot, seq, latitude / _DEGREE, longitude / _DEGREE, received_at, fixed_at)


_DEGREE = 10_000_000
_OLDEST_FIX_S = 10 * 366 * 86_400
