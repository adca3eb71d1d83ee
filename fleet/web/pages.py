"""What every page and API handler shares: the session behind a cookie, the templates, and plain answers to trouble."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fleet.people.decide import PERMISSIONS, may
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Pool
from fleet.web import life_words, people_words, setup_words, texts, vocabulary
from fleet.web.cookies import session_token, set_cookie
from fleet.web.decide import is_loopback, safe_next
from fleet.web.follower import LOST_DATABASE, LogFollower
from fleet.web.model import Session, Timings
from fleet.web.oidc_client import Providers
from fleet.web.passwords import Passwords
from fleet.web.plan_work import PlanWork
from fleet.web.problem import problem
from fleet.web.receipts import Receipts
from fleet.web.sessions import Sessions, actor_of_session
from fleet.web.stream import Stream
from fleet.web.texts import LANGUAGE_COOKIE, LANGUAGES, Words, language_of, translations

LOOKS_AGAIN = "x-livlina-look"
"""A page that looks again by itself (`static/fresh.js`) says so: nobody stays signed in by leaving it open."""
_ANSWER_PATIENCE_S = 8.0


class NotLoggedIn(RuntimeError):
    """The request carries no session that is still good."""


class NotAllowed(RuntimeError):
    """The one who asks holds no role that allows this; the argument is the permission that is missing."""


class StepUpNeeded(RuntimeError):
    """This needs a person who has shown who they are within the last minutes."""


class Away(RuntimeError):
    """The database did not answer in time; whether anything was changed is not known."""


@dataclass(frozen=True, slots=True)
class Web:
    """The parts of one running web side; ``app.state.web``. ``url`` is the application's database, for work that is
    done apart from the pools (`apart`)."""

    pool: Pool
    url: str
    timings: Timings
    sessions: Sessions
    passwords: Passwords
    login_pool: Pool
    providers: Providers
    box: SecretBox | None
    follower: LogFollower
    receipts: Receipts
    stream: Stream
    templates: Mapping[str, Environment]
    zone: ZoneInfo
    plan_work: PlanWork

    @staticmethod
    def of(request: Request) -> Web:
        """The parts that serve this request."""
        found = request.app.state.web
        assert isinstance(found, Web)
        return found


@cache
def make_templates(language: str) -> Environment:
    """Jinja2 over fleet/web/templates in one language: escaping always on, an unknown name is an error.

    One a process, with what it has compiled; nothing in it belongs to one application.
    """
    folder = resources.files("fleet.web").joinpath("templates")
    environment = Environment(
        loader=FileSystemLoader(str(folder)),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        tables=texts,
        vocabulary=vocabulary,
        people_words=people_words,
        life_words=life_words,
        setup_words=setup_words,
        languages=LANGUAGES,
    )
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    return environment


@asynccontextmanager
async def answering(patience: float = _ANSWER_PATIENCE_S) -> AsyncIterator[None]:
    """Turns a database that is away, or slower than ``patience`` seconds, into Away."""
    try:
        async with asyncio.timeout(patience):
            yield
    except LOST_DATABASE as error:
        raise Away from error


async def session_of(request: Request) -> Session:
    """Whose cookie it is; kept in ``request.state.session``. Raises NotLoggedIn, Away."""
    token, own = session_token(request.cookies, request.url.scheme)
    async with answering():
        used = request.headers.get(LOOKS_AGAIN) is None
        session = await Web.of(request).sessions.find(token, own_cookie=own, used=used)
    if session is None:
        raise NotLoggedIn
    request.state.session = session
    return session


def page(
    request: Request, template: str, *, status: int = 200, session: Session | None = None, **values: object
) -> Response:
    """Renders a template in the reader's language; remembers a language chosen with ``?lang=``.

    ``can`` in a template holds every permission that the reader has somewhere: it decides what is offered, while the
    routes decide what is allowed.
    """
    web = Web.of(request)
    session = session or getattr(request.state, "session", None)
    can = frozenset[str]()
    if session is not None:
        whole = actor_of_session(session)
        can = frozenset(permission for permission in PERMISSIONS if may(whole, permission))
    words = Words(language_of(request), web.zone)
    html = (
        web.templates[words.language]
        .get_template(template)
        .render(
            words=words,
            session=session,
            can=can,
            here=request.url.path,
            request=request,
            in_language=partial(in_language, request),
            **values,
        )
    )
    answer = HTMLResponse(html, status_code=status, headers={"Vary": "Accept-Language, Cookie, HX-Request"})
    if request.query_params.get("lang") in LANGUAGES:
        set_cookie(request, answer, LANGUAGE_COOKIE, words.language, max_age=365 * 24 * 3600)
    return answer


def in_language(request: Request, code: str) -> str:
    """The query of this very page in another language: what stood in it stays, a one-time link for example."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    return urlencode([*kept, ("lang", code)])


def times_as_text(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the database with its days and times in ISO 8601, as templates and JSON take them."""
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}


def json_for_page(value: object) -> str:
    """JSON that can stand inside a script element of type application/json, whatever the strings hold."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def may_keep_cookies(request: Request) -> bool:
    """False over plain http from another machine: the log-in cookie would be readable on the way."""
    return request.url.scheme == "https" or is_loopback(request.headers.get("host", ""))


def wants_json(request: Request) -> bool:
    """Whether a program asks, rather than a person with a browser."""
    return request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", "")


async def on_not_logged_in(request: Request, _error: Exception) -> Response:
    """401 for a program; the log-in page for a person."""
    if wants_json(request):
        return problem(401, "you are not logged in, or your log-in has ended: log in at /login or /api/login")
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(here)}", status_code=303)


async def on_not_allowed(request: Request, error: Exception) -> Response:
    """403: no fault of the server's; what is missing, and who can give it."""
    if wants_json(request):
        return problem(403, f"your roles do not include {error}: ask your administrator", permission=str(error))
    return page(request, "error.html", status=403, problem="not_allowed")


async def on_step_up(request: Request, _error: Exception) -> Response:
    """403 for a program; for a person the page where they show once more who they are."""
    if wants_json(request):
        detail = "show once more who you are at /step-up, then try again within 5 minutes"
        return problem(403, detail, type="urn:livlina:step-up")
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method != "GET":  # a form cannot be sent again by a redirect: back to the page that it stood on
        came_from = urlsplit(request.headers.get("referer", ""))
        here = safe_next(came_from.path, "/account")
    return RedirectResponse(f"/step-up?next={quote(here)}", status_code=303)


async def on_away(request: Request, _error: Exception) -> Response:
    """503: the server's fault, and what to look at before trying again."""
    detail = "the database does not answer: look whether your change was made, then try again"
    if wants_json(request):
        return problem(503, detail, headers={"Retry-After": "2"})
    answer = page(request, "error.html", status=503, problem="away")
    answer.headers["Retry-After"] = "2"
    return answer
