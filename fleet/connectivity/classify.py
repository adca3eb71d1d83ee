"""Which units lose their networks, and what helps each: judged by the bearers a unit was seen on, per SIM. Pure.

It never reads what a list of models says. A bearer counts as kept only when a test alarm went the whole way over it,
with the modem firmware that the unit has now: phones that "had 4G" have failed on some operators with some firmware.
What a modem could do is believed of the modem itself: it was seen on it, or it answered so, or enough others with the
same modem firmware were seen on it.

| class | a SIM's | what helps |
|---|---|---|
| fine | has a proven bearer that stays | nothing |
| over_the_air | bearers all end, the modem can do one that stays, the plan of its SIM allows it | another profile |
| sim_swap | as above, but the plan of its SIM does not allow it | a visit with a SIM |
| hardware_swap | bearers all end, and the modem has said that it can do nothing that stays | a visit with a unit |
| unknown | was never seen, or is unproven on what stays, or nobody knows what its modem can | a survey |
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final

from fleet.connectivity.calendar import Calendar, radio_network
from fleet.connectivity.sunset_model import Class, Seen, Sim, SimVerdict, Unit, Verdict

SEEN_WITHIN: Final = timedelta(days=180)
"""A bearer that was last seen longer ago is none that the unit lives on; it still shows what its modem can do."""
PROOF_LASTS: Final = timedelta(days=400)
"""A proof that is older does not count: networks and firmware have changed since."""
ENOUGH_PEERS: Final = 20
"""So many units with the same modem firmware, seen on a technology, say that this modem can do it."""
_CELLULAR_NEXT: Final = frozenset({"lte", "lte_m", "nb_iot"})
_WORST: Final[tuple[Class, ...]] = ("hardware_swap", "unknown", "sim_swap", "over_the_air", "fine")


def shown_by_peers(units: Iterable[Unit]) -> Mapping[str, frozenset[str]]:
    """Technologies by modem firmware that at least `ENOUGH_PEERS` units of it were seen on."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for unit in units:
        if unit.modem_firmware:
            counts[unit.modem_firmware].update({seen.technology for seen in unit.seen if seen.slot})
    return {
        firmware: frozenset(technology for technology, number in found.items() if number >= ENOUGH_PEERS)
        for firmware, found in counts.items()
    }


def judge(unit: Unit, calendar: Calendar, today: date, peers: Mapping[str, frozenset[str]]) -> Verdict:
    """What becomes of a unit. ``peers`` is of `shown_by_peers`, of the whole fleet. Every end that the calendar knows
    counts, however far ahead; who plans for less takes the verdicts with a deadline before his horizon."""
    slots = sorted({seen.slot for seen in unit.seen} | {sim.slot for sim in unit.sims})
    can = _can(unit, peers)
    verdicts = tuple(_judge_sim(unit, slot, calendar, today, can) for slot in slots)
    doomed = [one for one in verdicts if one.doomed]
    kept: frozenset[str] = frozenset().union(*(one.kept for one in verdicts))
    stranded = bool(doomed) and not kept
    # An unproven SIM beside a proven one is a drill to be asked for, not a person without help.
    judged = doomed or [one for one in verdicts if one.what != "fine"] or list(verdicts)
    if not judged:
        return Verdict(unit, "unknown", False, False, True, None, (), "it was never seen on any network")
    chosen = min(judged, key=lambda one: _WORST.index(one.what))
    ends = [one.deadline for one in doomed if one.deadline is not None]
    # It is heard until the last of its SIMs goes; a spare that goes takes the second path with it that day.
    deadline = None if not ends else max(ends) if stranded else min(ends)
    return Verdict(unit, chosen.what, bool(doomed), stranded, len(kept) < 2, deadline, verdicts, chosen.why)


def judge_all(units: Iterable[Unit], calendar: Calendar, today: date) -> list[Verdict]:
    """`judge` for a fleet, in its order."""
    fleet = list(units)
    peers = shown_by_peers(fleet)
    return [judge(unit, calendar, today, peers) for unit in fleet]


def refuse_activation(verdict: Verdict, today: date) -> str | None:
    """Why this unit may not become active today; None: nothing here speaks against it.

    A unit with an unproven bearer that stays is not refused: pairing is about to prove it.
    """
    if not verdict.stranded or verdict.deadline is None or today <= verdict.deadline:
        return None
    if any(one.what == "unknown" and not one.doomed for one in verdict.sims):
        return None
    helps = {
        "over_the_air": "give it the profile for a network that stays, and prove it",
        "sim_swap": "put in a SIM whose plan allows a network that stays",
    }.get(verdict.what, "take another unit")
    return f"the networks that this unit was seen on closed on {verdict.deadline}: {helps}"


def _can(unit: Unit, peers: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    """Technologies that the unit's modem can do; None: nobody knows. Its own word goes before that of others."""
    seen = frozenset(one.technology for one in unit.seen if one.slot)
    if unit.modem_says is not None:
        return seen | unit.modem_says
    shown = peers.get(unit.modem_firmware or "", frozenset())
    return seen | shown if (seen | shown) & _CELLULAR_NEXT else None


def _judge_sim(unit: Unit, slot: int, calendar: Calendar, today: date, can: frozenset[str] | None) -> SimVerdict:
    recent = [one for one in unit.seen if one.slot == slot and today - one.last_seen <= SEEN_WITHIN]
    if not recent:
        return SimVerdict(slot, "unknown", False, None, frozenset(), f"SIM {slot} was not seen on any network lately")
    ends = {one: calendar.last_day(one.operator, one.technology, one.region) for one in recent}
    stays = [one for one in recent if ends[one] is None]
    proven = [one for one in stays if _is_proven(one, unit, today)]
    if proven:
        kept = frozenset(radio_network(one.operator) for one in proven)
        return SimVerdict(slot, "fine", False, None, kept, f"proven on {_named(proven[0])}, which stays")
    if stays:
        return SimVerdict(
            slot, "unknown", False, None, frozenset(), f"seen on {_named(stays[0])}, but no test alarm proved it"
        )
    deadline = max(day for day in ends.values() if day is not None)
    where = _named(max(recent, key=lambda one: one.last_seen))
    what, why = _what_helps(unit, slot, recent, calendar, can)
    return SimVerdict(slot, what, True, deadline, frozenset(), f"seen on {where} only, which ends {deadline}: {why}")


def _what_helps(
    unit: Unit, slot: int, recent: list[Seen], calendar: Calendar, can: frozenset[str] | None
) -> tuple[Class, str]:
    if can is None:
        return "unknown", "nobody knows what its modem can do; ask it"
    stay = {
        technology
        for technology in can & _CELLULAR_NEXT
        for one in recent
        if calendar.last_day(one.operator, technology, one.region) is None
    }
    if not stay:
        return "hardware_swap", "its modem can do nothing that stays"
    sim = next((one for one in unit.sims if one.slot == slot), Sim(slot))
    allowed = stay if sim.allows is None else stay & sim.allows
    if not allowed:
        return "sim_swap", f"its modem can do {'/'.join(sorted(stay))}, the plan of its SIM cannot"
    return "over_the_air", f"its modem can do {'/'.join(sorted(allowed))}"


def _is_proven(one: Seen, unit: Unit, today: date) -> bool:
    if one.proven is None or today - one.proven > PROOF_LASTS:
        return False
    return one.proven_with is None or unit.modem_firmware is None or one.proven_with == unit.modem_firmware


def _named(one: Seen) -> str:
    return f"{one.operator} {one.technology}"
