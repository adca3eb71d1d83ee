"""Recipients by reference. The person behind one is opened for an open case or a stated reason, and never listed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, Query
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.registry import recipients as registry
from fleet.registry.secret_box import SecretBoxError
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import require
from fleet.web.api.parts import box_of
from fleet.web.api.serving import IdempotencyKey, IfMatch, answer, matches, reading, write
from fleet.web.api.shapes import (
    LARGEST,
    LARGEST_NUMBER,
    LIMIT,
    Body,
    Cursor,
    Key,
    Limit,
    Municipality,
    OfMunicipality,
    Refused,
    Sentence,
    Word,
    cursor_values,
    listed,
    not_found,
    number_of,
)

router = APIRouter(tags=["recipients"])
SQL = read_statements("fleet.web.api", "recipients.sql")
Reads = Annotated[Actor, Depends(require("recipients.read"))]
Writes = Annotated[Actor, Depends(require("recipients.write"))]
Opens = Annotated[Actor, Depends(require("recipients.open", step_up=True))]
Seals = Annotated[Actor, Depends(require("recipients.write", step_up=True))]
Answers = Annotated[Actor, Depends(require("audit.read"))]
Owns = Annotated[Actor, Depends(require("import.write", step_up=True))]
Sealed = Annotated[str, StringConstraints(max_length=registry.MOST_TEXT, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*$")]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]([A-Z0-9-]{0,30}[A-Z0-9])?$")]
District = Annotated[str, StringConstraints(max_length=80, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


LivesAlone = Annotated[
    bool | None, Field(description="Lives alone: visited before others; null where nobody has said.")
]


class NewRecipient(Body):
    """A recipient as the care system refers to it."""

    municipality: Municipality
    reference: Reference
    priority: int = Field(ge=1, le=5, description="Care priority, 1 is the most urgent.")
    district: District = ""
    protected: bool = Field(False, description="Protected identity: opened for named staff and an open case only.")
    lives_alone: LivesAlone = None


class ChangedRecipient(Body):
    """What may be changed of a recipient: the first three are set, and `lives_alone` where it is given."""

    priority: int = Field(ge=1, le=5)
    district: District
    protected: bool
    lives_alone: LivesAlone = None


class Opening(Body):
    """Why the person is opened: an open case of this recipient, or a reason in words."""

    case: int | None = Field(None, ge=1, le=LARGEST)
    reason: Sentence | None = None


class NewContact(Body):
    """Somebody to call."""

    name: Sealed
    telephone: Sealed
    relation: Sealed = ""


class NewPerson(Body):
    """Who a recipient is. It is sealed at once and answered to nobody here."""

    name: Sealed
    address: Sealed
    key_note: Sealed = ""
    contacts: list[NewContact] = Field(default_factory=list, max_length=registry.MOST_CONTACTS)


class Seen(Body):
    """Looks by their numbers."""

    openings: list[Annotated[int, Field(ge=1, le=LARGEST)]] = Field(min_length=1, max_length=200)


class Staff(Body):
    """A person by number, on or off the list."""

    person: int = Field(ge=1, le=LARGEST_NUMBER)
    listed: bool


@router.get("/recipients", summary="Recipients by reference")
async def list_recipients(
    request: Request,
    actor: Reads,
    municipality: OfMunicipality = None,
    reference: Annotated[Word | None, Query(description="Beginning with this reference.")] = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Response:
    """Reference, care priority and district; no name and no address."""
    (after,) = cursor_values(cursor, number_of)
    begins = (
        None if reference is None else reference.upper().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    )
    values = {"municipality": municipality, "begins": begins, "after": after or 0, "most": limit + 1}
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["recipients"], values)
    return answer(listed(rows, limit, lambda row: [row["id"]]))


@router.post("/recipients", status_code=201, summary="Add a recipient by reference")
async def add_recipient(request: Request, actor: Writes, body: NewRecipient, key: IdempotencyKey = None) -> Response:
    """409 where the municipality has this reference already."""
    if body.municipality not in actor.municipalities:
        raise not_found("municipality")

    async def work(connection: Connection) -> Any:
        try:
            number = await registry.add_recipient(
                connection, municipality=body.municipality, reference=body.reference, priority=body.priority,
                district=body.district, protected=body.protected, lives_alone=body.lives_alone, actor=actor.name,
                at=datetime.now(UTC),
            )  # fmt: skip
        except psycopg.errors.UniqueViolation:
            raise Refused(409, "the municipality has a recipient with this reference already") from None
        return await _recipient(connection, number)

    return await write(request, actor, work, key=key, status=201)


@router.get("/recipients/{recipient}", summary="One recipient and its units")
async def get_recipient(request: Request, actor: Reads, recipient: Key) -> Response:
    """Everything but the person."""
    async with reading(request, actor) as connection:
        return answer(await _recipient(connection, recipient))


@router.patch("/recipients/{recipient}", summary="Change priority, district, protection, or who lives alone")
async def change_recipient(
    request: Request, actor: Writes, recipient: Key, body: ChangedRecipient, if_match: IfMatch = None
) -> Response:
    """With If-Match nobody overwrites what somebody else has changed meanwhile."""

    async def work(connection: Connection) -> Any:
        await connection.execute(SQL["lock"], {"recipient_id": recipient})
        found = await _recipient(connection, recipient)
        matches(if_match, found)
        alone = body.lives_alone if "lives_alone" in body.model_fields_set else found["lives_alone"]
        await registry.change_recipient(
            connection, recipient, priority=body.priority, district=body.district, protected=body.protected,
            lives_alone=alone, actor=actor.name, at=datetime.now(UTC),
        )  # fmt: skip
        return await _recipient(connection, recipient)

    return await write(request, actor, work)


@router.post("/recipients/{recipient}/open", summary="Open the person behind a reference")
async def open_person(request: Request, actor: Opens, recipient: Key, body: Opening) -> Response:
    """The look is recorded before the answer is made, and shown to the fleet's owner. 403 where nothing opens it. The
    answer is never stored, so an Idempotency-Key is not taken."""
    box = box_of(request)

    async def work(connection: Connection) -> Any:
        try:
            person = await registry.open_person(
                connection, box, actor, recipient, case_id=body.case, reason=body.reason, at=datetime.now(UTC)
            )
        except registry.OpeningRefused as error:
            raise Refused(403, str(error)) from None
        except LookupError:
            raise not_found("recipient") from None
        except SecretBoxError:
            raise Refused(409, "the sealed part does not open with this installation's key: tell who runs it") from None
        return {"recipient": recipient, "person": None if person is None else asdict(person)}

    return await write(request, actor, work, keep=False)


@router.post("/recipients/{recipient}/person", status_code=204, summary="Seal the person behind a reference")
async def seal_person(request: Request, actor: Seals, recipient: Key, body: NewPerson) -> Response:
    """In place of what was there. Whoever writes knows, so it is recorded as a look. Nothing of the request is kept but
    the sealed part, so an Idempotency-Key is not taken."""
    box = box_of(request)
    contacts = tuple(registry.Contact(one.name, one.telephone, one.relation) for one in body.contacts)
    person = registry.Person(body.name, body.address, body.key_note, contacts)

    async def work(connection: Connection) -> Any:
        try:
            await registry.seal_person(connection, box, recipient, person, actor=actor.name, at=datetime.now(UTC))
        except LookupError:
            raise not_found("recipient") from None
        return None

    return await write(request, actor, work, status=204, keep=False)


@router.post("/recipients/{recipient}/staff", status_code=204, summary="List who may see a protected person")
async def change_staff(
    request: Request, actor: Owns, recipient: Key, body: Staff, key: IdempotencyKey = None
) -> Response:
    """`listed` false takes them off the list."""

    async def work(connection: Connection) -> Any:
        try:
            await registry.change_staff(
                connection, recipient, f"person:{body.person}", listed=body.listed, actor=actor.name,
                at=datetime.now(UTC),
            )  # fmt: skip
        except LookupError:
            raise not_found("recipient") from None
        return None

    return await write(request, actor, work, key=key, status=204)


@router.get("/recipients/{recipient}/openings", summary="Who has looked at the person, newest first")
async def list_openings(
    request: Request,
    actor: Annotated[Actor, Depends(require("audit.read"))],
    recipient: Key,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Response:
    """For who answers for the fleet."""
    (before,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        if await registry.find_recipient(connection, recipient) is None:
            raise not_found("recipient")
        rows = await registry.openings(connection, recipient=recipient, before=before, most=limit + 1)
    return answer(listed(rows, limit, lambda row: [row["opening_id"]]))


@router.get("/openings", summary="Looks at persons, newest first")
async def list_looks(
    request: Request,
    actor: Answers,
    unseen: Annotated[bool, Query(description="Only those that nobody has ticked off.")] = False,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Response:
    """Who looked at whom and why, in the caller's municipalities."""
    (before,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        rows = await registry.openings(connection, unseen=unseen, before=before, most=limit + 1)
    return answer(listed(rows, limit, lambda row: [row["opening_id"]]))


@router.post("/openings/seen", status_code=204, summary="Tick looks off")
async def see_looks(request: Request, actor: Answers, body: Seen, key: IdempotencyKey = None) -> Response:
    """They were seen, in the caller's name. What is somebody else's, or was seen before, stays as it is."""

    async def work(connection: Connection) -> Any:
        await registry.see_openings(connection, body.openings, actor.name, datetime.now(UTC))
        return None

    return await write(request, actor, work, key=key, status=204)


async def _recipient(connection: Connection, number: int) -> dict[str, Any]:
    found = await registry.find_recipient(connection, number)
    if found is None:
        raise not_found("recipient")
    units = [
        {**{name: value for name, value in row.items() if name != "unit_id"}, "unit": f"{row['unit_id']:08x}"}
        for row in await registry.units_of(connection, number)
    ]
    rest = {name: value for name, value in found.items() if name != "recipient_id"}
    return {"id": number, **rest, "units": units}
