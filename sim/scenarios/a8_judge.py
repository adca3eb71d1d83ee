"""The verdict of A8: database, centre's log, operators' log and technicians' list, held against the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.scenarios.a8_story import QUICK, QUICK_S, SLOW, SLOW_S, Silent, share
from sim.scenarios.evidence import worst
from sim.scenarios.scenario import Check
from sim.scenarios.truth import Happened

CENTRE_S = 20.0
PROOF_S = 60.0
LISTED_S = 1900.0
"""An order waits 20 minutes for its unit, and then ten for the press; then somebody must look."""
TEST_CATEGORY = "TEST"
HELP = "needs help"
TESTS = "tests"


@dataclass(frozen=True, slots=True)
class Found:
    """What the day has left behind. `proofs` are (unit, input, bearer, at), `tasks` technicians' (unit, input, opened
    at, why), `desk` operators' (at, unit, what), `told` the centre's (unit, category, at), `taken` whether the lamp
    showed that the machine has answered, `presses` stored presses by unit, `report` the fleet's own."""

    proofs: Sequence[tuple[int, int, int | None, float]]
    tasks: Sequence[tuple[int, int, float, str]]
    desk: Sequence[tuple[float, int, str]]
    told: Sequence[tuple[int, str, float]]
    taken: Mapping[tuple[int, int], bool]
    presses: Mapping[int, int]
    report: Mapping[str, Any]
    bearer: int


def judge(truth: Sequence[Happened], orders: Mapping[tuple[int, int], float], found: Found) -> list[Check]:
    """All checks. `orders` is when each button was ordered."""
    helped = [one for one in truth if one.what == HELP]
    fingers = [one for one in truth if one.what != HELP]
    silent = {(one.unit, one.input or 0) for one in fingers if one.what in set(Silent)}
    arrived = [one for one in fingers if one.what == TESTS]
    return [
        *_operators(helped, {one.unit for one in fingers}, found),
        *_tests(fingers, arrived, helped, found),
        *_technicians(silent, orders, found),
        *_report(arrived, silent, orders, found),
    ]


def _operators(helped: Sequence[Happened], testers: set[int], found: Found) -> list[Check]:
    taken: dict[int, list[float]] = defaultdict(list)
    busy: Counter[bool] = Counter()
    seconds = {True: 0.0, False: 0.0}
    began: dict[int, float] = {}
    for at, unit, what in found.desk:
        test = unit in testers
        if what == "taken":
            taken[unit].append(at)
            began[unit] = at
            busy[test] += 1
        else:
            seconds[test] += at - began[unit]
    waits = [min((at - one.at for at in taken[one.unit] if at >= one.at), default=None) for one in helped]
    known = [wait for wait in waits if wait is not None]
    quick, slow = (share(known, limit, len(waits)) for limit in (QUICK_S, SLOW_S))
    at_centre = [min((at - one.at for unit, _, at in found.told if unit == one.unit), default=None) for one in helped]
    stored = sum(found.presses.get(one.unit, 0) == 1 for one in helped)
    return [
        Check("real alarms", len(helped), "any", len(helped) > 0),
        Check("real alarms stored, each once", stored, len(helped), stored == len(helped)),
        Check("real alarms taken by an operator within 60 s", quick, f"at least {QUICK}", quick >= QUICK),
        Check("real alarms taken by an operator within 180 s", slow, f"at least {SLOW}", slow >= SLOW),
        _within("real alarm at a centre, worst (s)", worst(at_centre), CENTRE_S),
        Check("operator hours on real alarms", round(seconds[False] / 3600, 2), "any", True),
        Check("operator seconds on tests", round(seconds[True], 1), 0, seconds[True] == 0 and not busy[True]),
    ]


def _tests(
    fingers: Sequence[Happened], arrived: Sequence[Happened], helped: Sequence[Happened], found: Found
) -> list[Check]:
    testers, others = {one.unit for one in fingers}, {one.unit for one in helped}
    live = sum(unit in testers and not category.startswith(TEST_CATEGORY) for unit, category, _ in found.told)
    hidden = sum(unit in others and category.startswith(TEST_CATEGORY) for unit, category, _ in found.told)
    proven: dict[tuple[int, int], list[tuple[int | None, float]]] = defaultdict(list)
    for unit, button, bearer, at in found.proofs:
        proven[unit, button].append((bearer, at))
    after: list[float | None] = []
    whole = 0
    for one in arrived:
        of_button = proven[one.unit, one.input or 0]
        whole += [bearer for bearer, at in of_button if one.at <= at <= one.at + PROOF_S] == [found.bearer]
        after.append(min((at - one.at for _, at in of_button), default=None))
    shown = sum(found.taken.get((one.unit, one.input or 0), False) for one in arrived)
    return [
        Check("tests pressed, of them failing silently", f"{len(fingers)}, {len(fingers) - len(arrived)}", "any",
              len(arrived) > 0),
        Check("tests told a centre as live alarms", live, 0, live == 0),
        Check("real alarms told a centre as tests", hidden, 0, hidden == 0),
        Check("tests with a receipt that names unit, button, bearer and time", whole, len(arrived),
              whole == len(arrived) == len(found.proofs)),
        _within("test pressed to its proof, worst (s)", worst(after), PROOF_S),
        Check("tests whose lamp showed the machine's answer", shown, len(arrived), shown == len(arrived)),
    ]  # fmt: skip


def _technicians(silent: set[tuple[int, int]], orders: Mapping[tuple[int, int], float], found: Found) -> list[Check]:
    listed = {(unit, button): (at, why) for unit, button, at, why in found.tasks}
    hit = silent & set(listed)
    wrong = len(set(listed) - silent)
    delays = [listed[one][0] - orders[one] if one in listed else None for one in sorted(silent)]
    reasons = Counter(why for _, why in listed.values())
    said = ", ".join(f"{why}: {count}" for why, count in sorted(reasons.items())) or "none"
    return [
        Check("silent failures on the technicians' list", len(hit), len(silent), len(hit) == len(silent)),
        Check("others on that list", wrong, 0, wrong == 0),
        Check("what the list says", said, "any", True),
        _within("order to the technicians' list, worst (s)", worst(delays), LISTED_S),
    ]


def _report(
    arrived: Sequence[Happened], silent: set[tuple[int, int]], orders: Mapping[tuple[int, int], float], found: Found
) -> list[Check]:
    buttons = {(one.unit, one.input or 0) for one in arrived}
    hubs = {unit for unit, _ in buttons}
    report = found.report
    ordered = (
        report["buttons_ordered"], report["buttons_ordered_and_proven"], report["buttons_ordered_and_missed"],
        report["buttons_ordered_and_waited_for"],
    )  # fmt: skip
    wanted = (len(orders), len(buttons), len(silent), 0)
    proven = report["units_with_a_proven_button"]
    return [
        Check("report: buttons proven", report["buttons_proven"], len(buttons),
              report["buttons_proven"] == len(buttons)),
        Check("report: hubs they belong to, of all", f"{proven} of {report['active_units']}",
              f"{len(hubs)}, fewer than buttons",
              proven == len(hubs) < len(buttons)),
        Check("report: buttons ordered, proven, missed, waited for", str(ordered), str(wanted), ordered == wanted),
    ]  # fmt: skip


def _within(name: str, value: float | None, limit: float) -> Check:
    return Check(name, value, f"{limit:g}", value is not None and value <= limit)
