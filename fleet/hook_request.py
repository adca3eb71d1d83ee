"""What every hook of the fleet reads of a request and answers to a bad one: bearer token, bounded body, refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

BODY_S = 10.0
"""Within this a body has come, or it is not waited for."""


def bearer(request: Request) -> str:
    """The bearer token of a request; empty where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def body_of(request: Request, most: int) -> bytes | None:
    """The whole body; None where it has more than ``most`` octets or takes too long."""
    found = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                found += chunk
                if len(found) > most:
                    return None
    except TimeoutError:
        return None
    return found


def refusal(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A problem document (RFC 9457) that says what is wrong."""
    document: dict[str, Any] = {"status": status, "detail": detail}
    return JSONResponse(document, status_code=status, headers=headers, media_type="application/problem+json")
