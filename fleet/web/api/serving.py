"""How every resource reads and writes: one transaction an actor, answers that repeat, edits that do not collide.

An idempotency key makes a POST one action however often it is sent: the answer is stored in the action's own
transaction and given again for a day. A request that was refused is not stored, and may be sent again with its key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Header
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import as_actor
from fleet.web.api.shapes import Refused, etag_of, plain
from fleet.web.pages import Web, answering

SQL = read_statements("fleet.web.api", "serving.sql")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9_.:-]{1,100}$",
        description="Chosen by the caller: the same request with the same key acts once.",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match", max_length=100, description="The ETag that the change is made from; 412 if it is another."
    ),
]
Work = Callable[[Connection], Awaitable[object]]


@asynccontextmanager
async def reading(request: Request, actor: Actor, patience: float | None = None) -> AsyncIterator[Connection]:
    """A transaction that sees the actor's municipalities; a database that is away becomes 503, or one that takes longer
    than ``patience`` seconds."""
    async with (
        answering() if patience is None else answering(patience),
        as_actor(Web.of(request).pool, actor) as connection,
    ):
        yield connection


async def write(
    request: Request, actor: Actor, work: Work, *, key: str | None = None, status: int = 200, keep: bool = True,
    patience: float | None = None,
) -> Response:  # fmt: skip
    """Does the work in one transaction and answers with what it returns (None: 204).

    ``keep`` False never stores the answer, because it holds what must not lie about; the key is not taken then.
    """
    async with reading(request, actor, patience) as connection:
        return await act(connection, request, actor, work, key=key if keep else None, status=status)


async def act(
    connection: Connection, request: Request, actor: Actor, work: Work, *, key: str | None, status: int = 200
) -> Response:
    """The same in a transaction that is open already; with a key once."""
    if key is None:
        return answer(await work(connection), status)
    digest = hashlib.sha256(
        f"{request.method}\n{request.url.path}\n{request.url.query}\n".encode() + await request.body()
    ).digest()
    values = {"actor": actor.name, "key": key, "request": digest, "at": datetime.now(UTC)}
    await connection.execute(SQL["act_as"], values)
    if not await fetch_all(connection, SQL["claim"], values):
        return await _again(connection, values)
    found = await work(connection)
    code = 204 if found is None else status
    body = "" if found is None else json.dumps(plain(found), ensure_ascii=False)
    await connection.execute(SQL["keep"], {**values, "status": code, "body": body})
    return answer(found, status)


async def _again(connection: Connection, values: Mapping[str, Any]) -> Response:
    stored = (await fetch_all(connection, SQL["stored"], values))[0]
    if bytes(stored["request"]) != values["request"]:
        raise Refused(409, "this Idempotency-Key was used for another request: choose a new one")
    headers = {"Idempotent-Replayed": "true"}
    if stored["status"] == 204:
        return Response(status_code=204, headers=headers)
    return Response(stored["body"], stored["status"], headers, media_type="application/json")


def answer(found: object, status: int = 200) -> Response:
    """A document with its ETag, or 204."""
    if found is None:
        return Response(status_code=204)
    return JSONResponse(plain(found), status, headers={"ETag": etag_of(found)})


def matches(if_match: str | None, document: object) -> None:
    """Raises Refused (412) where the caller has seen another state than the present one."""
    if if_match is not None and if_match.strip() not in ("*", etag_of(document)):
        raise Refused(412, "it has been changed since you read it: read it again, then decide again")
