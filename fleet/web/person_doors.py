"""Whether a person can get in at all: the one-time link, and the end of everything. For the page of people and the API.

It happens under the duty of signing in, which sees everybody; whether the caller sees the person is asked before.
"""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request

from fleet.evidence.audit import record
from fleet.people import store
from fleet.people.decide import may_grant
from fleet.people.model import INSTALLATION, Actor
from fleet.people.store import PeopleError
from fleet.store.pool import fetch_all
from fleet.web.access import as_actor
from fleet.web.pages import Web, answering


async def make_link(request: Request, actor: Actor, person: int, at: datetime) -> str:
    """A new one-time link; this is the only time that it is there. Raises LookupError for somebody whom the caller does
    not see, PeopleError, Away."""
    web = Web.of(request)
    async with answering(), as_actor(web.pool, actor) as connection:
        if not await store.people(connection, person=person):
            raise LookupError(person)
    async with answering(), web.login_pool.connection() as connection, connection.transaction():
        secret = await store.make_link(connection, actor, person, at)
    return f"{request.url.scheme}://{request.headers.get('host', '')}/welcome?link={secret}"


async def set_closed(request: Request, actor: Actor, person: int, closed: bool, at: datetime) -> None:
    """Somebody who has left signs in no more and all their sessions end; or they are let in again, with the roles that
    they had. For administrators of the installation, and not for oneself. Raises PeopleError, LookupError, Away."""
    if person == actor.person_id:
        raise PeopleError("own_roles", "nobody closes themselves: ask another administrator")
    if not may_grant(actor, "administrator", INSTALLATION):
        raise PeopleError("not_administered", "only whoever administers the installation closes a person")
    web = Web.of(request)
    values = {"user_id": person, "closed_at": at if closed else None}
    async with answering(), web.login_pool.connection() as connection, connection.transaction():
        rows = await fetch_all(connection, store.SQL["close_person"], values)
        if rows:
            await record(
                connection, actor=actor.name, action="person.closed" if closed else "person.opened",
                municipality_id=rows[0]["municipality_id"], subject=f"person:{person}", detail={}, at=at,
            )  # fmt: skip
    if not rows:
        raise LookupError(person)
    if closed:
        for token_hash in await web.sessions.log_out_everywhere(person):
            web.receipts.end(token_hash)
