"""One's own messages about what somebody must see to: settings and receipts. For persons; a token receives none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.store.pool import Connection
from fleet.web.access import require
from fleet.web.api.serving import answer, reading, write
from fleet.web.api.shapes import LIMIT, Body, Cursor, Limit, Refused, cursor_values, listed, not_found, number_of
from fleet.web.notifications import Unfit, end_own, read, write_own
from fleet.web.pages import Web

router = APIRouter(tags=["notifications"])
Own = Annotated[Actor, Depends(require("units.write"))]
Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Topic = Literal["incident", "silent", "network_closed", "battery", "button", "fault", "sim"]
_WHY = {
    "address": "the address is neither a mail address nor a telephone number with its country code",
    "topics": "choose at least one topic, or end the messages",
    "person": "messages go to persons: a token receives none",
    "time": "write times as HH:MM",
}


class Settings(Body):
    """What one wants to be told. Times are by the installation's clocks; equal times are no quiet hours."""

    channel: Literal["sms", "email"]
    address: str = Field("", max_length=200, description="Empty keeps the one that is there; it is never answered.")
    topics: list[Topic] = Field(min_length=1, max_length=10)
    group_s: int = Field(3600, ge=0, le=86_400, description="The least time between messages that can wait.")
    quiet_from: Clock = "17:00"
    quiet_until: Clock = "07:00"
    quiet_weekend: bool = True
    wake: bool = Field(False, description="What cannot wait may come in quiet hours.")
    language: Literal["sv", "en"] = "sv"


@router.get("/notifications/settings", summary="What one is told, how and when")
async def get_settings(request: Request, actor: Own) -> Response:
    """`settings` null: no messages. Of an address only enough to know it by."""
    async with reading(request, actor) as connection:
        own, _ = await read(connection, actor, before=None, most=0)
    return answer({"settings": own})


@router.put("/notifications/settings", summary="Say what one wants to be told")
async def put_settings(request: Request, actor: Own, body: Settings) -> Response:
    """Of the person who asks, and nobody else."""

    async def work(connection: Connection) -> Any:
        wish = body.model_dump()
        try:
            await write_own(connection, actor, wish, zone=str(Web.of(request).zone), at=datetime.now(UTC))
        except Unfit as error:
            raise Refused(409 if str(error) == "person" else 422, _WHY[str(error)]) from None
        own, _ = await read(connection, actor, before=None, most=0)
        return {"settings": own}

    return await write(request, actor, work)


@router.delete("/notifications/settings", status_code=204, summary="End one's messages")
async def end_settings(request: Request, actor: Own) -> Response:
    """The address goes with them."""

    async def work(connection: Connection) -> Any:
        if not await end_own(connection, actor):
            raise not_found("subscription")
        return None

    return await write(request, actor, work)


@router.get("/notifications", summary="One's own messages with their receipts, newest first")
async def list_messages(request: Request, actor: Own, cursor: Cursor = None, limit: Limit = LIMIT) -> Response:
    """What a message said is not kept: its things are tasks and incidents."""
    (before,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        _, rows = await read(connection, actor, before=before, most=limit + 1)
    return answer(listed(rows, limit, lambda one: [one["notification_id"]]))
