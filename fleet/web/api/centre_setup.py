"""Where alarms are sent to: centres' addresses, options, routes and secrets. The installation's, so for a person who
administers it and has just shown who they are. A secret goes in and never comes out.

The pages' duty may not see any of it: this acts as the registry, for these routes alone.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar, get_args

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from fleet.forwarding import centre_setup
from fleet.forwarding.centre_options import SAYS_TAKEN, WAYS_TO_REPORT
from fleet.people.model import INSTALLATION, Actor
from fleet.store.pool import Connection
from fleet.web.access import require
from fleet.web.apart import apart
from fleet.web.api.parts import box_of
from fleet.web.api.serving import answer
from fleet.web.api.shapes import Body, Empty, Municipality, Refused, SmallKey, Word, not_found
from fleet.web.pages import Web, answering

router = APIRouter(tags=["centres"])
SetsUp = Annotated[Actor, Depends(require("centres.write", step_up=True))]
Found = TypeVar("Found")
OptionName = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
OptionText = Annotated[str, StringConstraints(max_length=15_000)]
UnitType = Literal["any", "social", "personal", "tracker", "camera", "technical"]
Reports = Literal["console", "webhook", "protocol", "none"]
assert set(get_args(UnitType)) == set(centre_setup.UNIT_TYPES)
assert set(get_args(Reports)) == set(WAYS_TO_REPORT) and "scaip" in SAYS_TAKEN


class CentreSetup(Body):
    """A centre that alarms are sent to: a new one, or a known one's name with what it is from now on."""

    name: Word
    to: Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[!-~]+$")] = Field(
        description="HOST:PORT of its receiver, or a URL (webhook)."
    )
    municipalities: list[Municipality] = Field(min_length=1, max_length=300, description="Whose alarms it takes.")
    protocol: Literal["dc09", "scaip", "sosaccess", "webhook"] = "dc09"
    rank: int = Field(1, ge=1, le=2, description="1 the primary centre, 2 the secondary.")
    unit_type: UnitType | None = None
    reports_taken: Reports | None = None
    options: dict[OptionName, OptionText | bool | int] = Field(
        default_factory=dict, max_length=20, description="docs/centres.md has them all. These and no others hold then."
    )
    secret: Annotated[str, StringConstraints(min_length=1, max_length=centre_setup.LONGEST_SECRET)] | None = Field(
        None, description="Its key, password or signing secret; without one the kept one stays.",
        json_schema_extra={"writeOnly": True},
    )  # fmt: skip


@router.get("/centre-settings", summary="Where alarms are sent to, and how")
async def list_settings(request: Request, actor: SetsUp) -> Response:
    """Addresses, options and routes; of secrets and tokens only whether there is one."""
    found = await acting(request, actor, lambda c: centre_setup.settings_of(c, datetime.now(UTC)))
    return answer({"items": found, "next": None})


@router.post("/centre-settings", status_code=201, summary="Add or change a centre, and send alarms to it")
async def put_settings(request: Request, actor: SetsUp, body: CentreSetup) -> Response:
    """Counts within 10 s. A token, where it now reports *taken* by one, is shown this once; an Idempotency-Key is not
    taken: sent again it is the same change."""
    return answer(await put(request, actor, **body.model_dump()), 201)


@router.post("/centre-settings/{centre}/token", status_code=201, summary="A new token to report taken with")
async def make_token(request: Request, actor: SetsUp, centre: SmallKey, _body: Empty) -> Response:
    """Shown this once; the one before is refused within 10 s. 409 where the centre reports otherwise."""
    return answer({"id": centre, "token": await token(request, actor, centre)}, 201)


@router.post("/centre-settings/{centre}/end", status_code=204, summary="End a centre")
async def end(request: Request, actor: SetsUp, centre: SmallKey, _body: Empty) -> Response:
    """409 while a route leads to it or an alarm waits for it."""
    await remove(request, actor, centre)
    return Response(status_code=204)


# What the page does too --------------------------------------------------------------------------------------------


async def acting(request: Request, actor: Actor, work: Callable[[Connection], Awaitable[Found]]) -> Found:
    """The work as the registry's duty. Raises Refused for whoever does not administer the installation, Away."""
    if INSTALLATION not in actor.municipalities:
        raise Refused(403, "where alarms are sent to is the installation's: ask whoever administers it")
    async with answering():
        return await apart(Web.of(request).url, "registry", work)


async def put(request: Request, actor: Actor, *, name: str, to: str, municipalities: list[int], **rest: Any) -> Any:
    """Adds or changes a centre; what it is then. Raises Refused, Away."""
    box = box_of(request)
    try:
        new = centre_setup.checked(name, to, municipalities, **rest)
        return await acting(
            request, actor, lambda c: centre_setup.put(c, box, new, actor=actor.name, at=datetime.now(UTC))
        )
    except LookupError:
        raise not_found("municipality") from None
    except ValueError as error:
        raise Refused(422, in_words(error)) from None


async def token(request: Request, actor: Actor, centre: int) -> str:
    """A new token. Raises Refused, Away."""
    box = box_of(request)

    async def work(connection: Connection) -> str:
        name = await _name(connection, centre)
        return await centre_setup.new_token(connection, box, name, actor=actor.name, at=datetime.now(UTC))

    try:
        return await acting(request, actor, work)
    except ValueError as error:
        raise Refused(409, in_words(error)) from None


async def remove(request: Request, actor: Actor, centre: int) -> None:
    """Ends it. Raises Refused, Away."""

    async def work(connection: Connection) -> None:
        name = await _name(connection, centre)
        await centre_setup.remove(connection, name, actor=actor.name, at=datetime.now(UTC))

    try:
        await acting(request, actor, work)
    except ValueError as error:
        raise Refused(409, in_words(error)) from None


async def _name(connection: Connection, centre: int) -> str:
    for one in await centre_setup.settings_of(connection, datetime.now(UTC)):
        if one["id"] == centre:
            return str(one["centre"])
    raise not_found("centre")


def in_words(error: Exception) -> str:
    """A refusal that was written for the command line, with the names that the API and the page have."""
    text = str(error).replace("name its file with --secret-file", "give it as secret")
    return re.sub(r"--([a-z-]+)", lambda found: found[1].replace("-", "_").replace("secret_file", "secret"), text)
