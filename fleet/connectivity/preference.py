"""Which SIM a policy prefers for each unit, and whom a policy would leave without any: what is stored, put to `choose`.

Reads in the caller's transaction and is told the time; changes nothing. A SIM is a guest where the inventory names
another operator for it than the one it was seen on; of one that it names no operator for nothing is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from fleet.connectivity.decide import FRESH, choose
from fleet.connectivity.model import NO_SIM, Policy, SlotView
from fleet.connectivity.policy import restricts
from fleet.connectivity.what_if import RELIED_ON
from fleet.connectivity.what_if import SQL as PATHS
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from protocols.wire import cbor, messages

SQL = read_statements("fleet.connectivity", "preference.sql")

_NO_RECEIPT, _LOST, _UNANSWERED = 0, 1, 4
FAULTS = (_NO_RECEIPT, _LOST, _UNANSWERED)
"""Reasons of a change of SIM (docs/wire.md) that say that the SIM left did not work."""
UNSEEN = "it was seen on no SIM lately"


class History(NamedTuple):
    """What a unit has told of its SIMs of late: when it changed last, and when each slot did not work."""

    changed_at: datetime | None
    failed: Mapping[int, datetime]


async def preferences(
    connection: Connection, policy: Policy, units: Sequence[int], municipality: int | None, at: datetime
) -> tuple[dict[int, int], dict[int, str]]:
    """(unit -> slot to prefer, unit -> why it is left out).

    A policy that names a slot gives it to every unit, except one whose SIMs that work it would all forbid. Without a
    named slot each unit is given the one that `choose` would have it on.
    """
    if policy.preferred is not None and not restricts(policy):
        return dict.fromkeys(units, policy.preferred), {}
    views = await _views(connection, policy, units, municipality, at)
    histories = await _histories(connection, units, at)
    slots: dict[int, int] = {}
    left_out: dict[int, str] = {}
    for unit in units:
        rows = views.get(unit, [])
        history = histories.get(unit, History(None, {}))
        seen = {row["slot"]: _view(row, history.failed.get(row["slot"]), at) for row in rows}
        works = [slot for slot, view in seen.items() if view.good_since is not None]
        if works:
            # The row seen last is where the unit is.
            choice = choose(policy, seen, rows[-1]["slot"], history.changed_at, at)
            if choice.stuck:
                left_out[unit] = choice.why
            else:
                slots[unit] = policy.preferred or choice.slot or rows[-1]["slot"]
        elif policy.preferred is not None:
            slots[unit] = policy.preferred  # nothing works that could be taken away
        else:
            left_out[unit] = UNSEEN
    return slots, left_out


def _view(row: Mapping[str, Any], failed_at: datetime | None, at: datetime) -> SlotView:
    """A SIM where it was seen last. It works if it was used lately, and has not failed since."""
    used_at = row["seen_at"] if row["proven_at"] is None else max(row["seen_at"], row["proven_at"])
    works = at - used_at <= FRESH and (failed_at is None or failed_at < used_at)
    since = row["first_seen_at"] if failed_at is None else max(row["first_seen_at"], failed_at)
    roams = row["home"] is not None and row["home"] != row["operator"]
    return SlotView(row["slot"], row["operator"], row["radio"], since if works else None, row["signal"], roams)


async def _views(
    connection: Connection, policy: Policy, units: Sequence[int], municipality: int | None, at: datetime
) -> dict[int, list[dict[str, Any]]]:
    """Each unit's SIMs that carry something, each where it was seen last, the one seen last at the end."""
    signals: dict[tuple[int, int], int] = {}
    if policy.preferred is None:
        for row in await fetch_all(connection, SQL["signals"], {"units": list(units), "since": at - FRESH}):
            signals[row["unit_id"], row["slot"]] = row["signal"]
    values = {"unit_id": None, "municipality": municipality, "lives": list(RELIED_ON)}
    wanted = frozenset(units)
    latest: dict[tuple[int, int], dict[str, Any]] = {}
    for row in sorted(await fetch_all(connection, PATHS["paths"], values), key=lambda row: row["seen_at"]):
        if row["unit_id"] in wanted and row["slot"] != NO_SIM and row["usable"]:
            place = row["unit_id"], row["slot"]
            latest.pop(place, None)
            latest[place] = {**row, "signal": signals.get(place)}
    found: dict[int, list[dict[str, Any]]] = {}
    for (unit, _), row in latest.items():
        found.setdefault(unit, []).append(row)
    return found


async def _histories(connection: Connection, units: Sequence[int], at: datetime) -> dict[int, History]:
    found: dict[int, History] = {}
    values = {"units": list(units), "since": at - FRESH, "at": at,
              "kinds": [messages.EVENT_SIM_CHANGED, messages.EVENT_SIM_PROVEN]}  # fmt: skip
    for row in await fetch_all(connection, SQL["told"], values):
        before = found.get(row["unit_id"], History(None, {}))
        data = cbor.decode(bytes(row["data"])) if row["data"] is not None else {}
        slot, said = data.get(1), data.get(2)
        if slot not in (0, 1):
            continue
        if row["kind"] == messages.EVENT_SIM_CHANGED:
            # The slot is the one that it went to.
            failed = {2 - slot: row["received_at"]} if said in FAULTS else {}
            found[row["unit_id"]] = History(row["received_at"], {**before.failed, **failed})
        elif said == 0:
            found[row["unit_id"]] = before._replace(failed={**before.failed, slot + 1: row["received_at"]})
    return found
