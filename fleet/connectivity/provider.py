"""What every SIM provider offers the fleet, in the fleet's own words, and how calls to one behave.

A provider's view is late (some show a SIM as attached for two days after it went away), so it never proves a path and
never clears a silence; it explains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

import httpx

SimState = Literal["unknown", "stock", "test", "active", "suspended", "ended"]
Session = Literal["online", "attached", "offline", "blocked", "unknown"]
Action = Literal["activate", "suspend", "reset", "limit"]

ANSWER_S: Final = 10.0
LONGEST_ANSWER: Final = 4_000_000
TOKEN_MARGIN_S: Final = 60.0
"""A token is renewed so long before it ends."""
MOST_PAGES: Final = 100_000


@dataclass(frozen=True, slots=True)
class SimView:
    """A SIM as its provider shows it. ``ref`` is the provider's own name of it."""

    iccid: str
    ref: str
    state: SimState
    imsi: str | None = None
    msisdn: str | None = None
    imei_lock: str | None = None
    plan: str | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class SessionView:
    """Where a provider believes a SIM is. ``at`` is when the provider learnt it, None where it does not say."""

    session: Session
    operator: int | None = None
    at: datetime | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """An operator that SIMs of this provider may use."""

    name: str
    operators: tuple[int, ...]
    country: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Octets since the beginning of the provider's period, and its limit where there is one."""

    octets: int
    limit_octets: int | None = None


class ProviderError(RuntimeError):
    """A call that came to nothing; the message says what to do and holds no secret.

    ``again_s``: it may succeed after so many seconds; None: not by itself. ``sent``: the provider may have carried it
    out although no answer came.
    """

    def __init__(self, message: str, *, again_s: float | None = None, sent: bool = False) -> None:
        super().__init__(message)
        self.again_s = again_s
        self.sent = sent


class NotOffered(ProviderError):
    """The provider has no such thing."""


class Provider(Protocol):
    """One account at one provider. Every call raises ProviderError. None changes our own database."""

    async def sims(self) -> list[SimView]:
        """All SIMs of the account, page by page."""

    async def sim(self, iccid: str) -> SimView:
        """One SIM. Raises ProviderError for one that the account does not have."""

    async def session(self, view: SimView) -> SessionView:
        """What the provider believes of its connection."""

    async def set_state(self, view: SimView, state: Literal["active", "suspended"]) -> None:
        """Asks for a state. The provider takes it and changes it later: look with `sim`."""

    async def reset(self, view: SimView) -> None:
        """Makes the network forget the SIM, so that the unit attaches anew. It cuts what is going on."""

    async def limit(self, view: SimView, octets: int) -> None:
        """How much data the SIM may use until the provider's period ends."""

    async def networks(self) -> list[Network]:
        """The operators that SIMs of this provider may use."""

    async def usage(self, view: SimView) -> Usage:
        """What the SIM has used."""

    async def close(self) -> None:
        """Lets connections go."""


class Caller:
    """Requests to one provider: a token that is renewed before it ends and after a 401, and what refusals mean.

    It repeats a request only after a 401, once, with a new token: the provider has then done nothing. A 429 and a
    provider that does not answer are the caller's to try again. ``steady`` gives seconds that never run backwards.
    """

    def __init__(
        self,
        url: str,
        *,
        steady: Callable[[], float],
        transport: httpx.AsyncBaseTransport | None = None,
        log_in: Callable[[httpx.AsyncClient], Any] | None = None,
        header: Mapping[str, str] | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url=url, timeout=ANSWER_S, follow_redirects=False, transport=transport, headers=dict(header or {})
        )
        self._steady = steady
        self._log_in = log_in
        self._token: str | None = None
        self._until = 0.0

    async def close(self) -> None:
        """Lets connections go; the token is forgotten."""
        self._token = None
        await self._client.aclose()

    async def get(self, path: str, **query: str | int) -> httpx.Response:
        """A reading."""
        return await self.ask("GET", path, query=query)

    async def ask(
        self, method: str, path: str, *, body: object = None, query: Mapping[str, str | int] | None = None
    ) -> httpx.Response:
        """The answer, which is a 2xx. Raises ProviderError."""
        answer = await self._send(method, path, body, query)
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._log_in is not None:
            self._token = None
            answer = await self._send(method, path, body, query)
        raise_for(answer, changes=method != "GET")
        return answer

    async def _send(
        self, method: str, path: str, body: object, query: Mapping[str, str | int] | None
    ) -> httpx.Response:
        headers = {}
        if self._log_in is not None:
            headers["Authorization"] = f"Bearer {await self._fresh_token()}"
        try:
            return await self._client.request(method, path, json=body, params=dict(query or {}), headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ProviderError(f"the provider cannot be reached: {type(error).__name__}", again_s=30) from error
        except httpx.HTTPError as error:
            raise ProviderError(
                f"the provider did not answer: {type(error).__name__}", again_s=30, sent=method != "GET"
            ) from error

    async def _fresh_token(self) -> str:
        if self._token is None or self._steady() >= self._until:
            assert self._log_in is not None
            try:
                token, lasts_s = await self._log_in(self._client)
            except httpx.HTTPError as error:
                raise ProviderError(f"the provider cannot be reached: {type(error).__name__}", again_s=30) from error
            self._token = token
            # A token that lasts less than the margin is used once and renewed.
            self._until = self._steady() + max(float(lasts_s) - TOKEN_MARGIN_S, 0.0)
        assert self._token is not None
        return self._token


def raise_for(answer: httpx.Response, *, changes: bool) -> None:
    """Raises ProviderError for what is no 2xx, NotOffered for a 501. ``changes``: the request was to do something."""
    code = answer.status_code
    if 200 <= code < 300:
        return
    if code == httpx.codes.TOO_MANY_REQUESTS:
        raise ProviderError("the provider asks for fewer requests (429)", again_s=retry_after(answer))
    if code in (401, 403):
        raise ProviderError(f"the provider refuses our account ({code}): look at its secret and its rights")
    if code == httpx.codes.NOT_FOUND:
        raise ProviderError("the provider does not know this SIM (404): is it in another account?")
    if code == httpx.codes.CONFLICT:
        raise ProviderError("the provider says that the SIM is in another state (409)", again_s=60)
    if code == httpx.codes.NOT_IMPLEMENTED:
        raise NotOffered("the provider does not offer this (501)")
    if code >= 500:
        raise ProviderError(f"the provider has failed ({code})", again_s=60, sent=changes)
    raise ProviderError(f"the provider refuses the request ({code})")


def retry_after(answer: httpx.Response, default: float = 30.0, most: float = 3600.0) -> float:
    """Seconds from Retry-After or x-rate-limit-reset, within reason."""
    for name in ("retry-after", "x-rate-limit-reset"):
        text = answer.headers.get(name, "")
        if text.isascii() and text.isdigit():
            return min(max(float(text), 1.0), most)
    return default


def parsed(answer: httpx.Response) -> Any:
    """The JSON of an answer. Raises ProviderError for what is none, or is too long."""
    if len(answer.content) > LONGEST_ANSWER:
        raise ProviderError("the provider's answer is too long")
    try:
        return answer.json()
    except ValueError as error:
        raise ProviderError("the provider's answer is no JSON", again_s=60) from error


def word(document: object, *keys: str) -> str:
    """The text or number under these keys, or nothing: a provider's document is never trusted to be whole."""
    found = document
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def operator_of(mcc: str, mnc: str) -> int | None:
    """MCC and MNC as the fleet's number, None where they are none."""
    digits = f"{mcc}{mnc.zfill(2)}"
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) in (5, 6) else None


def instant_of(text: str) -> datetime | None:
    """ISO 8601, in UTC where it names no zone; None where it is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
