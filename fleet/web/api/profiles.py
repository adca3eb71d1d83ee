"""Reporting times: within which time a fault of a unit's connection must be known, by municipality and type of unit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.store.pool import Connection
from fleet.supervision import choices
from fleet.supervision.choices import LEAST_S, LONGEST, MOST_S, ProfileError
from fleet.web.access import require
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import LARGEST_NUMBER, Body, Municipality, Refused, Word, not_found

router = APIRouter(tags=["supervision"])
Reads = Annotated[Actor, Depends(require("tasks.read"))]
Chooses = Annotated[Actor, Depends(require("supervision.write"))]


class Chosen(Body):
    """A named profile, or a name of one's own with its figures and who says so."""

    municipality: Municipality
    unit_type: Literal["social", "personal", "tracker", "camera", "technical"]
    name: Word = Field(description="A named profile such as DP2, or a name for figures of your own.")
    report_s: int | None = Field(None, ge=LEAST_S, le=MOST_S, description="Seconds within which a fault is known.")
    spare_s: int | None = Field(None, ge=LEAST_S, le=MOST_S, description="The same of the other path.")
    source: str = Field("", max_length=LONGEST, description="Where figures of your own come from.")


@router.get("/supervision/profiles", summary="Reporting times: chosen, what holds until then, and those with a name")
async def profiles(
    request: Request, actor: Reads, municipality: Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER)] = None
) -> Response:
    """`items` were chosen; a type of unit without a row has the profile that `until_then` names."""
    async with reading(request, actor) as connection:
        found = await choices.choices(connection, municipality)
    return answer({"items": found.pop("chosen"), **found, "next": None})


@router.post("/supervision/profiles", status_code=201, summary="Choose the reporting times of a type of unit")
async def choose(request: Request, actor: Chooses, body: Chosen, key: IdempotencyKey = None) -> Response:
    """For one municipality, and recorded; supervision goes by it within half a minute."""
    try:
        profile = choices.profile_of(body.name, body.report_s, body.spare_s, body.source)
    except ProfileError as error:
        raise Refused(422, str(error)) from None

    async def work(connection: Connection) -> Any:
        at = datetime.now(UTC)
        try:
            await choices.choose(connection, body.municipality, body.unit_type, profile, actor=actor.name, at=at)
        except LookupError:
            raise not_found("municipality") from None
        return {"municipality": body.municipality, "type": body.unit_type, "name": profile.name,
                "report_s": profile.report_s, "spare_s": profile.spare_s, "source": profile.source}  # fmt: skip

    return await write(request, actor, work, key=key, status=201)
