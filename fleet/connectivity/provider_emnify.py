"""SIMs at emnify, by its public REST API (docs.emnify.com: authentication, SIM, endpoint, rate limits).

An application token buys an auth token (a JWT of four hours). SIMs are listed by page with their number in
``X-Total-Count``; a SIM has a number of its own and belongs to an endpoint, and connectivity, quota and blacklist are
the endpoint's. States: 0 issued, 1 activated, 2 suspended, 3 deleted, 4 factory test.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import httpx

from fleet.connectivity.provider import (
    MOST_PAGES,
    Caller,
    Network,
    ProviderError,
    Session,
    SessionView,
    SimState,
    SimView,
    Usage,
    instant_of,
    operator_of,
    parsed,
    raise_for,
    word,
)

PER_PAGE: Final = 100
TOKEN_S: Final = 4 * 3600.0
STATES: Final[dict[str, SimState]] = {"0": "stock", "1": "active", "2": "suspended", "3": "ended", "4": "test"}
NUMBERS: Final = {"active": 1, "suspended": 2}
SESSIONS: Final[dict[str, Session]] = {
    "ONLINE": "online", "ATTACHED": "attached", "OFFLINE": "offline", "BLOCKED": "blocked",
}  # fmt: skip
_ACTIVE_QUOTA, _BLOCK = 1, 1
QUOTA_LASTS: Final = timedelta(days=31)
MEGA: Final = 1_000_000


class Emnify:
    """One organisation. ``secret`` is its application token. ``now`` is the server's time, for a quota's end."""

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        steady: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._secret = secret
        self._now = now
        self._caller = Caller(url, steady=steady, transport=transport, log_in=self._log_in)

    async def _log_in(self, client: httpx.AsyncClient) -> tuple[str, float]:
        answer = await client.post("/api/v1/authenticate", json={"application_token": self._secret})
        raise_for(answer, changes=False)
        token = word(parsed(answer), "auth_token")
        if not token:
            raise ProviderError("emnify gave no token: make a new application token", again_s=300)
        return token, TOKEN_S

    async def close(self) -> None:
        """See `Provider`."""
        await self._caller.close()

    async def sims(self) -> list[SimView]:
        """See `Provider`."""
        found: dict[str, SimView] = {}
        for page in range(1, MOST_PAGES):
            answer = await self._caller.get("/api/v1/sim", page=page, per_page=PER_PAGE)
            rows = parsed(answer)
            for row in rows:
                view = _view(row)
                found[view.iccid] = view
            if len(rows) < PER_PAGE:
                break
        return list(found.values())

    async def sim(self, iccid: str) -> SimView:
        """See `Provider`. The API's ``iccid`` lacks the check digit."""
        rows = parsed(await self._caller.get("/api/v1/sim", page=1, per_page=2, q=f"iccid:{iccid[:-1]}"))
        for row in rows:
            view = _view(row)
            if view.iccid == iccid:
                return view
        raise ProviderError("the provider does not know this SIM: is it in another account?")

    async def session(self, view: SimView) -> SessionView:
        """See `Provider`."""
        body = parsed(await self._caller.get(f"/api/v1/endpoint/{_endpoint(view)}/connectivity"))
        said = word(body, "status", "description")
        mcc = word(body, "location", "country", "mcc")
        mnc = word(body, "location", "operator", "mnc")
        return SessionView(
            SESSIONS.get(said, "unknown"), operator_of(mcc, mnc) if mcc and mnc else None,
            instant_of(word(body, "location", "last_updated")), said,
        )  # fmt: skip

    async def set_state(self, view: SimView, state: Literal["active", "suspended"]) -> None:
        """See `Provider`."""
        number, _, _ = view.ref.partition("/")
        await self._caller.ask("PATCH", f"/api/v1/sim/{number}", body={"status": {"id": NUMBERS[state]}})

    async def reset(self, view: SimView) -> None:
        """See `Provider`: location and PDP context are deleted."""
        body = {"location": None, "pdp_context": None}
        await self._caller.ask("PATCH", f"/api/v1/endpoint/{_endpoint(view)}/connectivity", body=body)

    async def limit(self, view: SimView, octets: int) -> None:
        """See `Provider`: a data quota of the endpoint, which blocks when it is used up."""
        body = {
            "volume": max(1, octets // MEGA), "expiry_date": (self._now() + QUOTA_LASTS).isoformat(),
            "status": {"id": _ACTIVE_QUOTA}, "action_on_exhaustion": {"id": _BLOCK},
        }  # fmt: skip
        await self._caller.ask("POST", f"/api/v1/endpoint/{_endpoint(view)}/quota/data", body=body)

    async def networks(self) -> list[Network]:
        """See `Provider`."""
        rows = parsed(await self._caller.get("/api/v1/operator"))
        return [_network(row) for row in rows]

    async def usage(self, view: SimView) -> Usage:
        """See `Provider`: of this month."""
        number, _, _ = view.ref.partition("/")
        body = parsed(await self._caller.get(f"/api/v1/sim/{number}/stats"))
        volume = word(body, "current_month", "data", "volume")
        return Usage(round(_float(volume, body) * MEGA))


def _float(text: str, body: Any) -> float:
    try:
        return float(text or body["current_month"]["data"]["volume"])
    except (TypeError, ValueError, KeyError):
        return 0.0


def _view(row: Any) -> SimView:
    state = word(row, "status", "id")
    ref = f"{word(row, 'id')}/{word(row, 'endpoint', 'id')}"
    return SimView(
        word(row, "iccid_with_luhn"), ref, STATES.get(state, "unknown"), word(row, "imsi") or None,
        word(row, "msisdn") or None, said=word(row, "status", "description"),
    )  # fmt: skip


def _endpoint(view: SimView) -> str:
    endpoint = view.ref.partition("/")[2]
    if not endpoint:
        raise ProviderError("the SIM belongs to no endpoint at emnify: assign it to one there")
    return endpoint


def _network(row: Any) -> Network:
    mcc = word(row, "country", "mcc")
    codes = [word(one, "mnc") for one in row.get("mnc", [])] if isinstance(row.get("mnc"), list) else []
    found = [operator_of(mcc, code) for code in codes if code]
    return Network(word(row, "name"), tuple(one for one in found if one is not None), word(row, "country", "name"))
