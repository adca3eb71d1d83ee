"""The pairing page for a telephone, and its API: begins a pairing once, shows how far it is.

It proves nothing and makes nothing active: that is done by the server's own watch (`fleet/pairing`). The page works
without contact: what it needs is kept by its service worker, what was typed in the browser's own database.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fleet.pairing import store
from fleet.pairing.model import ROOMS, USUAL_ROOMS
from fleet.people.model import Actor
from fleet.registry import recipients
from fleet.registry.label import LabelError, label_of, unit_of
from fleet.store.pool import Connection, fetch_all
from fleet.web.access import as_actor, open_to_all, require
from fleet.web.pages import Web, answering, json_for_page, page
from fleet.web.pairing_words import PAIRING, REFUSALS
from fleet.web.pairing_words import ROOMS as ROOM_WORDS
from fleet.web.problem import problem
from fleet.web.texts import Words, language_of

router = APIRouter()
Who = Annotated[Actor, Depends(require("pairing.use"))]

_STATUS = {"unknown_unit": 404, "unknown_reference": 404, "label_foreign": 422, "label_shape": 422, "label_check": 422}
_KEPT = (
    "/pairing", "/static/livlina.css", "/static/pairing.css", "/static/icon.svg", "/static/pairing.js",
    "/static/pairing-outbox.js", "/static/pairing-scan.js", "/static/pairing-show.js",
    "/static/vendor/zxing-reader.js", "/static/vendor/zxing_reader.wasm", "/pairing/manifest.webmanifest",
)  # fmt: skip


class Wish(BaseModel):
    """What a client asks for: its own key, the label as scanned or typed, reference and check digits from the order."""

    model_config = ConfigDict(extra="forbid")
    key: UUID
    label: str = Field(max_length=64)
    reference: str = Field(max_length=40)
    digits: str = Field(max_length=8)
    rooms: list[Literal[ROOMS]] = Field(default=list(USUAL_ROOMS), max_length=8)  # type: ignore[valid-type]


class Old(BaseModel):
    """Why the old unit cannot be pressed."""

    model_config = ConfigDict(extra="forbid")
    why: Literal["broken", "lost", "not_there"]


class GiveUp(BaseModel):
    """Why a pairing ends without a proof; a code, no free words about a person."""

    model_config = ConfigDict(extra="forbid")
    reason: Literal["wrong_person", "wrong_unit", "no_coverage", "other"] = "other"


class _Refused(Exception):
    def __init__(self, code: str, sentence: str, by: str | None = None, since: str | None = None) -> None:
        super().__init__(sentence)
        self.code, self.by, self.since = code, by, since


@router.get("/pairing")
async def pairing_page(request: Request, _actor: Who) -> Response:
    """The page. It holds no case, no person and no unit: it may be kept on the telephone."""
    words = Words(language_of(request), Web.of(request).zone)
    table = {
        "words": {name: words.word(PAIRING, name) for name in PAIRING},
        "rooms": {name: words.word(ROOM_WORDS, name) for name in ROOM_WORDS},
    }
    return page(request, "pairing.html", rooms=ROOM_WORDS, usual=USUAL_ROOMS, table=json_for_page(table))


@router.get("/pairing/worker.js", dependencies=[Depends(open_to_all("a script without data"))])
async def worker() -> Response:
    """The service worker, from a path whose scope is the page's."""
    script = resources.files("fleet.web").joinpath("static", "pairing-worker.js").read_text(encoding="utf-8")
    body = f"const KEPT = {json_for_page(list(_KEPT))};\n{script}"
    return Response(body, media_type="text/javascript", headers={"Service-Worker-Allowed": "/pairing"})


@router.get("/pairing/manifest.webmanifest", dependencies=[Depends(open_to_all("a name and an icon"))])
async def manifest() -> Response:
    """What makes the page installable."""
    document = {
        "name": "Livlina", "short_name": "Livlina", "start_url": "/pairing", "scope": "/pairing",
        "display": "standalone", "background_color": "#ffffff", "theme_color": "#1d3a5f",
        "icons": [{"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
    }  # fmt: skip
    return JSONResponse(document, media_type="application/manifest+json")


@router.post("/pairing/api/pairings")
async def begin(request: Request, actor: Who, wish: Wish) -> Response:
    """201 with the pairing; 200 where this key has begun it before. 404, 409, 422 with `code` and `words`."""
    at = datetime.now(UTC)
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            unit, recipient = await _named(connection, wish)
            wanted = store.Wish(wish.key, unit, recipient, wish.digits, tuple(wish.rooms))
            number = await store.begin(connection, wanted, actor.name, at)
            found = await store.view(connection, number)
    except store.PairingRefused as error:
        refused = error.refused
        since = None if refused.since is None else refused.since.isoformat()
        return _refuse(request, _Refused(refused.code, str(error), by=refused.by, since=since))
    except _Refused as error:
        return _refuse(request, error)
    except LookupError:
        return _refuse(request, _Refused("unknown_unit", "unit or person is not there any more: look at the order"))
    except ValueError as error:  # rooms that are named twice, a unit that somebody has just moved on
        return problem(422, str(error))
    return JSONResponse(_shown(found), 201 if found["started_at"] == at else 200)


@router.get("/pairing/api/pairings/{pairing}")
async def show(request: Request, actor: Who, pairing: int) -> Response:
    """How far it is."""
    return await _after(request, actor, pairing, None)


@router.post("/pairing/api/pairings/{pairing}/moved")
async def moved(request: Request, actor: Who, pairing: int) -> Response:
    """The unit stands somewhere else now: the rooms are asked for anew."""
    return await _after(request, actor, pairing, store.unit_was_moved)


@router.post("/pairing/api/pairings/{pairing}/again")
async def again(request: Request, actor: Who, pairing: int) -> Response:
    """What has failed is asked for once more."""
    return await _after(request, actor, pairing, store.ask_again)


@router.post("/pairing/api/pairings/{pairing}/old")
async def old(request: Request, actor: Who, pairing: int, why: Old) -> Response:
    """The old unit cannot be pressed."""

    async def act(connection: Connection, number: int, name: str, at: datetime) -> None:
        await store.leave_out_old(connection, number, why.why, name, at)

    return await _after(request, actor, pairing, act)


@router.post("/pairing/api/pairings/{pairing}/give-up")
async def give_up(request: Request, actor: Who, pairing: int, why: GiveUp) -> Response:
    """Ends it without a proof."""

    async def act(connection: Connection, number: int, name: str, at: datetime) -> None:
        await store.give_up(connection, number, why.reason, name, at)

    return await _after(request, actor, pairing, act)


async def _after(request: Request, actor: Actor, pairing: int, act: Any) -> Response:
    """The pairing after what the person said; ``act`` None only looks."""
    if not 0 < pairing < 1 << 62:
        return problem(404, "there is no such pairing")
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            if act is not None:
                await act(connection, pairing, actor.name, datetime.now(UTC))
            found = await store.view(connection, pairing)
    except LookupError:
        return problem(404, "there is no such pairing: it may belong to a municipality that you do not work for")
    except ValueError as error:
        return _refuse(request, _Refused("over", str(error)))
    return JSONResponse(_shown(found))


async def _named(connection: Connection, wish: Wish) -> tuple[int, int]:
    """Unit and recipient of a wish. Raises _Refused."""
    try:
        unit = unit_of(wish.label)
    except LabelError as error:
        raise _Refused(f"label_{error.why}", str(error)) from None
    rows = await fetch_all(connection, "SELECT municipality_id FROM units WHERE unit_id = %(unit)s", {"unit": unit})
    if not rows:
        raise _Refused("unknown_unit", "there is no such unit in your municipality: compare the label with the order")
    try:
        found = await recipients.by_reference(connection, wish.reference)
    except ValueError:
        found = []
    here = [row for row in found if row["municipality_id"] == rows[0]["municipality_id"]] or found
    if not here:
        raise _Refused("unknown_reference", "there is no such person here: compare the reference with the order")
    return unit, cast(int, here[0]["recipient_id"])


def _refuse(request: Request, refused: _Refused) -> Response:
    words = Words(language_of(request), Web.of(request).zone)
    said = words.word(REFUSALS, refused.code) if refused.code in REFUSALS else str(refused)
    return problem(
        _STATUS.get(refused.code, 409), str(refused), code=refused.code, words=said, by=refused.by, since=refused.since
    )


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A pairing for the page: labels and steps, no recipient."""
    steps = [_step(place, step) for place, step in enumerate(row["steps"])]
    return {
        "id": row["pairing_id"], "key": row["client_key"], "label": label_of(row["unit_id"]), "state": row["state"],
        "old": None if row["old_unit_id"] is None else label_of(row["old_unit_id"]), "steps": steps,
        "now": next((step["place"] for step in steps if step["state"] not in ("proven", "left_out")), None),
        "proof": row["proof"], "fee_from": None if row["fee_from"] is None else row["fee_from"].isoformat(),
        "signal": row["signal"], "live_alarm": row["live_case"] is not None, "by": row["started_by"],
        "started_at": row["started_at"].isoformat(),
    }  # fmt: skip


def _step(place: int, step: dict[str, Any]) -> dict[str, Any]:
    shown = {name: step.get(name) for name in ("kind", "room", "input", "state", "why", "tries", "until")}
    proof = step.get("proof") or {}
    return {"place": place, **shown, **{name: proof.get(name) for name in ("seconds", "attempt", "signal", "bearer")}}
