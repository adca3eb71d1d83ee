"""Orders to units: they go out behind the unit's next message and are answered once (docs/wire.md)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from fleet.evidence.audit import record
from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.web.access import require
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import (
    LIMIT,
    Body,
    Cursor,
    Limit,
    Refused,
    UnitPath,
    cursor_values,
    listed,
    not_found,
    number_of,
    unit_number,
)
from fleet.web.api.units import SQL
from protocols.wire import cbor, messages

router = APIRouter(tags=["commands"])
Reads = Annotated[Actor, Depends(require("units.read"))]
Orders = Annotated[Actor, Depends(require("units.write"))]

KINDS = {
    "drill": messages.COMMAND_DRILL,
    "status": messages.COMMAND_STATUS,
    "heartbeat": messages.COMMAND_HEARTBEAT,
    "switch_sim": messages.COMMAND_SWITCH_SIM,
    "reboot": messages.COMMAND_REBOOT,
}
NAMES = {
    **{kind: name for name, kind in KINDS.items()},
    messages.COMMAND_CHALLENGE: "challenge",
    messages.COMMAND_SEARCH: "search",
    messages.COMMAND_SIM_POLICY: "sim_policy",
}
RESULTS = {
    messages.RESULT_DONE: "done",
    messages.RESULT_UNKNOWN_KIND: "unknown_kind",
    messages.RESULT_BAD_ARGUMENTS: "bad_arguments",
    messages.RESULT_NOT_NOW: "not_now",
    messages.RESULT_NOT_THIS_PROFILE: "not_this_profile",
}


class Order(Body):
    """What a unit is told to do. A search is begun as a search session, and a SIM policy by the command line."""

    command: Literal["drill", "status", "heartbeat", "switch_sim", "reboot"]
    input: int | None = Field(None, ge=0, le=255, description="Of `drill`: which button; its own without it.")
    interval_s: int | None = Field(None, ge=5, le=86_400, description="Of `heartbeat`, and needed there.")
    off_duty_s: int | None = Field(None, ge=5, le=86_400, description="Of `heartbeat`.")
    slot: int | None = Field(None, ge=0, le=1, description="Of `switch_sim`, and needed there.")
    within_s: int | None = Field(None, ge=1, le=30 * 86_400, description="Not sent any more after so many seconds.")


def arguments_of(order: Order) -> dict[int, int]:
    """Arguments by their keys on the wire. Raises Refused (422) for what the command does not take, or lacks."""
    takes = {
        "drill": {"input": 1},
        "heartbeat": {"interval_s": 1, "off_duty_s": 2},
        "switch_sim": {"slot": 1},
    }.get(order.command, {})
    needs = {"heartbeat": "interval_s", "switch_sim": "slot"}.get(order.command)
    given = {name: getattr(order, name) for name in ("input", "interval_s", "off_duty_s", "slot")}
    for name, value in given.items():
        if value is not None and name not in takes:
            raise Refused(422, f"{order.command} does not take {name}")
    if needs is not None and given[needs] is None:
        raise Refused(422, f"{order.command} needs {needs}")
    return {place: given[name] for name, place in takes.items() if given[name] is not None}


@router.get("/units/{unit}/commands", summary="Orders to a unit, newest first")
async def list_commands(
    request: Request, actor: Reads, unit: UnitPath, cursor: Cursor = None, limit: Limit = LIMIT
) -> Response:
    """With what has become of each; arguments are not shown."""
    (before,) = cursor_values(cursor, number_of)
    values = {"unit_id": unit_number(unit), "before": before, "most": limit + 1}
    async with reading(request, actor) as connection:
        if not await fetch_all(connection, SQL["of_unit"], values):
            raise not_found("unit")
        rows = [_view(row) for row in await fetch_all(connection, SQL["commands"], values)]
    return answer(listed(rows, limit, lambda row: [row["number"]]))


@router.post("/units/{unit}/commands", status_code=202, summary="Order a unit to do something")
async def order(request: Request, actor: Orders, unit: UnitPath, body: Order, key: IdempotencyKey = None) -> Response:
    """202: it waits for the unit's next message. The answer is read from the list."""
    args = arguments_of(body)
    number = unit_number(unit)

    async def work(connection: Connection) -> Any:
        at = datetime.now(UTC)
        expires = at + timedelta(seconds=body.within_s) if body.within_s is not None else None
        values = {
            "unit_id": number, "milliseconds": int(at.timestamp() * 1000), "kind": KINDS[body.command],
            "args": cbor.encode(args) if args else None, "actor": actor.name, "at": at, "expires_at": expires,
        }  # fmt: skip
        found = await fetch_all(connection, SQL["of_unit"], values)
        if not found:
            raise not_found("unit")
        await connection.execute(SQL["lock_numbers"], values)
        queued = (await fetch_all(connection, SQL["queue"], values))[0]["number"]
        await connection.execute(SQL["announce_command"], {"unit": unit})
        await record(
            connection, actor=actor.name, action="unit.ordered", municipality_id=found[0]["municipality_id"],
            subject=f"unit:{unit}", detail={"command": body.command, "number": queued}, at=at,
        )  # fmt: skip
        return {"unit": unit, "number": queued, "command": body.command, "queued_at": at, "expires_at": expires}

    return await write(request, actor, work, key=key, status=202)


def _view(row: dict[str, Any]) -> dict[str, Any]:
    result = row["result"]
    return {
        **{name: value for name, value in row.items() if name not in ("kind", "result")},
        "command": NAMES.get(row["kind"], "other"),
        "result": None if result is None else RESULTS.get(result, "other"),
    }
