"""Pairings: begun, looked at and given up. That a unit becomes active is decided by its proofs, and by no caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from fleet.pairing import store as pairing
from fleet.pairing.model import ROOMS
from fleet.people.model import Actor
from fleet.store.pool import Connection
from fleet.web.access import require
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import LARGEST, Body, Empty, Key, Refused, UnitId, UnitPath, listed, not_found, unit_number

router = APIRouter(tags=["pairings"])
Pairs = Annotated[Actor, Depends(require("pairing.use"))]
Change = Callable[[Connection, int, str, datetime], Awaitable[object]]
_MOST_ROOMS = 8
_MOST_LISTED = 1000


class Wish(Body):
    """A pairing that is to begin. The same client key is the same pairing, however often it is sent."""

    client_key: UUID = Field(strict=False)
    unit: UnitId
    recipient: int = Field(ge=1, le=LARGEST)
    digits: Annotated[str, StringConstraints(pattern=r"^[0-9]{2}$")] = Field(description="The order's check digits.")
    rooms: list[Literal[ROOMS]] = Field(default_factory=list, max_length=_MOST_ROOMS)  # type: ignore[valid-type]


class OldUnit(Body):
    """Why its button is not pressed."""

    why: Literal["broken", "lost", "not_there"]


class GiveUp(Body):
    """Why it ends without a proof."""

    reason: Literal["wrong_person", "wrong_unit", "no_coverage", "other"]


@router.post("/pairings", status_code=201, summary="Begin a pairing")
async def begin(request: Request, actor: Pairs, body: Wish, key: IdempotencyKey = None) -> Response:
    """409 with what to do where unit or recipient are not free, or the check digits are another recipient's."""

    async def work(connection: Connection) -> Any:
        wish = pairing.Wish(body.client_key, unit_number(body.unit), body.recipient, body.digits, tuple(body.rooms))
        try:
            number = await pairing.begin(connection, wish, actor.name, datetime.now(UTC))
        except LookupError:
            raise not_found("unit or recipient") from None
        except ValueError as error:
            raise Refused(409, str(error)) from None
        return await _shown(connection, number)

    return await write(request, actor, work, key=key, status=201)


@router.get("/pairings/{pairing_id}", summary="How far a pairing is")
async def show(request: Request, actor: Pairs, pairing_id: Key) -> Response:
    """With every button, and the proof once there is one."""
    async with reading(request, actor) as connection:
        return answer(await _shown(connection, pairing_id))


@router.post("/pairings/{pairing_id}/moved", summary="The unit stands somewhere else now")
async def moved(request: Request, actor: Pairs, pairing_id: Key, _body: Empty, key: IdempotencyKey = None) -> Response:
    """The rooms are asked for anew."""
    return await _after(request, actor, pairing_id, pairing.unit_was_moved, key)


@router.post("/pairings/{pairing_id}/again", summary="Ask once more for what has failed")
async def again(request: Request, actor: Pairs, pairing_id: Key, _body: Empty, key: IdempotencyKey = None) -> Response:
    """What is proven stays proven."""
    return await _after(request, actor, pairing_id, pairing.ask_again, key)


@router.post("/pairings/{pairing_id}/old", summary="The old unit cannot be pressed")
async def old(request: Request, actor: Pairs, pairing_id: Key, body: OldUnit, key: IdempotencyKey = None) -> Response:
    """It is left out of the proof; the fleet's owner sees it."""

    async def change(connection: Connection, number: int, name: str, at: datetime) -> None:
        await pairing.leave_out_old(connection, number, body.why, name, at)

    return await _after(request, actor, pairing_id, change, key)


async def _after(request: Request, actor: Actor, number: int, change: Change, key: str | None) -> Response:
    async def work(connection: Connection) -> Any:
        try:
            await change(connection, number, actor.name, datetime.now(UTC))
        except LookupError:
            raise not_found("pairing") from None
        except ValueError as error:
            raise Refused(409, str(error)) from None
        return await _shown(connection, number)

    return await write(request, actor, work, key=key)


@router.post("/pairings/{pairing_id}/give-up", summary="End a pairing without a proof")
async def give_up(
    request: Request, actor: Pairs, pairing_id: Key, body: GiveUp, key: IdempotencyKey = None
) -> Response:
    """What was responsible before still is."""

    async def work(connection: Connection) -> Any:
        try:
            await pairing.give_up(connection, pairing_id, body.reason, actor.name, datetime.now(UTC))
        except LookupError:
            raise not_found("pairing") from None
        except ValueError as error:
            raise Refused(409, str(error)) from None
        return await _shown(connection, pairing_id)

    return await write(request, actor, work, key=key)


@router.get("/units/{unit}/pairings", summary="The last pairings of a unit, newest first")
async def of_unit(request: Request, actor: Pairs, unit: UnitPath) -> Response:
    """Without their steps."""
    async with reading(request, actor) as connection:
        rows = await pairing.pairings_of(connection, unit_number(unit))
    return answer(listed(rows, _MOST_LISTED, lambda _row: []))


async def _shown(connection: Connection, number: int) -> dict[str, Any]:
    try:
        found = await pairing.view(connection, number)
    except LookupError:
        raise not_found("pairing") from None
    rest = {name: value for name, value in found.items() if name not in ("unit_id", "old_unit_id")}
    old = found["old_unit_id"]
    return {**rest, "unit": f"{found['unit_id']:08x}", "old_unit": None if old is None else f"{old:08x}"}
