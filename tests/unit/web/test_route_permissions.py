"""Every route of the web side says which permission it needs; the test fails on one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount, WebSocketRoute

from fleet.people.decide import PERMISSIONS
from fleet.store.pool import make_pool
from fleet.web.access import open_to_all, permission_of, require
from fleet.web.app import make_app

NOWHERE = "postgresql://nobody@127.0.0.1:9/none"
# Of the routes that people or programs reach without signing in there are these and no more.
OPEN = {
    "/pairing/worker.js",
    "/pairing/manifest.webmanifest",
    "/", "/login", "/api/login", "/logout", "/welcome", "/healthz", "/sign-in/passkey", "/sign-in/passkey/question",
    "/sign-in/oidc/{provider}", "/sign-in/oidc/callback",
}  # fmt: skip


def routes(app: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, route) of every route, also of what is mounted, and of routers within routers."""
    for route in app.routes:
        if isinstance(route, Mount) and hasattr(route.app, "routes"):
            yield from routes(route.app, prefix + route.path)
        elif hasattr(route, "original_router"):  # FastAPI keeps an included router as one entry
            yield from routes(route.original_router, prefix)
        else:
            yield prefix + getattr(route, "path", ""), route


def undeclared(app: Any) -> list[str]:
    """Paths that declare no permission. Static files stand apart, and the stream, which looks for its session."""
    return [
        path
        for path, route in routes(app)
        if not isinstance(route, Mount | WebSocketRoute) and type(route).__name__ != "APIWebSocketRoute"
        and permission_of(route) is None and not path.endswith("/openapi.json")
    ]  # fmt: skip


def the_app() -> FastAPI:
    pools = {duty: make_pool(NOWHERE, duty, size=1) for duty in ("web", "login")}  # type: ignore[arg-type]
    return make_app(web_pool=pools["web"], login_pool=pools["login"], listener_url=NOWHERE)


def test_every_route_declares_a_permission_that_exists() -> None:
    app = the_app()
    assert undeclared(app) == []
    declared = {path: permission_of(route) for path, route in routes(app) if permission_of(route)}
    assert len(declared) > 40
    for path, permission in declared.items():
        assert permission in PERMISSIONS or permission.startswith("open: "), path


def test_few_routes_are_open_and_they_are_known() -> None:
    app = the_app()
    found = {path for path, route in routes(app) if (permission_of(route) or "").startswith("open: ")}
    assert found - OPEN == {path for path in found - OPEN if path.startswith("/api/v1")}
    assert found >= OPEN


def test_negative_control_a_route_that_forgot_is_found() -> None:
    router = APIRouter()

    @router.get("/guarded", dependencies=[Depends(require("units.read"))])
    async def guarded() -> None: ...

    @router.get("/forgotten")
    async def forgotten() -> None: ...

    @router.get("/open", dependencies=[Depends(open_to_all("a test"))])
    async def opened() -> None: ...

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router)
    assert undeclared(app) == ["/forgotten"]
    assert all(isinstance(route, APIRoute) for _, route in routes(app))
