"""The verdict on A4: what the database holds afterwards, against what really was done in which home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from sim.scenarios.a4_people import LIVE, PRESSED, Assistant
from sim.scenarios.a4_story import HALLWAY, Fault, Install
from sim.scenarios.scenario import Check
from sim.scenarios.truth import Happened

ROOMS = {"hallway", "bathroom", "bedroom"}
MOST_S = 300
MOST_TAPS = 6
_REFERENCE_FROM = 10000


@dataclass(frozen=True, slots=True)
class Left:
    """What the fleet has left behind. `has` are (unit, person) of active units, `had` of all that a pairing has ever
    made active; `proven` the pairings that became active, by unit; `alarms` units with a live case; `pairings_of` how
    many somebody has begun."""

    has: frozenset[tuple[int, int]]
    had: frozenset[tuple[int, int]]
    proven: Mapping[int, dict[str, Any]]
    open_pairings: frozenset[int]
    lives: Mapping[int, str]
    alarms: frozenset[int]
    pairings_of: Mapping[str, int]

    @classmethod
    def read(cls, connection: psycopg.Connection[Any]) -> Left:
        """As the owner of the schema, past row level security."""
        cursor = connection.cursor(row_factory=dict_row)

        def rows(query: str) -> list[dict[str, Any]]:
            return list(cursor.execute(query.encode()))

        has = rows(
            "SELECT u.unit_id, r.reference FROM units u JOIN unit_recipients l USING (unit_id) "
            "JOIN care_recipients r USING (recipient_id) WHERE u.life = 'active' AND l.role = 'responsible'"
        )
        proven = rows(
            "SELECT unit_id, old_unit_id, reference, steps, proof, fee_from, "
            "(pairings.ended_at AT TIME ZONE 'Europe/Stockholm')::date AS day "
            "FROM pairings JOIN care_recipients USING (recipient_id) WHERE state = 'active'"
        )
        return cls(
            frozenset((row["unit_id"], int(row["reference"][2:]) - _REFERENCE_FROM) for row in has),
            frozenset((row["unit_id"], int(row["reference"][2:]) - _REFERENCE_FROM) for row in proven),
            {row["unit_id"]: row for row in proven},
            frozenset(row["unit_id"] for row in rows("SELECT unit_id FROM pairings WHERE state = 'open'")),
            {row["unit_id"]: row["life"] for row in rows("SELECT unit_id, life FROM units")},
            frozenset(row["unit_id"] for row in rows("SELECT DISTINCT unit_id FROM cases WHERE NOT test")),
            {
                row["started_by"]: row["n"]
                for row in rows("SELECT started_by, count(*) AS n FROM pairings GROUP BY started_by")
            },
        )  # fmt: skip


def judge(
    installs: Sequence[Install],
    happened: Sequence[Happened],
    assistants: Sequence[Assistant],
    old_meanwhile: Sequence[int],
    left: Left,
    numbers: Mapping[str, float],
) -> list[Check]:
    """All checks."""
    pressed = {(one.unit, one.input) for one in happened if one.what == PRESSED}
    return [*_hallway(installs[HALLWAY], assistants, old_meanwhile, left), *_batch(installs, pressed, assistants, left),
            *_faults(installs, assistants, left, numbers), *_alarms(happened, left)]  # fmt: skip


def _hallway(
    install: Install, assistants: Sequence[Assistant], old_meanwhile: Sequence[int], left: Left
) -> list[Check]:
    one = next(one for one in assistants if one.install.place == HALLWAY)
    took = None if one.ended_at is None else round(one.ended_at - one.began, 1)
    row = left.proven.get(install.new, {"steps": [], "proof": None, "fee_from": None, "day": None, "old_unit_id": None})
    rooms = {step["room"]: step["proof"] for step in row["steps"] if step.get("room") and step["state"] == "proven"}
    told = "; ".join(f"{room} {proof['seconds']} s at {proof.get('signal')} dBm" for room, proof in rooms.items())
    failed = [text for text in one.said if text.startswith("bathroom")]
    return [
        Check("hallway: begun to active (s)", took, MOST_S, took is not None and took <= MOST_S),
        Check("hallway: taps", len(one.taps), MOST_TAPS, len(one.taps) <= MOST_TAPS),
        Check("hallway: rooms with a result", told or None, "3 rooms", set(rooms) == ROOMS),
        Check("hallway: what the bathroom said before the move", "; ".join(failed) or None, "no_press",
              bool(failed) and all("no_press" in text for text in failed)),
        Check("hallway: old unit responsible while pending (looks)", f"{sum(old_meanwhile)} of {len(old_meanwhile)}",
              "all", bool(old_meanwhile) and all(old_meanwhile)),
        Check("hallway: proof", row["proof"], "a proof id", row["proof"] is not None),
        Check("hallway: fee from", str(row["fee_from"]), "the day of the proof",
              row["fee_from"] is not None and row["fee_from"] == row["day"]),
        Check("hallway: wishes sent for one pairing", one.sent, "2 at least, 1 pairing",
              one.sent >= 2 and left.pairings_of.get(one.name) == 1),
        Check("hallway: the old unit afterwards", left.lives.get(install.old or 0), "replaced",
              left.lives.get(install.old or 0) == "replaced"),
    ]  # fmt: skip


def _right(install: Install) -> set[tuple[int, int]]:
    """Units that may be this person's afterwards."""
    if install.fault is Fault.UNREAD:
        return set()
    found = {(install.new, install.person)}
    if install.second is not None:
        found.add((install.second, install.person))
    return found


def _batch(
    installs: Sequence[Install], pressed: set[tuple[int, int | None]], assistants: Sequence[Assistant], left: Left
) -> list[Check]:
    news = {one.new for one in installs} | {one.second for one in installs if one.second is not None}
    allowed = set().union(*(_right(one) for one in installs))
    active = {one for one in left.has if one[0] in news}
    wrong = (active | left.had) - allowed
    refused = [one for one in installs if one.fault is not Fault.UNREAD and not _right(one) & active]
    two = [one for one in installs if len({unit for unit, person in active if person == one.person}) > 1]
    buttons = {one.new: one.buttons for one in installs}
    buttons |= {one.second: one.buttons for one in installs if one.second is not None}
    unproven = [(unit, button) for unit, _ in active for button in buttons[unit] if (unit, button) not in pressed] + [
        unit for unit, _ in active if {s["input"] for s in _proven_steps(left, unit)} != set(buttons[unit])
    ]
    late = [row["unit_id"] for row in left.proven.values() if row["fee_from"] != row["day"]]
    return [
        Check("installs: wrong ACTIVE, at any time", len(wrong), 0, not wrong),
        Check("installs: correct refused or not active", len(refused), 0, not refused),
        Check("installs: active", len(active), f"{len(installs)} less the unread", len(active) == len(
            [one for one in installs if one.fault is not Fault.UNREAD])),
        Check("persons with two active units", len(two), 0, not two),
        Check("active units with a button that nobody proved", len(unproven), 0, not unproven),
        Check("fees from another day than the proof's", len(late), 0, not late),
    ]  # fmt: skip


def _proven_steps(left: Left, unit: int) -> list[dict[str, Any]]:
    row = left.proven.get(unit)
    if row is None:
        return []
    return [step for step in row["steps"] if step["state"] == "proven" and step["unit"] == unit]


def _faults(
    installs: Sequence[Install], assistants: Sequence[Assistant], left: Left, numbers: Mapping[str, float]
) -> list[Check]:
    by_place: dict[int, list[Assistant]] = {}
    for one in assistants:
        by_place.setdefault(one.install.place, []).append(one)

    def caught(*faults: Fault) -> list[Install]:
        """Installs with such a fault of which the page said something to somebody."""
        return [
            install for install in installs if install.fault in faults
            and any(one.refusals or one.said for one in by_place[install.place])
        ]  # fmt: skip

    unread = [one for one in installs if one.fault is Fault.UNREAD]
    pending = [one for one in unread if one.new in left.open_pairings and left.lives[one.new] == "pairing"]
    still_old = [one for one in unread if one.old is not None and left.lives[one.old] != "active"]
    swapped, double = caught(Fault.WRONG_PICK, Fault.WRONG_PAPER), caught(Fault.DOUBLE, Fault.AGAIN)
    together = caught(Fault.TOGETHER)
    count = {name: int(numbers[name]) for name in ("unread", "swapped", "double", "together")}
    mute = [text for one in assistants for text in one.refusals if ": " not in text.sentence]
    return [
        Check("unread pendants: pending", len(pending), count["unread"], len(pending) == count["unread"]),
        Check("unread pendants: old units let go", len(still_old), 0, not still_old),
        Check("swapped persons: caught", len(swapped), count["swapped"], len(swapped) == count["swapped"]),
        Check("double pairings: caught", len(double), count["double"], len(double) == count["double"]),
        Check("two assistants at once: caught", len(together), count["together"], len(together) == count["together"]),
        Check("refusals that do not say what to do", len(mute), 0, not mute),
    ]  # fmt: skip


def _alarms(happened: Sequence[Happened], left: Left) -> list[Check]:
    real = {one.unit for one in happened if one.what == LIVE}
    lost = real - left.alarms
    return [Check("real alarms during a pairing that were no case", len(lost), f"0 of {len(real)}", not lost)]
