"""Recipients: a list by reference, one recipient with units and cases, and the dialogue that opens who it is.

A name or an address is on a page only as the answer to that dialogue: never in a list or a URL, kept by no cache.
Whoever answers for the fleet reads here who looked at whom, and why.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people.model import Actor
from fleet.registry import recipients as registry
from fleet.registry.label import label_of
from fleet.registry.reference import check_digits
from fleet.registry.secret_box import SecretBoxError
from fleet.store.pool import fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import as_actor, require
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page, times_as_text
from fleet.web.recipient_edits import state_of
from fleet.web.technicians import chosen_municipality, municipalities

router = APIRouter()
Reads = Annotated[Actor, Depends(require("recipients.read"))]
Opens = Annotated[Actor, Depends(require("recipients.open", step_up=True))]
Answers = Annotated[Actor, Depends(require("audit.read"))]
SQL = read_statements("fleet.web", "recipients.sql")

_PAGE = 25
_LAST = "\uffff"


@router.get("/recipients")
async def recipients_page(
    request: Request, actor: Reads, find: str = "", municipality: str = "", after: str = "", refused: str = ""
) -> Response:
    """Recipients by number, or those whose reference begins with ``find``: the first 25 of these."""
    chosen = chosen_municipality(municipality)
    begins = "".join(find.split()).upper()[:40].replace("\0", "")
    values = {"municipality": chosen, "after": page_position(after) or 0, "most": _PAGE + 1, "low": begins}
    name = "recipients_by_reference" if begins else "recipients"
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        rows = await fetch_all(connection, SQL[name], {**values, "high": begins + _LAST})
        towns = await municipalities(connection)
    older = rows[_PAGE - 1]["recipient_id"] if len(rows) > _PAGE and not begins else None
    return page(
        request, "recipients.html", rows=[_row(row) for row in rows[:_PAGE]], more=len(rows) > _PAGE, older=older,
        towns=towns, find=find, refused=refused == "1", municipality="" if chosen is None else str(chosen),
    )  # fmt: skip


@router.get("/recipients/{recipient}")
async def recipient_page(
    request: Request, actor: Reads, recipient: str, sealed: str = "", refused: str = "", changed: str = ""
) -> Response:
    """One recipient: reference, priority, units, open cases. Who it is, only by the dialogue."""
    return await _recipient(
        request, actor, recipient, sealed=sealed == "1", refused=refused == "1", changed=changed[:20]
    )


@router.post("/recipients/{recipient}/open")
async def open_recipient(
    request: Request,
    actor: Opens,
    recipient: str,
    case: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """The same page with who it is, once: for an open case, or by break-glass for a reason."""
    box, number = Web.of(request).box, page_position(recipient) or 0
    if box is None:
        return page(request, "error.html", status=503, problem="away")
    person, refused = None, None
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            person = await registry.open_person(
                connection, box, actor, number, case_id=page_position(case), reason=reason, at=datetime.now(UTC)
            )
    except LookupError:
        return page(request, "error.html", status=404, problem="no_recipient")
    except registry.OpeningRefused:
        refused = "refused"
    except SecretBoxError:
        refused = "sealed"
    opened = "nothing" if person is None and refused is None else refused or "shown"
    return await _recipient(request, actor, recipient, person=person, opened=opened)


@router.get("/openings")
async def openings_page(request: Request, actor: Answers, all: str = "", before: str = "") -> Response:
    """Who looked at whom and why; first of all those that nobody has seen yet."""
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        rows = await registry.openings(connection, unseen=all != "1", before=page_position(before), most=_PAGE + 1)
    shown = [times_as_text(row) for row in rows[:_PAGE]]
    older = shown[-1]["opening_id"] if len(rows) > _PAGE else None
    return page(request, "openings.html", rows=shown, older=older, every=all == "1")


@router.post("/openings/seen")
async def see(request: Request, actor: Answers, opening: Annotated[list[int], Form()]) -> Response:
    """These were seen, in the name of who is signed in."""
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        await registry.see_openings(connection, opening[: _PAGE + 1], actor.name, datetime.now(UTC))
    return RedirectResponse("/openings", status_code=303)


async def _recipient(
    request: Request,
    actor: Actor,
    recipient: str,
    *,
    person: registry.Person | None = None,
    opened: str = "",
    sealed: bool = False,
    refused: bool = False,
    changed: str = "",
) -> Response:
    number = page_position(recipient) or 0
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        found = await registry.find_recipient(connection, number)
        if found is None:
            return page(request, "error.html", status=404, problem="no_recipient")
        units = [_unit(row) for row in await registry.units_of(connection, number)]
        cases = await registry.open_cases_of(connection, number)
        staff = await registry.staff_list(connection, number) if found["protected"] else []
    return page(
        request, "recipient.html", one=times_as_text(found), units=units, cases=cases, staff=staff, person=person,
        opened=opened, digits=check_digits(found["municipality_id"], found["reference"]), sealed=sealed,
        refused=refused, changed=changed, state=state_of(found), status=403 if opened == "refused" else 200,
    )  # fmt: skip


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "units": [f"{unit:08x}" for unit in row["units"]]}


def _unit(row: dict[str, Any]) -> dict[str, Any]:
    return {**times_as_text(row), "unit": f"{row['unit_id']:08x}", "label": label_of(row["unit_id"])}
