"""SIMs at any provider with a plain REST API, described by configuration: paths, fields and its words for states.

What the configuration does not name is not offered. `options` holds no secret: the header's value comes from the key
box, so a description may be shown and copied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args
from urllib.parse import quote

import httpx

from fleet.connectivity.provider import (
    MOST_PAGES,
    Caller,
    Network,
    NotOffered,
    ProviderError,
    Session,
    SessionView,
    SimState,
    SimView,
    Usage,
    parsed,
    word,
)

CALLS: Final = frozenset({"sims", "sim", "session", "activate", "suspend", "reset", "limit", "networks", "usage"})
NAMES: Final = frozenset({"header", "prefix", "calls", "fields", "states", "sessions", "page", "per_page", "rows"})
PER_PAGE: Final = 100


class OptionsError(ValueError):
    """The description is wrong; the message says where."""


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The description as it is kept. Raises OptionsError.

    ``header`` and ``prefix``: where the secret goes. ``calls``: name -> "METHOD /path" with ``{iccid}``, ``{ref}`` and
    ``{octets}``, or [that, body]. ``fields``: ours -> dotted path in a SIM. ``states``, ``sessions``: theirs -> ours.
    ``page``, ``per_page``: names of the query; ``rows``: where the list is.
    """
    unknown = set(options) - NAMES
    if unknown:
        raise OptionsError(f"{sorted(unknown)[0]!a} is no option: {', '.join(sorted(NAMES))}")
    calls = options.get("calls")
    if not isinstance(calls, Mapping) or not {"sims", "sim"} <= set(calls):
        raise OptionsError("calls must name sims and sim at least")
    for name, call in calls.items():
        line = call[0] if isinstance(call, list) and len(call) == 2 else call
        if name not in CALLS or not isinstance(line, str) or len(line.split()) != 2:
            raise OptionsError(f'call {str(name)[:20]!a} is not as "GET /path" of {", ".join(sorted(CALLS))}')
    fields = options.get("fields", {})
    if not isinstance(fields, Mapping) or not {"iccid", "state"} <= set(fields):
        raise OptionsError("fields must name iccid and state at least")
    for table, known in (("states", get_args(SimState)), ("sessions", get_args(Session))):
        wrong = [one for one in options.get(table, {}).values() if one not in known]
        if wrong:
            raise OptionsError(f"{table}: {wrong[0]!a} is none of {', '.join(known)}")
    return dict(options)


class Rest:
    """One account. ``secret`` is what stands in the header."""

    def __init__(
        self,
        url: str,
        secret: str,
        options: Mapping[str, Any],
        *,
        steady: Callable[[], float],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._options = checked_options(options)
        header = {str(options.get("header", "Authorization")): str(options.get("prefix", "Bearer ")) + secret}
        self._caller = Caller(url, steady=steady, transport=transport, header=header)

    async def close(self) -> None:
        """See `Provider`."""
        await self._caller.close()

    async def sims(self) -> list[SimView]:
        """See `Provider`; one page where no ``page`` is named."""
        page_name, size_name = self._options.get("page"), self._options.get("per_page")
        found: dict[str, SimView] = {}
        for page in range(1, MOST_PAGES):
            query: dict[str, str | int] = {page_name: page} if page_name else {}
            query |= {size_name: PER_PAGE} if size_name else {}
            rows = _at(parsed(await self._call("sims", query=query)), self._options.get("rows", ""))
            if not isinstance(rows, list):
                raise ProviderError("the provider's list is not where `rows` says")
            before = len(found)
            found |= {view.iccid: view for view in map(self._view, rows)}
            if not page_name or len(found) == before or (size_name and len(rows) < PER_PAGE):
                break
        return list(found.values())

    async def sim(self, iccid: str) -> SimView:
        """See `Provider`."""
        return self._view(parsed(await self._call("sim", iccid=iccid, ref=iccid)))

    async def session(self, view: SimView) -> SessionView:
        """See `Provider`."""
        body = parsed(await self._call("session", iccid=view.iccid, ref=view.ref))
        said = word(body, *self._field("session"))
        operator = word(body, *self._field("operator"))
        number = int(operator) if operator.isdigit() and len(operator) in (5, 6) else None
        return SessionView(self._options.get("sessions", {}).get(said, "unknown"), number, None, said)

    async def set_state(self, view: SimView, state: Literal["active", "suspended"]) -> None:
        """See `Provider`."""
        await self._call("activate" if state == "active" else "suspend", iccid=view.iccid, ref=view.ref)

    async def reset(self, view: SimView) -> None:
        """See `Provider`."""
        await self._call("reset", iccid=view.iccid, ref=view.ref)

    async def limit(self, view: SimView, octets: int) -> None:
        """See `Provider`."""
        await self._call("limit", iccid=view.iccid, ref=view.ref, octets=octets)

    async def networks(self) -> list[Network]:
        """See `Provider`: names only."""
        rows = parsed(await self._call("networks"))
        return [Network(word(row, "name"), ()) for row in rows if word(row, "name")]

    async def usage(self, view: SimView) -> Usage:
        """See `Provider`."""
        octets = word(parsed(await self._call("usage", iccid=view.iccid, ref=view.ref)), *self._field("octets"))
        if not octets.isdigit():
            raise ProviderError("the provider's usage is not where `fields` says")
        return Usage(int(octets))

    async def _call(
        self, name: str, query: Mapping[str, str | int] | None = None, **place: str | int
    ) -> httpx.Response:
        call = self._options["calls"].get(name)
        if call is None:
            raise NotOffered(f"this provider's description has no call {name}")
        line, body = call if isinstance(call, list) else (call, None)
        method, path = line.split()
        for key, value in place.items():
            path = path.replace("{" + key + "}", quote(str(value), safe=""))
        return await self._caller.ask(method, path, body=_filled(body, place), query=query)

    def _field(self, name: str) -> list[str]:
        return str(self._options["fields"].get(name, name)).split(".")

    def _view(self, row: Any) -> SimView:
        said = word(row, *self._field("state"))
        iccid = word(row, *self._field("iccid"))
        return SimView(
            iccid, word(row, *self._field("ref")) or iccid, self._options.get("states", {}).get(said, "unknown"),
            word(row, *self._field("imsi")) or None, word(row, *self._field("msisdn")) or None,
            word(row, *self._field("imei_lock")) or None, word(row, *self._field("plan")) or None, said,
        )  # fmt: skip


def _filled(body: Any, place: Mapping[str, str | int]) -> Any:
    """The body with ``{iccid}`` and so on put in; a text that is nothing but one of them becomes its value."""
    if isinstance(body, Mapping):
        return {key: _filled(value, place) for key, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, place) for value in body]
    if isinstance(body, str) and body.startswith("{") and body.endswith("}"):
        return place.get(body[1:-1], body)
    return body


def _at(document: Any, path: str) -> Any:
    for key in filter(None, path.split(".")):
        document = document.get(key) if isinstance(document, Mapping) else None
    return document
