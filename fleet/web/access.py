"""Who may use a route: every route says which permission it needs, and gets an actor that sees no more than that.

    Who = Annotated[Actor, Depends(require("units.read"))]

A person comes with the session's cookie, a program with ``Authorization: Bearer``. That a write with a cookie comes
from our own pages was checked before (``edge.py``). ``request.state.actor`` and ``request.state.session`` are set for
the templates.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from fleet.people.decide import PERMISSIONS, may, stepped_up, within_permission
from fleet.people.model import Actor
from fleet.store.pool import Connection, Pool, tenant_transaction
from fleet.web.pages import NotAllowed, NotLoggedIn, StepUpNeeded, Web, answering, session_of
from fleet.web.sessions import actor_of_session

Guard = Callable[[Request], Awaitable[Actor]]
OWN_ACCOUNT = "account.own"


def require(permission: str, *, step_up: bool = False) -> Guard:
    """A FastAPI dependency: the actor, narrowed to the municipalities where the permission holds.

    Raises (as answers: 401 or the sign-in page, 403 or an error page) NotLoggedIn, NotAllowed, StepUpNeeded; Away where
    the database does not answer. KeyError at import for a permission that does not exist.
    """
    PERMISSIONS[permission]

    async def guard(request: Request) -> Actor:
        whole = await actor_of(request)
        actor = within_permission(whole, permission)
        # One's own account is there for every person, also for one whose centre is not responsible at this hour.
        if not (whole.person_id is not None if permission == OWN_ACCOUNT else may(actor, permission)):
            raise NotAllowed(permission)
        if step_up and not stepped_up(actor, datetime.now(UTC)):
            raise StepUpNeeded
        request.state.actor = actor
        return actor

    guard.permission = permission  # type: ignore[attr-defined]
    return guard


def open_to_all(reason: str) -> Callable[[], None]:
    """A dependency for the few routes that need no sign-in; says why, for whoever reads the list of routes."""

    def guard() -> None:
        return None

    guard.permission = f"open: {reason}"  # type: ignore[attr-defined]
    return guard


async def actor_of(request: Request) -> Actor:
    """Everything that the one who asks may do, not narrowed yet. Raises NotLoggedIn, Away.

    A request with ``Authorization`` is a program's: its cookies are not looked at.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:
        async with answering():
            actor = await Web.of(request).sessions.find_token(token.strip()) if scheme.lower() == "bearer" else None
        if actor is None:
            raise NotLoggedIn
        return actor
    return actor_of_session(await session_of(request))


def signature(request: Request, actor: Actor) -> str:
    """How the one who asks stands in a case's log: a person's sign-in name, a program's ``token:4``."""
    session = getattr(request.state, "session", None)
    return str(session.login) if session is not None and actor.person_id is not None else actor.name


def permission_of(route: Any) -> str | None:
    """The permission that a route declares, or None for one that forgot."""
    found = [
        dependant.call.permission
        for dependant in getattr(getattr(route, "dependant", None), "dependencies", ())
        if hasattr(dependant.call, "permission")
    ]
    return found[0] if found else None


@asynccontextmanager
async def as_actor(pool: Pool, actor: Actor) -> AsyncIterator[Connection]:
    """One transaction that sees the actor's municipalities and nothing else (row level security)."""
    async with tenant_transaction(pool, actor.municipalities) as connection:
        yield connection


def narrowed(actor: Actor, permission: str) -> Actor:
    """The actor for a second permission within the same request. Raises NotAllowed where none is left."""
    found = within_permission(actor, permission)
    if not may(found, permission):
        raise NotAllowed(permission)
    return found
