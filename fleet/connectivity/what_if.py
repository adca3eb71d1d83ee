"""Who would survive tonight if an operator, an issuer or a radio network were lost; and a drill that tries it.

Functions work in the caller's transaction and are told the time. Reading changes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from fleet.connectivity.decide import FRESH, counted, judge_all
from fleet.connectivity.model import Failure, FailureKind, Judged, Path
from fleet.evidence.audit import record
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.connectivity")
DRILLS = read_statements("fleet.connectivity", "drills.sql")

RELIED_ON: Final = ("active",)
"""The lives of a unit that count: one that is absent or in stock saves nobody tonight."""

RADIOS: Final = {1: "GSM", 2: "UMTS", 3: "LTE", 4: "LTE-M", 5: "NB-IoT", 6: "Wi-Fi", 7: "Ethernet"}
LARGEST_SAMPLE: Final = 1_000

Order = Callable[[Connection, int, int, str, datetime, datetime], Awaitable[int]]
"""Orders a unit to one of its SIM slots (1 or 2): connection, unit, slot, actor, at, expires at; gives the number."""


class WhatIfError(ValueError):
    """There is nothing to be judged by what was named; the message says what there is."""


async def failure_of(connection: Connection, kind: FailureKind, text: str) -> Failure:
    """What was named, as it stands in paths. An operator may be named by MCC and MNC or by name.

    Raises WhatIfError for what nothing is known of, rather than say that all would survive it.
    """
    rows = await fetch_all(connection, SQL["networks"])
    if kind == "operator":
        numbers = {str(row["operator"]) for row in rows if row["name"].casefold() == text.casefold()}
        if len(numbers) > 1:
            raise WhatIfError(f"{text} has the codes {', '.join(sorted(numbers))}: name one of them")
        known = text if text.isascii() and text.isdigit() and len(text) <= 6 else next(iter(numbers), None)
        names: set[str] = {row["name"] for row in rows}
    else:
        column = "network" if kind == "network" else "issuer"
        found = rows if kind == "network" else await fetch_all(connection, SQL["issuers"])
        names = {row[column] for row in found}
        known = next((name for name in sorted(names) if name.casefold() == text.casefold()), None)
    if known is None:
        raise WhatIfError(f"no {kind} {text[:40]!a} is known: {', '.join(sorted(names)) or 'there is none yet'}")
    return Failure(kind, known)


async def paths_of(connection: Connection, *, unit: int | None = None, municipality: int | None = None) -> list[Path]:
    """The ways that units were seen on, with their radio networks and issuers."""
    values = {"unit_id": unit, "municipality": municipality, "lives": list(RELIED_ON)}
    return [_path(row) for row in await fetch_all(connection, SQL["paths"], values)]


async def what_if(
    connection: Connection, failure: Failure, at: datetime, *, municipality: int | None = None, fresh: timedelta = FRESH
) -> list[Judged]:
    """The fate of every active unit, by unit number; see `fleet.connectivity.decide.judge`."""
    values = {"municipality": municipality, "lives": list(RELIED_ON)}
    units = [row["unit_id"] for row in await fetch_all(connection, SQL["relied_on"], values)]
    paths = await paths_of(connection, municipality=municipality)
    return judge_all(paths, units, failure, at, fresh)


def document(failure: Failure, judged: Sequence[Judged], at: datetime) -> dict[str, Any]:
    """The same for people and JSON: counts, and every unit that the failure touches or that is unknown."""
    return {
        "failure": {"kind": failure.kind, "value": failure.value},
        "at": at.isoformat(),
        "counts": counted(judged),
        "units": [
            {"unit": f"{one.unit:08x}", "fate": one.fate, "now": _shown(one.now), "left": _shown(one.left)}
            for one in judged
            if one.fate != "unaffected"
        ],
    }


def sample(judged: Sequence[Judged], share: float, seed: int) -> list[Judged]:
    """Those of a drill: a share of the units that are said to survive on another SIM, at least one, chosen by seed."""
    spare = [one for one in judged if one.fate == "survives" and one.left is not None and one.left.slot]
    size = min(len(spare), LARGEST_SAMPLE, max(1, round(len(spare) * share)))
    return sorted(random.Random(seed).sample(spare, size), key=lambda one: one.unit)  # noqa: S311 - a sample, no secret


async def begin_drill(
    connection: Connection, order: Order, failure: Failure, judged: Sequence[Judged], *, share: float, seed: int,
    actor: str, at: datetime, lasts: timedelta,
) -> dict[str, Any]:  # fmt: skip
    """Orders a sample of the survivors to the SIM that they are said to survive on; returns the drill.

    A unit in an alarm refuses the order, and counts as not tried. Raises WhatIfError where nobody is to survive.
    """
    chosen = sample(judged, share, seed)
    if not chosen:
        raise WhatIfError("no unit is said to survive on another SIM: there is nothing to try")
    values = {"failure": str(failure), "seed": seed, "predicted": len(chosen), "actor": actor, "at": at,
              "ends_at": at + lasts, "municipality_id": 0}  # fmt: skip
    drill = int((await fetch_all(connection, DRILLS["begin"], values))[0]["drill_id"])
    for one in chosen:
        if one.left is not None:
            number = await order(connection, one.unit, one.left.slot, actor, at, at + lasts)
            place = {"drill_id": drill, "unit_id": one.unit, "slot": one.left.slot, "number": number}
            await connection.execute(DRILLS["add_unit"], place)
    await record(
        connection, actor=actor, action="path_drill.begun", municipality_id=0, subject=f"path_drill:{drill}",
        detail={"failure": failure.kind, "units": len(chosen), "seed": seed}, at=at,
    )  # fmt: skip
    return {"drill": drill, "units": [f"{one.unit:08x}" for one in chosen], "ends_at": (at + lasts).isoformat()}


async def drill_result(connection: Connection, drill: int, at: datetime) -> dict[str, Any]:
    """What was predicted beside what came. Raises LookupError.

    *proven*: the unit was heard on that SIM since the order. *not tried*: it refused, or did not take the order before
    the end. *missed*: it took the order and was not heard on that SIM: the prediction was wrong for it.
    """
    rows = await fetch_all(connection, DRILLS["drill"], {"drill_id": drill})
    if not rows:
        raise LookupError(f"there is no drill {drill}")
    head = rows[0]
    over = at >= head["ends_at"]
    found: dict[str, list[str]] = {"proven": [], "missed": [], "not_tried": [], "waited_for": []}
    for row in await fetch_all(connection, DRILLS["units"], {"drill_id": drill}):
        found[_outcome(row, over)].append(f"{row['unit_id']:08x}")
    tried = len(found["proven"]) + len(found["missed"])
    return {
        "drill": drill, "failure": head["failure"], "predicted": head["predicted"], "over": over,
        **{name: len(units) for name, units in found.items()},
        "right_of_tried": round(len(found["proven"]) / tried, 4) if tried else None,
        "missed_units": found["missed"], "holds": over and tried > 0 and not found["missed"],
    }  # fmt: skip


def _outcome(row: Mapping[str, Any], over: bool) -> str:
    if row["heard"]:
        return "proven"
    if row["answered_at"] is not None and row["result"] != 0:
        return "not_tried"
    if not over:
        return "waited_for"
    return "not_tried" if row["answered_at"] is None else "missed"


def _path(row: Mapping[str, Any]) -> Path:
    return Path(
        row["unit_id"], row["slot"], row["operator"], row["radio"], row["network"], row["issuer"], row["seen_at"],
        row["proven_at"], row["usable"],
    )  # fmt: skip


def _shown(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    return {
        "slot": path.slot, "operator": path.operator or None, "radio": RADIOS.get(path.radio, path.radio),
        "network": path.network or None, "issuer": path.issuer or None, "seen_at": path.seen_at.isoformat(),
        "proven_at": path.proven_at.isoformat() if path.proven_at else None,
    }  # fmt: skip
