"""What an administrator changes on the page of services: alarm centres, services, districts, identity providers. The
same as the API's; each form comes back to the page with a word for what became of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people import districts, providers
from fleet.people import store as people
from fleet.people.model import HOURS, INSTALLATION, SERVICES, Actor
from fleet.routines.model import Window
from fleet.store.pool import Connection
from fleet.web.access import as_actor, require
from fleet.web.api.shapes import LARGEST_NUMBER
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering
from fleet.web.technicians import chosen_municipality

router = APIRouter()
Writes = Annotated[Actor, Depends(require("centres.write"))]
Seals = Annotated[Actor, Depends(require("centres.write", step_up=True))]
Text = Annotated[str, Form(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
_DAY = 1440
_WEEK = 7 * _DAY


def _back(*, done: str = "", wrong: str = "") -> Response:
    return RedirectResponse(f"/services?{'done' if done else 'wrong'}={done or wrong}", status_code=303)


async def _change(
    request: Request, actor: Actor, work: Callable[[Connection], Awaitable[object]], *, done: str, wrong: str
) -> Response:
    """Does it in one transaction as this actor. A refusal is a word on the page."""
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await work(connection)
    except people.PeopleError as error:
        return _back(wrong=error.reason if error.reason in ("name", "into", "recipients") else wrong)
    except (ValueError, LookupError):
        return _back(wrong=wrong)
    return _back(done=done)


@router.post("/services/centres")
async def add_centre(request: Request, actor: Writes, name: Text = "") -> Response:
    """An organisation with people at consoles; the installation's."""
    if INSTALLATION not in actor.municipalities:
        return _back(wrong="centre")
    return await _change(
        request, actor, lambda c: people.add_alarm_centre(c, name, actor=actor.name, at=datetime.now(UTC)),
        done="added", wrong="centre",
    )  # fmt: skip


@router.post("/services")
async def choose(
    request: Request,
    actor: Writes,
    municipality: Text = "",
    service: Text = "",
    centre: Text = "",
    hours: Text = "any",
    from_day: Text = "0",
    from_time: Text = "00:00",
    to_day: Text = "6",
    to_time: Text = "24:00",
) -> Response:
    """A service of an alarm centre from now on."""
    place, window = chosen_municipality(municipality), _window(from_day, from_time, to_day, to_time)
    if place is None or place not in actor.municipalities:
        return _back(wrong="municipality")
    if service not in SERVICES or hours not in HOURS or window is None:
        return _back(wrong="time")
    at = datetime.now(UTC)
    return await _change(
        request, actor,
        lambda c: people.choose_service(
            c, municipality=place, service=service, centre=centre, hours=hours, window=window, valid_from=at,
            actor=actor.name, at=at,
        ), done="set", wrong="centre",
    )  # fmt: skip


def _window(from_day: str, from_time: str, to_day: str, to_time: str) -> Window | None:
    """The hours of the week, or None where they are none."""
    minutes = []
    for day, time in ((from_day, from_time), (to_day, to_time)):
        hour, colon, minute = time.partition(":")
        if not (
            colon and hour.isdecimal() and minute.isdecimal() and day.isdecimal() and len(hour + minute + day) <= 6
        ):
            return None
        if int(day) > 6 or int(minute) > 59 or int(hour) * 60 + int(minute) > _DAY:
            return None
        minutes.append(int(day) * _DAY + int(hour) * 60 + int(minute))
    return Window(*minutes) if minutes[0] < minutes[1] <= _WEEK else None


@router.post("/services/districts")
async def add_district(request: Request, actor: Writes, municipality: Text = "", name: Text = "") -> Response:
    """A district without recipients yet."""
    place = chosen_municipality(municipality)
    if place is None or place not in actor.municipalities:
        return _back(wrong="municipality")
    return await _change(
        request, actor, lambda c: people.add_district(c, place, name, actor=actor.name, at=datetime.now(UTC)),
        done="added", wrong="name",
    )  # fmt: skip


@router.post("/services/districts/{district}/name")
async def rename(request: Request, actor: Writes, district: str, name: Text = "") -> Response:
    """Another name for it and its recipients."""
    return await _change(
        request, actor, lambda c: districts.rename(c, _number(district), name, actor=actor.name, at=datetime.now(UTC)),
        done="renamed", wrong="district",
    )  # fmt: skip


@router.post("/services/districts/{district}/end")
async def remove(request: Request, actor: Writes, district: str, into: Text = "") -> Response:
    """Its recipients go into the chosen one."""
    other = _number(into) if into else None
    return await _change(
        request, actor,
        lambda c: districts.remove(c, _number(district), into=other, actor=actor.name, at=datetime.now(UTC)),
        done="removed", wrong="district",
    )  # fmt: skip


@router.post("/services/providers")
async def add_provider(
    request: Request,
    actor: Seals,
    municipality: Text = "",
    name: Text = "",
    issuer: Text = "",
    client_id: Text = "",
    client_secret: Text = "",
    acr: Text = "",
) -> Response:
    """An identity provider; its secret is sealed and never shown."""
    box = Web.of(request).box
    place = INSTALLATION if municipality == "0" else chosen_municipality(municipality)
    if box is None:
        return _back(wrong="key")
    if place is None or place not in actor.municipalities:
        return _back(wrong="municipality")
    return await _change(
        request, actor,
        lambda c: providers.add_provider(
            c, box, municipality=place, name=name.strip(), issuer=issuer.strip(), client_id=client_id.strip(),
            client_secret=client_secret or None, acr=acr.split(), scopes="openid", subject_claim="sub",
            actor=actor.name, at=datetime.now(UTC),
        ), done="added", wrong="provider",
    )  # fmt: skip


@router.post("/services/providers/{provider}/end")
async def end_provider(request: Request, actor: Seals, provider: str) -> Response:
    """It signs nobody in any more."""
    return await _change(
        request, actor,
        lambda c: providers.remove_provider(c, _number(provider), actor=actor.name, at=datetime.now(UTC)),
        done="ended", wrong="provider",
    )  # fmt: skip


def _number(text: str) -> int:
    return min(page_position(text) or 0, LARGEST_NUMBER)
