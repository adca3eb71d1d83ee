"""SIMs at 1NCE, by its public management API (help.1nce.com: authorization, SIM management, rate limits).

Client id and secret buy a bearer token of an hour at ``/oauth/token`` (Basic, client_credentials). SIMs are listed by
page, at most 100 each, with the number of pages in a header. A SIM is enabled or disabled; a reset is queued and done
later; a data limit is chosen for the whole account, so a limit of one SIM is not offered. At most 10 requests a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

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
    instant_of,
    operator_of,
    parsed,
    raise_for,
    word,
)

PER_PAGE: Final = 100
STATES: Final[dict[str, SimState]] = {"enabled": "active", "disabled": "suspended", "expired": "ended"}
SAID: Final = {"active": "Enabled", "suspended": "Disabled"}
SESSIONS: Final[dict[str, Session]] = {
    "ONLINE": "online", "ATTACHED": "attached", "OFFLINE": "offline", "BLOCKED": "blocked",
}  # fmt: skip
MEGA: Final = 1_000_000


class OneNce:
    """One customer's account. ``secret`` is the client id, a colon and the client secret."""

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        steady: Callable[[], float],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        client, _, password = secret.partition(":")
        if not client or not password:
            raise ProviderError("the secret of a 1NCE account is CLIENT_ID:CLIENT_SECRET")
        self._auth = httpx.BasicAuth(client, password)
        self._caller = Caller(url, steady=steady, transport=transport, log_in=self._log_in)

    async def _log_in(self, client: httpx.AsyncClient) -> tuple[str, float]:
        answer = await client.post("/oauth/token", json={"grant_type": "client_credentials"}, auth=self._auth)
        raise_for(answer, changes=False)
        body = parsed(answer)
        token = word(body, "access_token")
        if not token:
            raise ProviderError("1NCE gave no token: look at the API user", again_s=300)
        lasts = word(body, "expires_in")
        return token, float(lasts) if lasts.isdigit() else 0.0

    async def close(self) -> None:
        """See `Provider`."""
        await self._caller.close()

    async def sims(self) -> list[SimView]:
        """See `Provider`."""
        found: dict[str, SimView] = {}
        for page in range(1, MOST_PAGES):
            answer = await self._caller.get("/v1/sims", page=page, pageSize=PER_PAGE)
            rows = parsed(answer)
            for row in rows:
                view = _view(row)
                found[view.iccid] = view
            pages = answer.headers.get("x-total-pages", "")
            if not rows or (int(pages) <= page if pages.isdigit() else len(rows) < PER_PAGE):
                break
        return list(found.values())

    async def sim(self, iccid: str) -> SimView:
        """See `Provider`. The API's name of a SIM lacks the check digit."""
        view = _view(parsed(await self._caller.get(f"/v1/sims/{iccid[:-1]}")))
        if view.iccid != iccid:
            raise ProviderError("the provider shows another SIM than was asked for")
        return view

    async def session(self, view: SimView) -> SessionView:
        """See `Provider`. ATTACHED may be two days old."""
        body = parsed(await self._caller.get(f"/v1/sims/{view.ref}/status"))
        said = word(body, "status")
        mcc = word(body, "location", "operator", "country", "mcc")
        mnc = word(body, "location", "operator", "mnc")
        return SessionView(
            SESSIONS.get(said, "unknown"), operator_of(mcc, mnc) if mcc and mnc else None,
            instant_of(word(body, "location", "last_updated")), said,
        )  # fmt: skip

    async def set_state(self, view: SimView, state: Literal["active", "suspended"]) -> None:
        """See `Provider`. The lock to a modem is sent along, because what is left out is reset."""
        body = {"iccid": view.ref, "status": SAID[state], "imei_lock": view.imei_lock is not None}
        await self._caller.ask("PUT", f"/v1/sims/{view.ref}", body=body)

    async def reset(self, view: SimView) -> None:
        """See `Provider`: 201 means queued."""
        await self._caller.ask("POST", f"/v1/sims/{view.ref}/reset")

    async def limit(self, view: SimView, octets: int) -> None:
        """Not offered for one SIM."""
        raise NotOffered("1NCE limits data for the whole account: set it in its portal")

    async def networks(self) -> list[Network]:
        """Not offered."""
        raise NotOffered("1NCE's API lists no networks: its coverage page does")

    async def usage(self, view: SimView) -> Usage:
        """See `Provider`: of the SIM's whole life, from its quota."""
        body = parsed(await self._caller.get(f"/v1/sims/{view.ref}/quota/data"))
        try:
            total, left = float(body["total_volume"]), float(body["volume"])
        except (TypeError, ValueError, KeyError) as error:
            raise ProviderError("1NCE's quota is not as documented", again_s=3600) from error
        return Usage(round((total - left) * MEGA), round(total * MEGA))


def _view(row: Any) -> SimView:
    said = word(row, "status")
    locked = isinstance(row, dict) and row.get("imei_lock") is True
    return SimView(
        word(row, "iccid_with_luhn"), word(row, "iccid"), STATES.get(said.casefold(), "unknown"),
        word(row, "imsi") or None, word(row, "msisdn") or None, (word(row, "imei") or None) if locked else None,
        said=said,
    )  # fmt: skip
