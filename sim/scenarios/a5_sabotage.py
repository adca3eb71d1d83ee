"""What can be switched off in A5, to see that it is missed. Protections are taken out where things are put together:
names in modules that hold them, statements, parts that are not started, a file that a unit's firmware is built of. No
product code knows of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from unittest import mock

from firmware.core import presses as inputs
from firmware.core import profiles
from fleet.alarms.model import Press, StoredPress
from fleet.alarms.store import SQL as CASES
from fleet.alarms.store import store_presses
from fleet.escalation import decide
from fleet.escalation import store as escalation
from fleet.escalation.decide import timer_after
from fleet.escalation.model import Timer, Waiting
from fleet.ingest import effects, presses
from fleet.routines.model import Step
from fleet.store.pool import Connection
from fleet.technicians import store as technicians
from sim.firmware_build import ROOT
from sim.scenarios.fleet_under_test import NO_ESCALATION, NO_SECOND_CENTRE, NO_SHIFT_LEAD

SABOTAGES: Mapping[str, str] = {
    "no-stuck-guard": "the unit tells every closing of a contact that is stuck, as often as it wobbles",
    "late-stuck-flag": "the unit takes a contact for stuck after two minutes only",
    "deaf-while-stuck": "the unit hears no pendant while one of its inputs is stuck",
    "mute-wobbles": "the unit does not count a stuck contact's closings though nobody has taken the case",
    "wobble-opens-case": "the unit tells a stuck contact's closings as presses though somebody has taken the case",
    "never-released": "the unit takes a contact that has been stuck for stuck for ever",
    "release-put-off": "every press after the release puts off that the unit says so",
    "no-stuck-mark": "the fleet keeps the report of a stuck contact and does not flag the case",
    "no-technician-task": "the fleet makes no tasks for technicians",
    "split-cases": "every press opens a case of its own",
    "no-priority-rise": "a repeated press is no more urgent than the first",
    "mute-repeats": "no centre is told of a repeated press",
    "taken-stays-taken": "a press on a case that somebody has taken does not open it again",
    "lead-told-once": "the shift lead is told of a case once and never again",
    "lead-never-slower": "the shift lead is told every five minutes, all night",
    NO_ESCALATION: "nothing happens when nobody takes a case",
    NO_SECOND_CENTRE: "the route has no second centre",
    NO_SHIFT_LEAD: "nobody holds the role of the shift lead",
}

CONTACT = "firmware/core/contact.py"
# What the firmware's file says, and what it says instead; for real units and for brains on CPython alike.
_ENDLESS = 1 << 29
_UNITS: Mapping[str, Sequence[tuple[str, str]]] = {
    "no-stuck-guard": (
        ("\nSTUCK_MS = 30000\n", f"\nSTUCK_MS = {_ENDLESS}\n"),
        ("\nCHATTER = 60\n", f"\nCHATTER = {_ENDLESS}\n"),
        ("\nBURST = 8\n", f"\nBURST = {_ENDLESS}\n"),
    ),
    "late-stuck-flag": (("\nSTUCK_MS = 30000\n", "\nSTUCK_MS = 120000\n"),),
    "mute-wobbles": (("if self.stuck and self._taken:", "if self.stuck:"),),
    "wobble-opens-case": (
        ("if self.stuck and self._taken:", "if False:"),
        ("if calm and self.stuck and self._count:", "if False:"),
    ),
    "never-released": (("\nCLEAR_MS = 5000\n", f"\nCLEAR_MS = {_ENDLESS}\n"),),
    "release-put-off": (
        (
            "return now if self._flag_at is None else self._flag_at + QUIET_MS",
            "return now if self._flag_at is None else max(self._flag_at, self._said or 0) + QUIET_MS",
        ),
    ),
    "deaf-while-stuck": (('elif name == "press":', 'elif name == "press" and not self.stuck():'),),
}
_REPEATS = (
    "WHERE t.centre_id IS NOT NULL AND t.wanted",
    "WHERE t.centre_id IS NOT NULL AND t.wanted AND p.case_id NOT IN (SELECT b.case_id FROM before b)",
)
_OPEN_AGAIN = (
    ("state = CASE WHEN excluded.test AND NOT c.test THEN c.state ELSE 'open' END", "state = c.state"),
    ("taken_at = CASE WHEN excluded.test AND NOT c.test THEN c.taken_at END", "taken_at = c.taken_at"),
    ("taken_by = CASE WHEN excluded.test AND NOT c.test THEN c.taken_by END", "taken_by = c.taken_by"),
)
_RISE = ("WHEN least(c.priority, excluded.priority) < 4 THEN 1 ELSE 4 END", "ELSE c.priority END")


def firmware(sabotage: str | None) -> dict[str, str]:
    """Texts of the firmware's files that real units are built of instead. Raises LookupError as `applied` does."""
    if sabotage is None or sabotage not in _UNITS:
        return {}
    text = (ROOT / CONTACT).read_text(encoding="utf-8")
    for present, instead in _UNITS[sabotage]:
        if text.count(present) != 1:
            raise LookupError(f"{CONTACT} has changed: {sabotage} takes nothing out of it")
        text = text.replace(present, instead)
    return {CONTACT: text}


@contextlib.contextmanager
def applied(sabotage: str | None) -> Iterator[None]:
    """Takes the protection out of this process, and puts it back. Raises LookupError when there is nothing to take out:
    the code has changed, and the sabotage with it."""
    with contextlib.ExitStack() as stack:
        if sabotage in _UNITS:
            stack.enter_context(_in_this_process(firmware(sabotage)[CONTACT]))
        elif sabotage == "mute-repeats":
            stack.enter_context(_statement(_REPEATS))
        elif sabotage == "no-priority-rise":
            stack.enter_context(_statement(_RISE))
        elif sabotage == "taken-stays-taken":
            stack.enter_context(_statement(*_OPEN_AGAIN))
        elif sabotage == "lead-told-once":
            stack.enter_context(mock.patch.object(escalation, "timer_after", _once))
        elif sabotage == "lead-never-slower":
            stack.enter_context(mock.patch.object(decide, "AT_PACE", _ENDLESS))
        elif sabotage == "split-cases":
            stack.enter_context(mock.patch.object(presses, "store_presses", _store_apart))
        elif sabotage == "no-technician-task":
            stack.enter_context(mock.patch.object(technicians, "_change_tasks", _nothing))
        elif sabotage == "no-stuck-mark":
            stack.enter_context(mock.patch.object(effects, "mark_stuck", _nothing))
        yield


@contextlib.contextmanager
def _in_this_process(text: str) -> Iterator[None]:
    """The brains on CPython get their contacts from this text."""
    made: dict[str, Any] = {"__name__": "sabotaged_contact"}
    exec(compile(text, CONTACT, "exec"), made)  # noqa: S102 - our own file, but for what is taken out
    with mock.patch.object(profiles, "Input", made["Input"]), mock.patch.object(inputs, "Inputs", made["Inputs"]):
        yield


@contextlib.contextmanager
def _statement(*changes: tuple[str, str]) -> Iterator[None]:
    statement = CASES["store_presses"]
    for present, instead in changes:
        if present not in statement:
            raise LookupError("the statement that stores presses has changed: the sabotage takes nothing out of it")
        statement = statement.replace(present, instead)
    with mock.patch.dict(CASES, {"store_presses": statement}):
        yield


def _once(case: Waiting, step: Step | None, told_anybody: bool, at: datetime, places: int = 1) -> Timer:
    made = timer_after(case, step, told_anybody, at, places)
    return Timer(made.place, made.repeats, None) if step is not None and step.next == step.place else made


async def _nothing(*_: Any) -> list[int]:
    return []


async def _store_apart(connection: Connection, batch: Sequence[Press]) -> list[StoredPress]:
    """Closes whatever case these units have before it stores their presses."""
    for press in batch:
        await connection.execute(
            "UPDATE cases SET state = 'closed', closed_at = %(at)s, closed_by = 'sabotage', outcome = 'split', "
            "taken_at = coalesce(taken_at, %(at)s), taken_by = coalesce(taken_by, 'sabotage') "
            "WHERE unit_id = %(unit)s AND state <> 'closed'",
            {"unit": press.key.unit, "at": press.received_at},
        )
    return await store_presses(connection, batch)
