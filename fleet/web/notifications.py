"""What a technician or fleet owner wants to be told, how and when; and what was sent, with its receipt.

A page of one's own: nobody sees or writes another one's. An address is written and never shown again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.notify.decide import hint
from fleet.notify.model import CANNOT_WAIT, TOPICS
from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import as_actor, require
from fleet.web.attention import ACT_AS
from fleet.web.pages import Web, answering, page, times_as_text
from fleet.web.texts import CHANNELS, N_, Table, language_of

router = APIRouter()
SQL = read_statements("fleet.web", "notifications.sql")
Who = Annotated[Actor, Depends(require("units.write"))]

TOPIC_WORDS: Table = {
    "incident": N_("Incidents"), "silent": N_("Silent units"), "network_closed": N_("Network closed: go there"),
    "battery": N_("Battery low"), "button": N_("Buttons not heard or not proven"),
    "fault": N_("Faults and stuck buttons"), "sim": N_("SIM and network"),
}  # fmt: skip
GROUPS: Table = {"0": N_("each by itself"), "900": N_("every 15 minutes"), "3600": N_("every hour"),
                 "14400": N_("every 4 hours"), "86400": N_("once a day")}  # fmt: skip
FAULTS: Table = {
    "address": N_("Give the address anew: a mail address, or a telephone number with its country code (+46...)."),
    "topics": N_("Choose at least one kind of message, or end the messages."),
    "time": N_("Write times as HH:MM."),
    "person": N_("Messages go to persons: sign in as one."),
}
OUTCOMES: Table = {
    "no answer": N_("the gateway does not answer"), "refused": N_("the gateway refuses it"),
    "no gateway": N_("this installation has no such gateway"),
}  # fmt: skip
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{7,14}")
_MAIL: Final = re.compile(r"[^@\s,;:<>\"'()\[\]\\?&%]{1,64}@[A-Za-z0-9.-]{3,120}")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_SHOWN: Final = 20


class Unfit(ValueError):
    """A wish that cannot be kept; the argument is a word of ``FAULTS``."""


@router.get("/notifications")
async def notifications_page(request: Request, actor: Who, fault: str = "", done: str = "") -> Response:
    """One's own settings, and the newest messages with what became of them."""
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        own, messages = await read(connection, actor, before=None, most=_SHOWN)
    shown = [times_as_text(one) for one in messages]
    quiet = {"from": _clock(own["quiet_from"]), "until": _clock(own["quiet_until"])} if own else {
        "from": "17:00", "until": "07:00"}  # fmt: skip
    return page(
        request, "notifications.html", own=own, quiet=quiet, messages=shown, topics=TOPICS, urgent=CANNOT_WAIT,
        topic_words=TOPIC_WORDS, groups=GROUPS, channels=CHANNELS, faults=FAULTS, fault=fault, done=done,
        outcomes=OUTCOMES,
    )  # fmt: skip


@router.post("/notifications")
async def keep(
    request: Request, actor: Who, channel: Annotated[str, Form()] = "", address: Annotated[str, Form()] = "",
    topics: Annotated[list[str] | None, Form()] = None, group_s: Annotated[str, Form()] = "3600",
    quiet_from: Annotated[str, Form()] = "00:00", quiet_until: Annotated[str, Form()] = "00:00",
    quiet_weekend: Annotated[str, Form()] = "", wake: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Keeps one's own settings; an empty address leaves the one that is kept."""
    wish = {
        "channel": channel, "address": address.strip(), "topics": topics or [], "quiet_from": quiet_from,
        "group_s": int(group_s) if group_s in GROUPS else 3600, "quiet_until": quiet_until,
        "quiet_weekend": quiet_weekend == "1", "wake": wake == "1", "language": language_of(request),
    }  # fmt: skip
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await write_own(connection, actor, wish, zone=str(Web.of(request).zone), at=datetime.now(UTC))
    except Unfit as error:
        return RedirectResponse(f"/notifications?fault={error}", status_code=303)
    return RedirectResponse("/notifications?done=kept", status_code=303)


@router.post("/notifications/end")
async def end(request: Request, actor: Who) -> Response:
    """No more messages; the address is gone."""
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        await end_own(connection, actor)
    return RedirectResponse("/notifications?done=ended", status_code=303)


async def read(
    connection: Connection, actor: Actor, *, before: int | None, most: int
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """(one's own settings or None, one's own messages, newest first)."""
    await connection.execute(ACT_AS, {"actor": actor.name})
    rows = await fetch_all(connection, SQL["own"])
    messages = await fetch_all(connection, SQL["messages"], {"before": before, "most": most})
    return (dict(rows[0]) if rows else None), [dict(row) for row in messages]


async def write_own(connection: Connection, actor: Actor, wish: Mapping[str, Any], *, zone: str, at: datetime) -> None:
    """Keeps what somebody wants to be told. Raises Unfit."""
    if actor.person_id is None:
        raise Unfit("person")
    topics = [topic for topic in TOPICS if topic in wish["topics"]]
    if not topics:
        raise Unfit("topics")
    address, channel = wish["address"], wish["channel"]
    fits = {"sms": _NUMBER, "email": _MAIL}.get(channel)
    if fits is None or (address and not fits.fullmatch(address)):
        raise Unfit("address")
    values = {
        **wish, "topics": topics, "person": actor.person_id, "zone": zone, "at": at, "hint": hint(address),
        "quiet_from": _minute(wish["quiet_from"]), "quiet_until": _minute(wish["quiet_until"]),
    }  # fmt: skip
    await connection.execute(ACT_AS, {"actor": actor.name})
    if not address:
        if not await fetch_all(connection, SQL["change_kept_address"], values):
            raise Unfit("address")
    elif not await fetch_all(connection, SQL["change"], values):
        await connection.execute(SQL["add"], values)


async def end_own(connection: Connection, actor: Actor) -> bool:
    """Ends one's own messages; False where there were none."""
    await connection.execute(ACT_AS, {"actor": actor.name})
    return bool(await fetch_all(connection, SQL["end"], {"person": actor.person_id or 0}))


def _minute(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise Unfit("time")
    return int(found[1]) * 60 + int(found[2])


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
