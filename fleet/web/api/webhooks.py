"""Subscriptions to events: each event is a signed POST, in the order of the record, repeated until it is taken."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from fleet.evidence.audit import record
from fleet.people.model import Actor
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.subscriptions.decide import ROOTS, is_pattern
from fleet.web.access import require
from fleet.web.api.parts import box_of
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import (
    LIMIT,
    Body,
    Cursor,
    Empty,
    Limit,
    Municipality,
    SmallKey,
    cursor_values,
    listed,
    not_found,
    number_of,
)

router = APIRouter(tags=["webhooks"])
SQL = read_statements("fleet.web.api", "webhooks.sql")
Manages = Annotated[Actor, Depends(require("webhooks.write"))]


def address(url: str) -> str:
    """The address of a receiver. Raises ValueError with what to write."""
    try:
        parts = urlsplit(url)
        ok = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.username is None
        ok = ok and (parts.port is None or 0 < parts.port < 65536)
    except ValueError:
        ok = False
    if not ok:
        raise ValueError("write https://HOST/PATH, without a user and a password in it")
    return url


def _event(pattern: str) -> str:
    if not is_pattern(pattern):
        raise ValueError(f"write KIND.* or KIND.WHAT, where KIND is one of {', '.join(sorted(ROOTS))}")
    return pattern


Address = Annotated[str, StringConstraints(max_length=500, pattern=r"^[!-~]+$"), AfterValidator(address)]
Event = Annotated[str, StringConstraints(max_length=60, pattern=r"^[a-z_.*]+$"), AfterValidator(_event)]


class NewSubscription(Body):
    """Who is told what."""

    municipality: Municipality
    url: Address
    events: list[Event] = Field(min_length=1, max_length=20, description="For example `case.*` or `unit.revoke`.")


@router.get("/webhooks", summary="Subscriptions to events, and how they do")
async def list_subscriptions(request: Request, actor: Manages, cursor: Cursor = None, limit: Limit = LIMIT) -> Response:
    """Secrets are never shown again. `behind` is true while events wait for the receiver."""
    (after,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["subscriptions"], {"after": after or 0, "most": limit + 1})
    return answer(listed(rows, limit, lambda row: [row["id"]]))


@router.post("/webhooks", status_code=201, summary="Subscribe to events")
async def subscribe(request: Request, actor: Manages, body: NewSubscription, key: IdempotencyKey = None) -> Response:
    """The answer holds the secret that signs the events, this once: an Idempotency-Key is not taken."""
    if body.municipality not in actor.municipalities:
        raise not_found("municipality")
    box = box_of(request)

    async def work(connection: Connection) -> Any:
        return await make_subscription(
            connection, box, actor, body.municipality, body.url, body.events, datetime.now(UTC)
        )

    return await write(request, actor, work, status=201, keep=False)


@router.post("/webhooks/{subscription}/end", status_code=204, summary="End a subscription")
async def end(
    request: Request, actor: Manages, subscription: SmallKey, _body: Empty, key: IdempotencyKey = None
) -> Response:
    """What was not delivered yet is not sent any more."""

    async def work(connection: Connection) -> Any:
        if not await end_subscription(connection, actor, subscription, datetime.now(UTC)):
            raise not_found("subscription")
        return None

    return await write(request, actor, work, key=key, status=204)


async def make_subscription(
    connection: Connection, box: SecretBox, actor: Actor, municipality: int, url: str, events: list[str], at: datetime
) -> dict[str, Any]:
    """A new subscription with its secret, which is in this answer and sealed in the row, and nowhere else."""
    wanted = sorted(set(events))
    values = {"municipality_id": municipality, "url": url, "events": wanted, "actor": actor.name, "at": at}
    number = (await fetch_all(connection, SQL["subscribe"], values))[0]["id"]
    secret = secrets.token_urlsafe(32)
    sealed = box.seal_for_centre(secret.encode(), number, "subscription")
    await connection.execute(SQL["seal"], {"id": number, "sealed": sealed})
    await record(
        connection, actor=actor.name, action="webhook.subscribed", municipality_id=municipality,
        subject=f"webhook:{number}", detail={}, at=at,
    )  # fmt: skip
    return {"id": number, "municipality_id": municipality, "url": url, "events": wanted, "secret": secret}


async def end_subscription(connection: Connection, actor: Actor, number: int, at: datetime) -> bool:
    """Whether there was one in force that the connection sees."""
    rows = await fetch_all(connection, SQL["end"], {"id": number, "at": at})
    if rows:
        await record(
            connection, actor=actor.name, action="webhook.ended", municipality_id=rows[0]["municipality_id"],
            subject=f"webhook:{number}", detail={}, at=at,
        )  # fmt: skip
    return bool(rows)
