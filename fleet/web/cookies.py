"""The cookies of signing in: their names and how they are set.

Over https their names begin with ``__Host-``: a browser takes such a cookie from this very host only, over https, for
all paths, so no neighbour can plant one. Over http on loopback that prefix does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "livlina_session"
TICKET = "livlina_ticket"
WAY = "livlina_way"

_SECURE_SCHEMES = ("https", "wss")


def cookie_name(name: str, scheme: str) -> str:
    """A cookie's name for requests of this scheme."""
    return f"__Host-{name}" if scheme in _SECURE_SCHEMES else name


def session_token(cookies: Mapping[str, str], scheme: str) -> tuple[str | None, bool]:
    """(token, whether the cookie has the name that this release gives it).

    Over https the release before set the cookie without a prefix. Such a token counts only for a session that the
    release before began (see ``Sessions.find``), so that nobody can plant one of today's.
    """
    found = cookies.get(cookie_name(COOKIE, scheme))
    return (found, True) if found is not None else (cookies.get(COOKIE), False)


def set_cookie(
    request: Request, answer: Response, name: str, value: str, max_age: int | None = None, *, cross_site: bool = False
) -> None:
    """HttpOnly, SameSite=Strict, and Secure unless the request came over loopback http.

    ``cross_site``: SameSite=Lax, for the one cookie that must come back from an identity provider's site.
    """
    answer.set_cookie(
        name, value, max_age=max_age, path="/", httponly=True, samesite="lax" if cross_site else "strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip


def forget_cookie(request: Request, answer: Response, name: str) -> None:
    """Takes a cookie back, by the name that it has for this request."""
    secure = request.url.scheme == "https"
    for known in {name, cookie_name(name, request.url.scheme)}:
        answer.delete_cookie(known, path="/", httponly=True, samesite="strict", secure=secure)
