"""What holds for every request before any page sees it: origin, body size, time, and the security headers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fleet.web.decide import is_same_origin
from fleet.web.problem import problem

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers then send "Origin: null" with our own forms, and the origin check would refuse them.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "X-Frame-Options": "DENY",
}
# The one page that reads labels with a camera: a decoder in WebAssembly, and an installable page with its manifest.
_CAMERA_PAGE = "/pairing"
_CAMERA_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY.replace(
        "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'; manifest-src 'self'"
    ),
    "Permissions-Policy": _HEADERS["Permissions-Policy"].replace("camera=()", "camera=(self)"),
}
_BODY_PATIENCE_S = 10.0


class Edge:
    """Refuses cross-site requests and large bodies; adds the headers to every answer.

    The origin is checked on every request that is not GET or HEAD, and on the WebSocket handshake. That, and the
    cookie's SameSite=Strict, is the defence against cross-site request forgery.
    """

    def __init__(self, app: ASGIApp, body_bytes: int, larger: Mapping[str, int] | None = None) -> None:
        """``larger``: paths whose bodies may be so large, from whoever shows that he may have signed in."""
        self._app = app
        self._body_bytes = body_bytes
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        reads_only = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if not reads_only and not is_same_origin(headers, scope["scheme"]):
            await self._refuse_origin(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        dressed = _dress(scope, send)
        if reads_only:
            await self._app(scope, receive, dressed)
            return
        most = self._most(scope["path"], headers)
        body = await self._body(receive, most)
        if body is None:
            answer = problem(413, f"the body must come at once and have at most {most} bytes")
            await answer(scope, receive, dressed)
            return
        await self._app(scope, _replay(body, receive), dressed)

    async def _refuse_origin(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()  # the connect event, as ASGI wants it
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        answer = problem(403, "this request came from another site's page: open ours and try again there")
        await answer(scope, receive, _dress(scope, send))

    def _most(self, path: str, headers: Headers) -> int:
        if "authorization" in headers or "cookie" in headers:
            return self._larger.get(path, self._body_bytes)
        return self._body_bytes

    async def _body(self, receive: Receive, most: int) -> bytes | None:
        """The whole body; None where it is too large, too slow or was broken off."""
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_PATIENCE_S):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return None
                    body += bytes(message.get("body", b""))
                    if len(body) > most:
                        return None
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            return None


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _dress(scope: Scope, send: Send) -> Send:
    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            if scope["path"] == _CAMERA_PAGE:
                for name, value in _CAMERA_HEADERS.items():
                    headers[name] = value
            # Pages and answers hold alarms: no cache keeps them. Static files are asked about each time (ETag).
            headers["Cache-Control"] = "no-cache" if scope["path"].startswith("/static/") else "no-store"
            if scope["scheme"] == "https":
                headers["Strict-Transport-Security"] = "max-age=31536000"
        await send(message)

    return dressed
