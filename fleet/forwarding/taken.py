"""What centres say besides accepting: that a person has taken an alarm, and which alarms they hold.

Taking goes through the one door of ``fleet.alarms.store.take_case``, so of two centres one is first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fleet.alarms.model import PressKey
from fleet.alarms.store import take_case
from fleet.forwarding.decide import compare
from fleet.forwarding.health import SQL
from fleet.forwarding.model import Reconciliation
from fleet.store.pool import Connection, fetch_all

_REFERENCE = re.compile(r"([0-9a-f]{8})-([0-9]{1,10})-([0-9]{1,10})")


class NotReported(PermissionError):
    """This centre is not configured to report *taken* that way: its word is not taken for a person's."""


def read_reference(text: str) -> PressKey:
    """The key of a reference that we gave a centre, such as ``0000002a-3-17``. Raises ValueError."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no reference of ours: they look like 0000002a-3-17")
    return PressKey(int(found[1], 16), int(found[2]), int(found[3]))


async def take_for_centre(
    connection: Connection, centre: str, reference: str, way: str, at: datetime, *, operator: str = ""
) -> dict[str, Any]:
    """A centre reports that its operator has taken the alarm; ``way`` is webhook or protocol.

    Inside the caller's transaction. Returns the case. Raises NotReported where the centre is configured otherwise,
    ValueError for a reference that is none, LookupError for an unknown centre or press, TakeRefused where somebody
    else was first: then this centre must not send anybody.
    """
    key = read_reference(reference)
    known = await fetch_all(connection, SQL["centre_by_name"], {"name": centre})
    if not known:
        raise LookupError(f"there is no centre {centre[:40]!r}")
    if known[0]["reports_taken"] != way:
        raise NotReported(f"centre {centre} reports taken by {known[0]['reports_taken']}, not by {way}")
    rows = await fetch_all(
        connection, SQL["case_of_reference"], {"unit_id": key.unit, "boot": key.boot, "seq": key.seq}
    )
    if not rows:
        raise LookupError(f"there is no press {reference}")
    actor = f"centre {centre}" + (f" {operator}" if operator else "")
    return await take_case(connection, rows[0]["case_id"], actor, at)


async def reconcile(
    connection: Connection, reports: Mapping[str, Sequence[str]], since: datetime, until: datetime
) -> Reconciliation:
    """Holds the presses of a time against the references that centres have logged as new, by the centre's name.

    Presses without any route are left out: they are on the page only. A reference of another time counts as unknown.
    """
    rows = await fetch_all(connection, SQL["stored_references"], {"since": since, "until": until})
    stored = {PressKey(row["unit_id"], row["boot"], row["seq"]).reference: row["centres"] for row in rows}
    return compare(stored, reports)
