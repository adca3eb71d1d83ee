"""The report of one case: what happened in order, and who had the alarm when. It names units, centres and accounts, and
never the person whose alarm it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fleet.evidence.decide import instant
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.evidence", "case_report.sql")
FLEET = "fleet"
"""Who has an alarm that has come in and that no centre has accepted."""


async def case_report(connection: Connection, case: int, at: datetime) -> dict[str, Any]:
    """The report as plain values. Raises LookupError for a case that the connection does not see."""
    rows = await fetch_all(connection, SQL["case"], {"case_id": case})
    if not rows:
        raise LookupError(f"there is no case {case}")
    place = {"case_id": case}
    events = [_event(row) for row in await fetch_all(connection, SQL["events"], place)]
    head = await fetch_all(connection, SQL["head"], {"position": max((e["position"] or 0 for e in events), default=0)})
    row = rows[0]
    return {
        "case": case,
        "municipality": row["municipality_id"],
        "name": row["name"],
        "zone": row["zone"],
        "unit": f"{row['unit_id']:08x}",
        "unit_type": row["unit_type"],
        "state": row["state"],
        "outcome": row["outcome"],
        "made_at": instant(at),
        "events": events,
        "held": held_by(events),
        "chained": bool(events) and all(event["position"] is not None for event in events),
        "head": None if not head else {
            "position": head[0]["position"], "hash": bytes(head[0]["hash"]).hex(), "at": instant(head[0]["at"]),
            "key": head[0]["key_id"], "signature": bytes(head[0]["signature"]).hex(),
        },
    }  # fmt: skip


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "at": instant(row["at"]), "what": row["what"], "who": row["who"], "detail": row["detail"],
        "position": row["position"], "digest": None if row["digest"] is None else bytes(row["digest"]).hex(),
    }  # fmt: skip


def held_by(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Who had the alarm from when to when: the fleet until a centre accepts, a centre until a person takes it, that
    person until it is closed. A press on a taken case gives it back to whoever had accepted it."""
    held: list[dict[str, Any]] = []
    accepted: str | None = None
    for event in events:
        what, who = event["what"], event["who"]
        if what == "case.accepted":
            accepted = who
        elif what == "case.moved" and (event["detail"] or {}).get("to"):
            accepted = f"centre {event['detail']['to']}"
        holder = {
            "case.opened": FLEET,
            "case.accepted": who if not (held and held[-1].get("person")) else None,
            "case.moved": accepted if not (held and held[-1].get("person")) else None,
            "case.taken": who,
            "case.repeated": (accepted or FLEET) if held and held[-1].get("person") else None,
            "case.closed": "",
        }.get(what)
        if holder is None or (held and held[-1]["who"] == holder):
            continue
        if held and held[-1]["until"] is None:
            held[-1]["until"] = event["at"]
        if holder:
            held.append({"who": holder, "since": event["at"], "until": None, "person": what == "case.taken"})
    return held
