"""What is written of a recipient: a new one by reference, priority and district, the sealed part, and the list of those
who may open a protected identity.

The form of the sealed part is always empty: whoever writes need not have read. The list is the fleet owner's, who may
not open anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people.model import Actor
from fleet.registry import recipients as registry
from fleet.web.access import as_actor, require
from fleet.web.api.recipients import SQL
from fleet.web.api.shapes import etag_of
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page
from fleet.web.technicians import chosen_municipality

router = APIRouter()
Writes = Annotated[Actor, Depends(require("recipients.write"))]
Seals = Annotated[Actor, Depends(require("recipients.write", step_up=True))]
Owner = Annotated[Actor, Depends(require("import.write", step_up=True))]
Text = Annotated[str, Form(max_length=registry.MOST_TEXT)]
ALONE = {"yes": True, "no": False}
"""What a form may say of whether somebody lives alone; anything else is that nobody has said."""


@router.post("/recipients")
async def add(
    request: Request,
    actor: Writes,
    reference: Text,
    municipality: Annotated[str, Form()],
    priority: Annotated[int, Form(ge=1, le=5)] = 3,
    district: Text = "",
    protected: Annotated[str, Form()] = "",
    lives_alone: Annotated[str, Form()] = "",
) -> Response:
    """A new recipient, and to its page; back to the list where the reference is none, or known."""
    town = chosen_municipality(municipality)
    if town is None or town not in actor.municipalities:
        return page(request, "error.html", status=404, problem="no_recipient")
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            number = await registry.add_recipient(
                connection, municipality=town, reference=reference, priority=priority,
                district=district.replace("\0", "").strip(), actor=actor.name, at=datetime.now(UTC),
                protected=protected == "1", lives_alone=ALONE.get(lives_alone),
            )  # fmt: skip
    except (ValueError, psycopg.errors.UniqueViolation):
        return RedirectResponse("/recipients?refused=1", status_code=303)
    return RedirectResponse(f"/recipients/{number}", status_code=303)


@router.post("/recipients/{recipient}/change")
async def change(
    request: Request,
    actor: Writes,
    recipient: str,
    seen: Text,
    priority: Annotated[int, Form(ge=1, le=5)],
    district: Text = "",
    protected: Annotated[str, Form()] = "",
    lives_alone: Annotated[str, Form()] = "",
) -> Response:
    """Priority, district, protection and who lives alone, where nobody has changed them since ``seen``."""
    number = page_position(recipient) or 0
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        await connection.execute(SQL["lock"], {"recipient_id": number})
        found = await registry.find_recipient(connection, number)
        if found is None:
            return page(request, "error.html", status=404, problem="no_recipient")
        if seen != state_of(found):
            return RedirectResponse(f"/recipients/{number}?changed=meanwhile", status_code=303)
        await registry.change_recipient(
            connection, number, priority=priority, district=district.replace("\0", "").strip()[:80],
            protected=protected == "1", lives_alone=ALONE.get(lives_alone), actor=actor.name, at=datetime.now(UTC),
        )  # fmt: skip
    return RedirectResponse(f"/recipients/{number}?changed=done", status_code=303)


def state_of(row: Mapping[str, Any]) -> str:
    """What a form was made from: sent back with it, so that nobody overwrites what somebody else has changed."""
    return etag_of([row["priority"], row["district"], bool(row["protected"]), row["lives_alone"]])


@router.post("/recipients/{recipient}/person")
async def seal(
    request: Request,
    actor: Seals,
    recipient: str,
    name: Text = "",
    address: Text = "",
    key_note: Text = "",
    contact: Annotated[list[str] | None, Form()] = None,
    telephone: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Puts who it is into the sealed part, in place of what was there."""
    box, number = Web.of(request).box, page_position(recipient) or 0
    if box is None:
        return page(request, "error.html", status=503, problem="away")
    pairs = zip(contact or (), telephone or (), strict=False)
    try:
        contacts = tuple(registry.Contact(who.strip(), line.strip()) for who, line in pairs if who.strip())
        person = registry.Person(name.strip(), address.strip(), key_note.strip(), contacts)
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await registry.seal_person(connection, box, number, person, actor=actor.name, at=datetime.now(UTC))
    except LookupError:
        return page(request, "error.html", status=404, problem="no_recipient")
    except ValueError:
        return RedirectResponse(f"/recipients/{number}?refused=1", status_code=303)
    return RedirectResponse(f"/recipients/{number}?sealed=1", status_code=303)


@router.post("/recipients/{recipient}/staff")
async def staff(
    request: Request,
    actor: Owner,
    recipient: str,
    person: Annotated[int, Form(ge=1, le=0x7FFFFFFF)],
    listed: Annotated[str, Form()] = "1",
) -> Response:
    """Puts a person (by number) on the list of a protected recipient, or takes them off."""
    number = page_position(recipient) or 0
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await registry.change_staff(
                connection, number, f"person:{person}", listed=listed == "1", actor=actor.name, at=datetime.now(UTC)
            )
    except LookupError:
        return page(request, "error.html", status=404, problem="no_recipient")
    return RedirectResponse(f"/recipients/{number}", status_code=303)
