"""Puts the API together: its resources, its errors, its document. It opens nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

import psycopg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fleet.registry.secret_box import SecretBox
from fleet.web.api import (
    attention,
    audit,
    cases,
    centre_setup,
    centres,
    commands,
    fleet,
    incidents,
    notifications,
    pairings,
    people,
    plans,
    profiles,
    recipients,
    reports,
    routines,
    searches,
    services,
    tasks,
    units,
    webhooks,
)
from fleet.web.api.shapes import Refused
from fleet.web.pages import (
    Away,
    NotAllowed,
    NotLoggedIn,
    StepUpNeeded,
    Web,
    on_away,
    on_not_allowed,
    on_not_logged_in,
    on_step_up,
)
from fleet.web.problem import problem

log = logging.getLogger("livlina.api")

PREFIX = "/api/v1"
ROUTERS = (
    cases.router, units.router, commands.router, recipients.router, pairings.router, searches.router,
    routines.router, centres.router, tasks.router, people.router, audit.router, reports.router, fleet.router,
    webhooks.router, services.router, centre_setup.router, attention.router, plans.router,
    notifications.router, incidents.router, profiles.router,
)  # fmt: skip

_PROBLEM = {
    "type": "object",
    "required": ["status", "title", "detail"],
    "properties": {
        "status": {"type": "integer"},
        "title": {"type": "string"},
        "detail": {"type": "string", "description": "Whose fault it is and what to do."},
        "type": {"type": "string"},
        "faults": {
            "type": "array",
            "items": {"type": "object", "properties": {"where": {"type": "string"}, "why": {"type": "string"}}},
        },
    },
    "additionalProperties": True,
}
_WHY = {
    "400": "the body is no JSON",
    "401": "not signed in, or no longer",
    "403": "the caller's roles do not include this, or a step-up is needed",
    "404": "there is no such thing that the caller may see",
    "409": "its present state does not allow this, or the Idempotency-Key was used for another request",
    "412": "it was changed since it was read",
    "413": "the body is too large, or came too slowly",
    "422": "the request is not of the documented shape",
    "429": "too many attempts",
    "503": "the database does not answer: look whether the change was made, then try again",
}
_CONTENT = {
    "application/json": {"schema": {"type": "object"}},
    "text/csv": {"schema": {"type": "string"}},
    "application/pdf": {"schema": {"type": "string", "format": "binary"}},
}
_KINDS = {"json": "application/json", "csv": "text/csv", "pdf": "application/pdf"}


def make_api(web: Web | None, box: SecretBox | None) -> FastAPI:
    """The application to be mounted at /api/v1. ``web`` None makes one for its document alone."""
    api = FastAPI(
        title="Livlina",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        exception_handlers={
            NotLoggedIn: on_not_logged_in,
            NotAllowed: on_not_allowed,
            StepUpNeeded: on_step_up,
            Away: on_away,
            Refused: _on_refused,
            HTTPException: _on_http_error,
            RequestValidationError: _on_invalid,
            psycopg.DataError: _on_unfit,
            psycopg.IntegrityError: _on_conflict,
            psycopg.errors.InsufficientPrivilege: _on_row_security,
        },
    )
    api.state.web = web
    api.state.box = box
    for router in ROUTERS:
        api.include_router(router)
    # Made when somebody first asks, beside the loop: a server that starts anew must soon take alarms again.
    document = cache(lambda: json.dumps(openapi(api), ensure_ascii=False).encode())

    async def served(_request: Request) -> Response:
        return Response(await run_in_threadpool(document), media_type="application/json")

    api.add_route("/openapi.json", served)
    return api


def openapi(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document: every operation with its permission, its ways to prove who asks, and its errors."""
    document = get_openapi(
        title="Livlina",
        version="1",
        openapi_version="3.1.0",
        description=(
            "Everything that Livlina's pages do, for programs. Lists are paged by opaque cursors; errors are problem "
            "documents (RFC 9457); a POST with an Idempotency-Key acts once."
        ),
        routes=api.routes,
        servers=[{"url": PREFIX}],
    )
    permissions = {
        (route.path, method.lower()): _permission(route)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    components["responses"] = {
        code: {
            "description": why,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for code, why in _WHY.items()
    }
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token of a role."},
        "session": {"type": "apiKey", "in": "cookie", "name": "livlina_session"},
    }
    document["security"] = [{"token": []}, {"session": []}]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(operation, method, permissions.get((path, method)))
    return document


def _complete(operation: dict[str, Any], method: str, permission: str | None) -> None:
    operation["x-permission"] = permission
    operation["description"] = f"{operation.get('description', '')}\n\nPermission: `{permission}`.".strip()
    responses = operation["responses"]
    for code, response in responses.items():
        if code == "204":
            response.pop("content", None)
        elif code.startswith("2"):
            formats = _formats(operation)
            response["content"] = {kind: _CONTENT[kind] for kind in formats}
    wanted = ["401", "403", "404", "422", "503"]
    if method != "get":
        wanted += ["400", "409", "412", "413"]
    for code in wanted:
        responses[code] = {"$ref": f"#/components/responses/{code}"}


def _formats(operation: dict[str, Any]) -> list[str]:
    """The media types of an answer: JSON, and what the parameter ``format`` can ask for."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "format":
            return [_KINDS[name] for name in parameter["schema"]["enum"]]
    return ["application/json"]


def _permission(route: APIRoute) -> str | None:
    for dependant in route.dependant.dependencies:
        permission = getattr(dependant.call, "permission", None)
        if permission is not None:
            return str(permission)
    return None


async def _on_refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem(error.status, error.detail, headers=None, **error.members)


async def _on_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Where and why, never what: a body may hold a password or a person.
    faults = [{"where": _where(fault), "why": str(fault["msg"])} for fault in error.errors()[:20]]
    return problem(422, "the request is not of the documented shape", faults=faults)


def _where(fault: Mapping[str, Any]) -> str:
    # A name that the caller made up is not repeated at length, nor with what no terminal or log should see.
    return ".".join(ascii(str(part))[1:-1][:60] for part in fault["loc"])


async def _on_unfit(_request: Request, error: Exception) -> Response:
    """The last net: a value that our own bounds should have stopped. It is our fault that they did not."""
    log.error("a value reached the database that it cannot hold: %s", type(error).__name__)
    return problem(422, "a value cannot be stored: keep to the documented bounds")


async def _on_conflict(_request: Request, error: Exception) -> Response:
    log.info("the database refuses a row: %s", type(error).__name__)
    return problem(409, "this refers to something that is not there, or that is there already")


async def _on_row_security(_request: Request, error: Exception) -> Response:
    """Row level security has refused a row of somebody else's. A right that the duty lacks is a fault of ours."""
    assert isinstance(error, psycopg.errors.InsufficientPrivilege)
    if "row-level security" not in (error.diag.message_primary or ""):
        raise error
    return problem(403, "this belongs to a municipality that you do not see")
