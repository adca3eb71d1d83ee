"""What can be switched off in A7, to see that it is missed. Protections are taken out where things are put together; no
product code knows of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from unittest import mock

from fleet.alarms.model import Press, PressKey
from fleet.ingest import commands, notices, paths_seen, presses, readings
from sim.scenarios import a7_replacement

SABOTAGES: Mapping[str, str] = {
    "no-counter-check": "a heartbeat with an old counter counts as new",
    "no-restore-check": "a database out of a backup is taken as it is",
    "no-challenge": "no unit is asked about a press of doubtful age",
    "no-verdict": "what a unit answers closes nothing",
    "no-revocation": "the lost unit is not revoked",
    "no-key-end": "an old key generation stays valid beside the new one",
    "no-notice": "nothing is noted of what looks like somebody else",
    "no-sim-check": "a SIM in another modem is not looked at",
    "no-technician-task": "nobody is to look at a SIM or a modem that has moved",
    "clone-unmarked": "a press of a key that two may hold is like any other",
    "clone-believed": "answers under a key that two may hold are believed",
    "press-key-forgotten": "a press that is told again counts as another one",
    "no-token-revocation": "the API token of whoever left is not revoked",
    "active-without-a-press": "the replacement is active as soon as somebody has begun to pair it",
    "sms-commands-obeyed": "a unit obeys commands that come by SMS",
    "no-receipt-by-sms": "a unit does not believe receipts that come by SMS",
    "sms-wakes-without-end": "every SMS that is no frame makes a unit send a heartbeat",
}


_NO_KEY = "SELECT %(units)s::bigint[], %(at)s::timestamptz"
_NO_DOUBT = "SELECT false AS shared, false AS behind WHERE %(unit_id)s::bigint > 0 AND %(at)s IS NOT NULL"


async def _no_challenge(*_: Any, **__: Any) -> list[int]:
    return []


async def _no_doubt(*_: Any) -> int:
    return 0


async def _no_verdict(*_: Any, **__: Any) -> list[Any]:
    return []


@contextlib.contextmanager
def applied(sabotage: str | None) -> Iterator[None]:
    """Takes the protection out of this process, and puts it back."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(a7_replacement.applied(sabotage))
        if sabotage == "no-counter-check":
            stack.enter_context(mock.patch.object(readings, "is_behind", lambda arrived, marks: False))
        elif sabotage == "no-restore-check":
            stack.enter_context(mock.patch("fleet.ingest.database_mark.doubt_all", _no_doubt))
        elif sabotage == "no-challenge":
            stack.enter_context(mock.patch.object(readings, "challenge_unproven", _no_challenge))
            stack.enter_context(mock.patch("fleet.ingest.run.challenge_unproven", _no_challenge))
        elif sabotage == "no-verdict":
            stack.enter_context(mock.patch.object(commands, "_verdict", _nothing))
        elif sabotage == "no-key-end":
            stack.enter_context(mock.patch.dict(readings.SQL, end_generations="SELECT %(at)s::timestamptz"))
            stack.enter_context(mock.patch("fleet.registry.directory.Directory.opened", lambda *_: None))
        elif sabotage == "no-notice":
            stack.enter_context(mock.patch.object(notices.Notices, "count", lambda *_: None))
        elif sabotage == "no-sim-check":
            stack.enter_context(mock.patch.dict(readings.SQL, notice_moves="SELECT %(at)s::timestamptz[]"))
        elif sabotage == "clone-unmarked":
            stack.enter_context(mock.patch.dict(paths_seen.SQL, doubt_keys=_NO_KEY))
        elif sabotage == "clone-believed":
            stack.enter_context(mock.patch.dict(commands.SQL, in_doubt=_NO_DOUBT))
        elif sabotage == "press-key-forgotten":
            stack.enter_context(mock.patch.object(presses, "press_of", _another_press))
        elif sabotage == "no-technician-task":
            stack.enter_context(mock.patch.object(readings, "note_moves", _nothing))
        yield


async def _nothing(*_: Any) -> None:
    return None


_PRESS_OF = presses.press_of


def _another_press(arrived: Any, *, behind: bool) -> Press:
    press = _PRESS_OF(arrived, behind=behind)
    return replace(press, key=PressKey(press.key.unit, press.key.boot, press.counter))
