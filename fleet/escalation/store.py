"""Timers of cases in PostgreSQL: a step is taken in one transaction with all that it tells and the next timer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleet.alarms.store import announce_cases, lock_case_log, log_change
from fleet.escalation.decide import applies, timer_after, turn, waits
from fleet.escalation.model import Waiting
from fleet.routines.decide import step_at
from fleet.routines.model import PRIMARY, SECONDARY, Holding, Routine, Step, Subject
from fleet.routines.store import Book, book_of, routine_by_id
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.escalation")

MOST = 100
"""Cases in one transaction: it holds the case log's lock."""


async def any_due(connection: Connection, at: datetime) -> bool:
    """Whether a timer has run out. Costs one look into an index, and no lock."""
    return bool((await fetch_all(connection, SQL["any_due"], {"at": at}))[0]["due"])


async def take_steps(connection: Connection, at: datetime, most: int = MOST) -> int:
    """Takes the step of every case whose timer has run out, in one transaction of its own; returns how many.

    Any number of processes may call it: each timer is taken by one. Steps that are due at once follow with the next
    call.
    """
    async with connection.transaction():
        await lock_case_log(connection)
        rows = await fetch_all(connection, SQL["due"], {"at": at, "most": most})
        books: dict[int, Book] = {}
        for row in rows:
            case = _waiting(row)
            if not waits(case) or not applies(case):
                await connection.execute(SQL["end_timer"], {"case_id": case.case, "at": at})
                continue
            if case.municipality not in books:
                books[case.municipality] = await book_of(connection, case.municipality)
            await _Step(connection, books[case.municipality], case, at).take()
        if rows:
            await announce_cases(connection)
            await connection.execute(SQL["announce"])
    return len(rows)


class _Step:
    """One step of one case."""

    def __init__(self, connection: Connection, book: Book, case: Waiting, at: datetime) -> None:
        self._connection = connection
        self._book = book
        self._case = case
        self._at = at
        self._told: list[str] = []
        self._missing: list[str] = []
        self._places = 1
        self._responsible: str | None = None

    async def take(self) -> None:
        """Tells whom the step tells, and sets the timer for the next one."""
        case = self._case
        routine, pinned = await self._routine()
        step = step_at(routine, case.place)
        if step is not None:
            for who in step.tell:
                if who in (PRIMARY, SECONDARY):
                    await self._tell_centre_of_rank(1 if who == PRIMARY else 2, who, pinned)
                else:
                    await self._tell_role(who, step, routine, pinned)
        # That a step which comes again and again finds nobody is said once.
        if case.place > 1 and (self._told or not case.repeats):
            await self._note()
        timer = timer_after(case, step, bool(self._told), self._at, self._places)
        values = {"case_id": case.case, "at": self._at}
        if timer.due_at is None:
            await self._connection.execute(SQL["end_timer"], values)
        else:
            await self._connection.execute(
                SQL["set_timer"],
                {**values, "place": timer.place, "repeats": timer.repeats, "due_at": timer.due_at},
            )

    async def _routine(self) -> tuple[Routine, datetime]:
        """The version that held when the case was opened; open cases keep it."""
        case = self._case
        if case.routine_at is not None:
            pinned = case.routine_at
            if case.routine is not None:
                kept = await routine_by_id(self._connection, case.routine)
                if kept is not None:
                    return kept, pinned
            return self._book.routine(Subject(case.municipality, case.unit_type, case.priority), pinned), pinned
        pinned = case.opened_at
        routine = self._book.routine(Subject(case.municipality, case.unit_type, case.priority), pinned)
        await self._connection.execute(
            SQL["pin_routine"], {"case_id": case.case, "routine_id": routine.routine, "routine_at": pinned}
        )
        return routine, pinned

    async def _tell_centre_of_rank(self, rank: int, who: str, pinned: datetime) -> None:
        case = self._case
        rows = await fetch_all(
            self._connection,
            SQL["centre_of_rank"],
            {
                "rank": rank,
                "municipality_id": case.municipality,
                "unit_type": case.unit_type,
                "pinned": pinned,
                "responsible_centre": case.responsible_centre,
            },
        )
        if not rows:
            self._missing.append(who)
            return
        if case.place > 1:  # the first step's centre has got the press with the press itself
            await self._tell_centre(rows[0]["centre_id"])
        self._told.append(rows[0]["name"])

    async def _tell_centre(self, centre: int) -> None:
        values = {"centre_id": centre, "case_id": self._case.case, "at": self._at}
        await self._connection.execute(SQL["tell_centre"], values)

    async def _tell_role(self, who: str, step: Step, routine: Routine, pinned: datetime) -> None:
        holders = self._book.holders(who, self._case.municipality, pinned, self._at)
        due = turn(holders, self._case.repeats)
        self._places = max(self._places, len({holding.place for holding in holders}))
        if not due:
            self._missing.append(who)
        for holding in due:
            await self._tell(holding, who, step, routine)

    async def _tell(self, holding: Holding, who: str, step: Step, routine: Routine) -> None:
        case, recipient = self._case, holding.recipient
        self._told.append(recipient.name)
        if recipient.centre is not None:
            await self._tell_centre(recipient.centre)
            return
        self._responsible = self._responsible or recipient.name
        await self._connection.execute(
            SQL["tell_person"],
            {
                "municipality_id": case.municipality,
                "case_id": case.case,
                "round": case.round,
                "place": step.place,
                "recipient_id": recipient.recipient,
                "who": who,
                "parts": list(step.say),
                "zone": routine.zone,
                "at": self._at,
            },
        )

    async def _note(self) -> None:
        case = self._case
        values = {"case_id": case.case, "place": case.place, "responsible": self._responsible}
        await self._connection.execute(SQL["note_escalation"], values)
        detail: dict[str, Any] = {"place": case.place, "to": self._told}
        if self._missing:
            detail["nobody"] = self._missing
        await log_change(self._connection, case.municipality, case.case, "escalated", "escalation", detail, self._at)


def _waiting(row: dict[str, Any]) -> Waiting:
    return Waiting(
        case=row["case_id"],
        municipality=row["municipality_id"],
        unit=row["unit_id"],
        unit_type=row["unit_type"],
        priority=row["priority"],
        state=row["state"],
        test=row["test"],
        opened_at=row["opened_at"],
        accepted=row["accepted"],
        reports_taken=row["reports_taken"],
        responsible_centre=row["responsible_centre"],
        routine=row["routine_id"],
        routine_at=row["routine_at"],
        started_at=row["started_at"],
        place=row["place"],
        round=row["round"],
        repeats=row["repeats"],
        due_at=row["due_at"],
    )
