"""``livlina gateway``: the SMS gateways that may bring units' SMS."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from fleet.ingest import sms_gateways
from fleet.settings import Settings
from fleet.store.pool import Connection
from livlina.installation import open_secret_box
from livlina.registry_connection import in_registry, note

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def add_gateway(
    settings: Settings, name: str, municipality: int, send_url: str | None, send_token: Path | None
) -> dict[str, Any]:
    """Adds a gateway or gives one a new token; the token is returned this once and kept as a hash.

    ``send_token``: a file with what the gateway's own API wants as bearer token. Raises ValueError for an unfit name,
    address or file, LookupError for an unknown municipality.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", name):
        raise ValueError("that is no gateway name: use up to 63 lower-case letters a-z, digits, '.', '-' or '_'")
    if send_url is not None:
        _check_url(send_url)
    secret = _read_token(send_token) if send_token is not None else None
    box = open_secret_box(settings)

    async def work(connection: Connection) -> str:
        await note(connection, "gateway.added", f"gateway:{name}", municipality)
        return await sms_gateways.add_gateway(
            connection, box, name, municipality=municipality, send_url=send_url, send_secret=secret,
            at=datetime.now(UTC),
        )  # fmt: skip

    try:
        token = in_registry(settings, work)
    except psycopg.errors.ForeignKeyViolation:
        raise LookupError(f"municipality {municipality} is unknown: add it with `livlina municipality add`") from None
    return {"gateway": name, "token": token, "path": f"/hooks/sms/{name}", "send_url": send_url}


def remove_gateway(settings: Settings, name: str) -> dict[str, Any]:
    """Removes a gateway; its token is refused within half a minute. Raises LookupError."""

    async def work(connection: Connection) -> bool:
        removed = await sms_gateways.remove_gateway(connection, name)
        if removed:
            await note(connection, "gateway.removed", f"gateway:{name}")
        return removed

    if not in_registry(settings, work):
        raise LookupError(f"there is no gateway {name[:64]!a}: `livlina gateway list` shows them")
    return {"gateway": name, "removed": True}


def list_gateways(settings: Settings) -> dict[str, Any]:
    """All gateways, without secrets."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        return await sms_gateways.list_gateways(connection)

    return {"gateways": in_registry(settings, work)}


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("the send address is no URL: write https://host/path") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or len(url) > 1000:
        raise ValueError("the send address is no URL: write https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the send address must hold no password: give it in a file with --send-token-file")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("the send address must be https: numbers of units would travel in the clear")


def _read_token(file: Path) -> str:
    token = file.read_text(encoding="utf-8").strip()
    if not token or len(token) > 1000 or not token.isascii() or not token.isprintable():
        raise ValueError(f"{file} holds no token: one line of up to 1,000 printable ASCII characters")
    return token
