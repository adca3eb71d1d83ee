"""What a SIM's provider says now: its state, its connection, what it has used, and the operators that it may use.

As forwarding's duty, which alone reads providers' secrets. Nothing is changed, at the provider or here, and nothing of
it is proof: a provider may show a SIM as attached for two days after it went away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from fleet.connectivity.accounts import Opening, open_account
from fleet.connectivity.decide import checked_iccid
from fleet.connectivity.provider import NotOffered, Provider
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.connectivity", "actions.sql")


async def look(connection: Connection, box: Opening, iccid: str, *, steady: Callable[[], float]) -> dict[str, Any]:
    """State, session and usage of one card; what the provider does not offer is None.

    Raises SimError for a wrong number, LookupError for a card that is in no account, ProviderError.
    """
    number = checked_iccid(iccid)
    rows = await fetch_all(connection, SQL["account_of"], {"iccid": number})
    if not rows or rows[0]["provider_id"] is None:
        raise LookupError(f"SIM {number} is in no account: `livlina sim put` says in which, `--account`")

    async def asked(provider: Provider) -> dict[str, Any]:
        view = await provider.sim(number)
        return {
            "iccid": number, "sim": asdict(view), "session": asdict(await provider.session(view)),
            "usage": await _offered(provider.usage(view)),
        }  # fmt: skip

    return await _with(connection, box, rows[0]["provider_id"], steady, asked)


async def networks(
    connection: Connection, box: Opening, account: int, *, steady: Callable[[], float]
) -> dict[str, Any]:
    """The operators that SIMs of an account may use; None where the provider does not offer a list."""

    async def asked(provider: Provider) -> dict[str, Any]:
        try:
            return {"account": account, "networks": [asdict(one) for one in await provider.networks()]}
        except NotOffered:
            return {"account": account, "networks": None}

    return await _with(connection, box, account, steady, asked)


async def _with(
    connection: Connection, box: Opening, account: int, steady: Callable[[], float],
    asked: Callable[[Provider], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:  # fmt: skip
    provider = await open_account(connection, box, account, steady=steady)
    try:
        return await asked(provider)
    finally:
        await provider.close()


async def _offered(call: Awaitable[Any]) -> dict[str, Any] | None:
    try:
        return asdict(await call)
    except NotOffered:
        return None
