"""The verdict on A1: what the fleet has left behind, held against who was hit and who was pressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fleet.supervision.incidents import Visit
from sim.scenarios.crowd import One
from sim.scenarios.evidence import Evidence, worst
from sim.scenarios.scenario import Check

DETECTED_S: Final = 60.0
MOVED_S: Final = 390.0
MOVED: Final = 0.99
AT_CENTRE_S: Final = 30.0
PEAK: Final = 3.0
HOUR_S: Final = 3600.0
TICKET_MIN: Final = 1.0
LATE_S: Final = 60


@dataclass(slots=True)
class Seen:
    """Two minutes after it began: the visit list, and who truly had no path."""

    visits: list[Visit] = field(default_factory=list)
    without_path: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Night:
    """Everything else. ``pressed``: kind and time by unit; ``ages``: what a press was told to be old when it came.
    Seconds after which the visit list was looked at (``visits_at``) and enough units were overdue (``shown``)."""

    begins: float
    ends: float
    hit: int
    units: Mapping[int, One]
    pressed: Mapping[int, tuple[str, float]]
    incidents: list[dict[str, Any]]
    told: list[int]
    found: Evidence
    ages: Mapping[int, int | None]
    peak: float
    usual: float
    visits_at: float
    shown: float


def judge(night: Night, seen: Seen) -> list[Check]:
    """All checks."""
    return [*_incident(night), *_paths(night), *_visits(night, seen), *_presses(night), *_recovery(night)]


def _incident(night: Night) -> list[Check]:
    first = night.incidents[0] if night.incidents else None
    after = None if first is None else round(first["opened_at"] - night.begins, 1)
    limit = round(max(DETECTED_S, night.shown), 1)
    scope = "none" if first is None else " + ".join(f"{s['kind']} {s['name']}" for s in first["report"]["scope"])
    log = [] if first is None else [line["what"] for line in first["report"]["log"]]
    wholly = sum(what.startswith("wholly out") for what in log)
    alone = f"{night.hit} = {night.hit * TICKET_MIN / 60:.0f} operator-hours"
    return [
        Check("incidents", len(night.incidents), 1, len(night.incidents) == 1),
        Check(
            "said after (s); 60, where so few are hit when enough are overdue",
            after,
            limit,
            after is not None and 0 <= after <= limit,
        ),
        Check("what it is about", scope, "any", True),
        Check("cohorts told to be wholly out", wholly, "at least 1", wholly >= 1),
        Check("tasks about single units", len(night.told), 0, not night.told),
        Check("tasks by a time-out for each unit alone", alone, "contrast", True),
    ]


def _paths(night: Night) -> list[Check]:
    dual = [one for one in night.units.values() if one.unit <= night.hit and len(one.ways) > 1]
    moved = sum(one.moved_at is not None and one.moved_at - night.begins <= MOVED_S for one in dual)
    share = round(moved / len(dual), 4) if dual else None
    often = [
        max(sum(at <= other < at + HOUR_S for other in one.returns) for at in one.returns)
        for one in night.units.values() if one.returns
    ]  # fmt: skip
    most = max(often, default=0)
    return [
        Check(f"of {len(dual)} with a second SIM, heard on it within {MOVED_S:.0f} s", share, MOVED,
              share is None or share >= MOVED),
        Check("most path returns of a unit in an hour", most, 1, most <= 1),
    ]  # fmt: skip


def _visits(night: Night, seen: Seen) -> list[Check]:
    listed = [visit.unit for visit in seen.visits]
    order = [(visit.priority, visit.district) for visit in seen.visits]
    missing, extra = seen.without_path - set(listed), set(listed) - seen.without_path
    return [
        Check(f"visit list after {night.visits_at:.0f} s", len(listed),
              f"the {len(seen.without_path)} without any path",
              not missing and not extra and len(listed) == len(set(listed))),
        Check("without a path and not listed", len(missing), 0, not missing),
        Check("listed with a path", len(extra), 0, not extra),
        Check("in the order of priority and district", "yes" if order == sorted(order) else "no", "yes",
              order == sorted(order)),
    ]  # fmt: skip


def _presses(night: Night) -> list[Check]:
    def delays(kind: str, since: float | None = None) -> list[float | None]:
        found: list[float | None] = []
        for unit, (what, at) in night.pressed.items():
            if what == kind:
                stored = night.found.presses.get(unit, [])
                told = night.found.first_told(stored[0].reference) if stored else None
                found.append(None if told is None else told - (at if since is None else since))
        return found

    dual, elsewhere = worst(delays("dual")), worst(delays("elsewhere"))
    single = worst(delays("single", night.ends))
    marked = [night.ages.get(unit) for unit, (kind, _) in night.pressed.items() if kind == "single"]
    right = all(
        age is not None and age > LATE_S and night.begins <= night.found.presses[unit][0].at - age <= night.ends
        for unit, age in zip([u for u, (kind, _) in night.pressed.items() if kind == "single"], marked, strict=True)
    )
    early = sum(found is not None and found < 0 for found in delays("single", night.ends))
    twice = sum(len(night.found.presses.get(unit, [])) != 1 for unit in night.pressed)
    return [
        Check("presses with a second SIM, at the centre (s)", dual, AT_CENTRE_S,
              dual is not None and dual <= AT_CENTRE_S),
        Check("presses elsewhere, at the centre (s)", elsewhere, AT_CENTRE_S,
              elsewhere is not None and elsewhere <= AT_CENTRE_S),
        Check("presses without any path: at the centre after the recovery (s)", single, "all of them",
              single is not None and not early),
        Check("presses without any path: told with their age", ", ".join(f"{a} s" for a in marked), "all, and right",
              right),
        Check("presses that are not in the database exactly once", twice, 0, twice == 0),
    ]  # fmt: skip


def _recovery(night: Night) -> list[Check]:
    ratio = round(night.peak / night.usual, 2) if night.usual else None
    closed = [row["closed_at"] for row in night.incidents]
    done = bool(closed) and all(at is not None and at > night.ends for at in closed)
    reports = all(row["report"]["log"] and row["report"]["touched"] for row in night.incidents)
    late = sum(len(row["late_presses"]) for row in night.incidents)
    singles = sum(kind == "single" for kind, _ in night.pressed.values())
    return [
        Check("busiest ten seconds after the recovery, beside the usual busiest", ratio, PEAK,
              ratio is not None and ratio <= PEAK),
        Check("closed after the recovery (s)", round(closed[0] - night.ends, 0) if done and closed[0] else None, "any",
              done),
        Check("report of the incident, with late presses", late, f"at least {singles}", reports and late >= singles),
    ]  # fmt: skip
