"""Where units were seen, and the calendar, in PostgreSQL. Functions work inside the caller's transaction.

They read and write; `classify` judges. Days are those of ``zone``: the municipality's clocks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from datetime import date, datetime, tzinfo
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from fleet.connectivity import calendar, classify, swap
from fleet.connectivity.calendar import TECHNOLOGIES, Calendar, Row
from fleet.connectivity.sunset_model import Seen, Sim, Unit, Verdict
from fleet.evidence.audit import record
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.connectivity", "sunset.sql")
RELIED_ON: Final = frozenset({"active", "absent"})
HERE: Final = ZoneInfo("Europe/Stockholm")
NETWORK_CLOSED: Final = "network closed"
"""The kind of the task by which somebody goes to a person whose unit has lost its networks."""


class OpenTask(Protocol):
    """Opens a technician's task, or joins the open one."""

    def __call__(
        self, connection: Connection, unit: int, kind: str, part: int | None, detail: Mapping[str, object],
        at: datetime, *, by: str | None = None,
    ) -> Awaitable[int]: ...  # fmt: skip


async def dates(connection: Connection) -> Calendar:
    """The shipped calendar with the changes of this installation, each with its actor."""
    found = calendar.shipped()
    for row in await fetch_all(connection, SQL["changes"]):
        made = Row(row["operator"], row["technology"], row["region"], row["last_day"], row["source"])
        found = found.moved(made, actor=row["actor"], at=row["at"])
    return found


async def move_date(connection: Connection, row: Row, actor: str, at: datetime) -> None:
    """Writes down that a date has moved for good, for everybody, and records who moved it."""
    values = {
        "operator": row.operator, "technology": row.technology, "region": row.region, "last_day": row.last_day,
        "source": row.source, "actor": actor, "at": at,
    }  # fmt: skip
    await connection.execute(SQL["add_change"], values)
    await record(
        connection, actor=actor, action="sunset.date_moved", municipality_id=0,
        subject=f"sunset:{row.operator}:{row.technology}:{row.region}", detail={"last_day": row.last_day.isoformat()},
        at=at,
    )  # fmt: skip


async def keep_answer(
    connection: Connection, unit: int, technologies: Collection[str], actor: str, at: datetime
) -> None:
    """What a modem answered that it can do. Raises ValueError for what is no technology, LookupError for no unit."""
    if wrong := sorted(set(technologies) - set(TECHNOLOGIES)):
        raise ValueError(f"{wrong[0][:40]!a} is no technology: choose among {', '.join(TECHNOLOGIES)}")
    values = {"unit": unit, "technologies": sorted(set(technologies)), "actor": actor, "at": at}
    if not await fetch_all(connection, SQL["keep_answer"], values) and not await units(connection, unit=unit):
        raise LookupError(f"there is no unit {unit}")


async def units(connection: Connection, *, unit: int | None = None, zone: tzinfo = HERE) -> list[Unit]:
    """The units that the caller may see, or one of them, with the bearers that each was seen on."""
    asked = {"unit": unit}
    seen: dict[int, tuple[Seen, ...]] = {}
    for number, rows in groupby(await fetch_all(connection, SQL["bearers"], asked), key=itemgetter("unit_id")):
        seen[number] = tuple(_seen(row, zone) for row in rows)
    sims: dict[int, tuple[Sim, ...]] = {}
    for number, rows in groupby(await fetch_all(connection, SQL["sims"], asked), key=itemgetter("unit_id")):
        sims[number] = tuple(_sim(row) for row in rows)
    return [
        Unit(
            number=row["unit_id"],
            unit_type=row["unit_type"],
            municipality=row["municipality_id"],
            district=row["district"],
            lives_alone=row["lives_alone"],
            care_priority=row["priority"],
            seen=seen.get(row["unit_id"], ()),
            sims=sims.get(row["unit_id"], ()),
            modem_firmware=row["modem"] or None,
            modem_says=None if row["technologies"] is None else frozenset(row["technologies"]),
            active=row["life"] in RELIED_ON,
        )
        for row in await fetch_all(connection, SQL["units"], asked)
    ]


async def refusal(connection: Connection, unit: int, at: datetime, *, zone: tzinfo = HERE) -> str | None:
    """Why this unit may not become active now; None: its networks say nothing against it."""
    found = await units(connection, unit=unit, zone=zone)
    if not found:
        return None
    today = at.astimezone(zone).date()
    return classify.refuse_activation(classify.judge(found[0], await dates(connection), today, {}), today)


async def open_person_visits(
    connection: Connection, open_task: OpenTask, actor: str, at: datetime, *, zone: tzinfo = HERE
) -> list[int]:
    """A task for each unit in use whose last network has closed, so that somebody goes there; returns the units."""
    today = at.astimezone(zone).date()
    verdicts = classify.judge_all(await units(connection, zone=zone), await dates(connection), today)
    found = [one for one in verdicts if one.unit.active and is_cut_off(one, today)]
    for one in found:
        detail = {"last_day": str(one.deadline), "what_helps": one.what}
        await open_task(connection, one.unit.number, NETWORK_CLOSED, None, detail, at, by=actor)
    return [one.unit.number for one in found]


def is_cut_off(verdict: Verdict, today: date) -> bool:
    """Whether nothing is left to the unit since its last day."""
    return verdict.stranded and verdict.deadline is not None and verdict.deadline < today


async def swap_states(connection: Connection, numbers: Sequence[int]) -> dict[int, swap.State]:
    """How far the swaps of these old units are; one that nobody has begun is open."""
    found: dict[int, swap.State] = dict.fromkeys(numbers, "open")
    for row in await fetch_all(connection, SQL["swaps"], {"units": list(numbers)}):
        found[row["old_unit_id"]] = swap.state(row["proof"], row["old_life"])
    return found


def _sim(row: Mapping[str, Any]) -> Sim:
    allows = row["allows"]
    return Sim(row["slot"], row["issuer"], None if allows is None else frozenset(allows))


def _seen(row: Mapping[str, Any], zone: tzinfo) -> Seen:
    operator, region = calendar.network_of(row["operator"]) if row["operator"] else ("fixed", "ZZ")
    proven = row["proven_at"]
    return Seen(
        slot=row["slot"],
        operator=operator,
        region=region,
        technology=TECHNOLOGIES[row["radio"] - 1],
        last_seen=row["last_seen"].astimezone(zone).date(),
        proven=None if proven is None else proven.astimezone(zone).date(),
        proven_with=row["proven_with"],
    )
