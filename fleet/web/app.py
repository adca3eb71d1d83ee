"""Puts the web side together. Composition only: nothing opens before the lifespan begins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import resources
from zoneinfo import ZoneInfo

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from fleet.loops import end
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Pool
from fleet.web import (
    account,
    attention,
    centre_setup,
    centres,
    fleet_import,
    incidents,
    links,
    login,
    notifications,
    oidc,
    operators,
    pairing,
    passkeys,
    people,
    planner,
    profiles,
    recipient_edits,
    recipients,
    record,
    reports,
    routines,
    searches,
    service_edits,
    services,
    technicians,
    timeline,
    tokens,
    unit_life,
    units,
    webhooks,
    weekend,
)
from fleet.web.access import open_to_all
from fleet.web.api.app import PREFIX, make_api
from fleet.web.api.fleet import LARGEST_IMPORT
from fleet.web.edge import Edge
from fleet.web.follower import LogFollower
from fleet.web.model import Timings
from fleet.web.oidc_client import Providers
from fleet.web.pages import (
    Away,
    NotAllowed,
    NotLoggedIn,
    StepUpNeeded,
    Web,
    make_templates,
    on_away,
    on_not_allowed,
    on_not_logged_in,
    on_step_up,
    page,
    wants_json,
)
from fleet.web.passwords import Passwords
from fleet.web.plan_work import PlanWork
from fleet.web.problem import problem
from fleet.web.receipts import Receipts
from fleet.web.sessions import Sessions
from fleet.web.stream import Stream
from fleet.web.texts import LANGUAGES

log = logging.getLogger(__name__)


def make_app(
    *,
    web_pool: Pool,
    login_pool: Pool,
    listener_url: str,
    timings: Timings | None = None,
    zone: str = "Europe/Stockholm",
    box: SecretBox | None = None,
) -> FastAPI:
    """The operators' pages, their API and their stream.

    ``web_pool`` acts as livlina_web, ``login_pool`` as livlina_login; the caller opens and closes both.
    ``listener_url`` is the application's database URL, for one connection that listens. ``zone`` is the time zone in
    which the pages show moments. The lifespan follows the case log and keeps display receipts; ``app.state.broken`` is
    set when one of these has ended by a fault of ours: the process should end then and be started again. ``box`` opens
    what is sealed; without it nothing sealed is opened or made.
    """
    limits = timings or Timings()
    sessions = Sessions(login_pool, limits)
    follower = LogFollower(web_pool, listener_url, limits)
    receipts = Receipts(login_pool, sessions, limits)
    plan_work = PlanWork(web_pool, listener_url)
    broken = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(follower.run()), asyncio.create_task(receipts.run())]
        for task in tasks:
            task.add_done_callback(partial(_report, broken))
        try:
            yield
        finally:
            with suppress(asyncio.CancelledError):
                await plan_work.stop()
                await end(tasks)

    app = FastAPI(
        title="Livlina",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        exception_handlers={
            NotLoggedIn: on_not_logged_in,
            NotAllowed: on_not_allowed,
            StepUpNeeded: on_step_up,
            Away: on_away,
            HTTPException: _on_http_error,
            RequestValidationError: _on_invalid,
        },
    )
    app.state.web = Web(
        pool=web_pool,
        url=listener_url,
        timings=limits,
        sessions=sessions,
        passwords=Passwords(login_pool),
        login_pool=login_pool,
        providers=Providers(),
        box=box,
        follower=follower,
        receipts=receipts,
        stream=Stream(web_pool, sessions, follower, receipts, limits),
        templates={language: make_templates(language) for language in LANGUAGES},
        zone=ZoneInfo(zone),
        plan_work=plan_work,
    )
    app.state.broken = broken
    app.mount(PREFIX, make_api(app.state.web, box))
    imports = (f"{PREFIX}/fleet/import", fleet_import.PATH)
    app.add_middleware(Edge, body_bytes=limits.body_bytes, larger=dict.fromkeys(imports, LARGEST_IMPORT))
    app.include_router(login.router)
    pages = (
        oidc,
        passkeys,
        links,
        account,
        people,
        tokens,
        operators,
        attention,
        weekend,
        technicians,
        units,
        timeline,
        unit_life,
        recipients,
        centres,
        incidents,
        notifications,
        planner,
        profiles,
        record,
        reports,
        routines,
        webhooks,
    )
    for part in (*pages, recipient_edits, pairing, searches, services, service_edits, centre_setup, fleet_import):
        app.include_router(part.router)
    app.add_api_route("/healthz", _healthz, dependencies=[Depends(open_to_all("it says nothing but that we run"))])
    static = resources.files("fleet.web").joinpath("static")
    app.mount("/static", StaticFiles(directory=str(static)), name="static")
    return app


async def _healthz() -> Response:
    """The process is up. It says nothing about the database: the pages' own beats do that."""
    return JSONResponse({"ok": True})


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if wants_json(request) or error.status_code != 404:
        return problem(error.status_code, str(error.detail), headers=error.headers)
    return page(request, "error.html", status=404, problem="no_page")


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Where and why, never what: the body may hold a password.
    faults = [{"where": ".".join(str(part) for part in fault["loc"]), "why": fault["msg"]} for fault in error.errors()]
    return problem(422, "the request is not of the documented shape", faults=faults)


def _report(broken: asyncio.Event, task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        log.critical("a task of the web side has ended", exc_info=task.exception())
        broken.set()
