"""``POST /hooks/taken/{centre}``: a centre's system says that one of its operators has taken an alarm.

It listens where the hooks listen, apart from the pages, and acts as forwarding: the front doors' own role cannot take a
case. A centre may speak of presses that it was told, and of no others. 200 comes after the commit.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fleet.alarms.model import TakeRefused
from fleet.clock import Clock
from fleet.forwarding.centre_secrets import SQL
from fleet.forwarding.taken import NotReported, read_reference, take_for_centre
from fleet.forwarding.taken_tokens import AGAIN_S, TakenTokens
from fleet.hook_request import bearer, body_of, refusal
from fleet.registry.secret_box import SecretBox
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool, fetch_all, make_pool

log = logging.getLogger("livlina.forwarding")

LONGEST_BODY = 4096
_NO_HASH = bytes(32)
_OPERATOR = re.compile(r"[\w .@-]{0,60}")


class RequestError(ValueError):
    """The body is no report; the message says what it should be."""


class TakenDoor:
    """One per process. Nothing is opened before ``start``."""

    def __init__(self, database_url: str, box: SecretBox, clock: Clock) -> None:
        self._pool: Pool = make_pool(database_url, "forward", size=1, name="taken")
        self._clock = clock
        self._tokens = TakenTokens(self._pool, box, clock, "webhook")
        self.routes = [Route("/hooks/taken/{centre}", self._hook, methods=["POST"])]

    async def start(self) -> None:
        """Opens the way to the database."""
        await self._pool.open()

    async def stop(self) -> None:
        """Closes it."""
        await self._pool.close()

    async def _hook(self, request: Request) -> Response:
        centre = request.path_params["centre"]
        try:
            if not await self._admitted(centre, bearer(request)):
                return refusal(401, "this token is not of this centre", {"WWW-Authenticate": "Bearer"})
            body = await body_of(request, LONGEST_BODY)
            if body is None:
                return refusal(413, f"a report has at most {LONGEST_BODY} bytes and comes at once")
            reference, operator = read_report(body)
            return await self._take(centre, reference, operator)
        except AWAY:
            return refusal(503, "not noted: send it again", {"Retry-After": "5"})
        except ValueError as error:
            return refusal(400, str(error))

    async def _take(self, centre: str, reference: str, operator: str) -> Response:
        actor = f"centre {centre}" + (f" {operator}" if operator else "")
        key = read_reference(reference)
        try:
            async with borrow(self._pool) as connection, connection.transaction():
                place = {"name": centre, "unit_id": key.unit, "boot": key.boot, "seq": key.seq}
                if not await fetch_all(connection, SQL["was_told"], place):
                    return refusal(404, "this centre was told no such alarm")
                at = self._clock.now()
                case = await take_for_centre(connection, centre, reference, "webhook", at, operator=operator)
        except NotReported as error:
            return refusal(403, str(error))
        except LookupError as error:
            return refusal(404, str(error))
        except TakeRefused as error:
            if error.case.get("taken_by") == actor:
                return JSONResponse({"taken": True, "case": error.case["id"]})  # the same report again
            return refusal(409, "somebody else has taken it, or it is closed: send nobody")
        return JSONResponse({"taken": True, "case": case["id"]})

    async def _admitted(self, centre: str, token: str) -> bool:
        await self._tokens.refresh()
        if self._match(centre, token):
            return True
        await self._tokens.refresh(AGAIN_S)
        return self._match(centre, token)

    def _match(self, centre: str, token: str) -> bool:
        shown = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._tokens.known.get(centre)
        return hmac.compare_digest(shown, known if known is not None else _NO_HASH) and known is not None


def read_report(body: bytes) -> tuple[str, str]:
    """Reference and operator of a report. Raises RequestError."""
    try:
        report: Any = json.loads(body)
    except (ValueError, RecursionError):
        report = None
    if not isinstance(report, dict) or not isinstance(report.get("reference"), str):
        raise RequestError('a report is an object such as {"reference": "0000002a-3-17", "operator": "7"}')
    operator = report.get("operator", "")
    if not isinstance(operator, str) or not _OPERATOR.fullmatch(operator) or operator != operator.strip():
        raise RequestError("operator is up to 60 letters, digits, blanks or any of . @ - _")
    return report["reference"], operator
