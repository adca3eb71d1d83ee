"""``livlina centre add, list, remove, token, probe``: the alarm centres of this installation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet.clock import SystemClock
from fleet.forwarding import centre_setup, troubles
from fleet.forwarding import store as forwarding
from fleet.forwarding.centre_options import OPTIONS, OptionError, protocol_of
from fleet.forwarding.centre_setup import LONGEST_SECRET, NewCentre
from fleet.forwarding.links import Links
from fleet.forwarding.model import Outcome
from fleet.settings import Settings
from fleet.store.pool import Connection, make_pool
from livlina.installation import migrate_database, open_database, open_secret_box
from livlina.registry_connection import console_actor, in_registry

LONGEST_CERTIFICATES = 262_144


def read_centre(
    name: str,
    to: str,
    municipalities: Sequence[int],
    *,
    protocol: str = "dc09",
    options: Sequence[str] = (),
    rank: int = 1,
    unit_type: str | None = None,
    reports_taken: str | None = None,
    secret_file: Path | None = None,
) -> NewCentre:
    """A centre as typed. Raises ValueError with what is wrong and what would be right, OSError for a file."""
    return centre_setup.checked(
        name, to, municipalities, protocol=protocol, options=_options(protocol_of(protocol), options), rank=rank,
        unit_type=unit_type, reports_taken=reports_taken,
        secret=None if secret_file is None else read_secret(secret_file),
    )  # fmt: skip


def add_centre(settings: Settings, new: NewCentre) -> dict[str, Any]:
    """Adds or changes a centre and routes these municipalities to it, in one transaction.

    Raises ValueError for a secret that is missing, LookupError for an unknown municipality.
    """
    box = open_secret_box(settings)
    return in_registry(settings, lambda c: centre_setup.put(c, box, new, actor=console_actor(), at=datetime.now(UTC)))


def list_centres(settings: Settings) -> dict[str, Any]:
    """All centres, without secrets; certificates as their hash; what a person has to put right with them."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        found = await troubles.still_open(connection)
        return [
            {**row, "troubles": [one for one in found if one["centre"] == row["centre"]]}
            for row in await centre_setup.settings_of(connection, datetime.now(UTC))
        ]

    return {"centres": in_registry(settings, work)}


def remove_centre(settings: Settings, name: str) -> dict[str, Any]:
    """Ends a centre. Raises LookupError, ValueError while anything leads to it."""
    in_registry(settings, lambda c: centre_setup.remove(c, name, actor=console_actor(), at=datetime.now(UTC)))
    return {"centre": name, "removed": True}


def new_token(settings: Settings, name: str) -> dict[str, Any]:
    """A new token with which the centre reports *taken*; the one before is refused soon. Raises LookupError, ValueError
    where the centre reports otherwise."""
    box = open_secret_box(settings)
    token = in_registry(
        settings, lambda c: centre_setup.new_token(c, box, name, actor=console_actor(), at=datetime.now(UTC))
    )
    return {"centre": name, "token": token}


def probe_centre(settings: Settings, name: str) -> dict[str, Any]:
    """One probe, as forwarding makes it; it reaches no person. Raises LookupError."""
    box = open_secret_box(settings)

    async def run(url: str) -> Outcome:
        pool = make_pool(url, "forward", size=1, name="command-line")
        links = Links(url, box, SystemClock())
        await pool.open()
        await links.start()
        try:
            async with pool.connection() as connection:
                known = {centre.name: centre for centre in await forwarding.centres(connection)}
            if name not in known:
                raise LookupError(f"there is no centre {name[:64]!a}: `livlina centre list` shows them")
            link = await links.open(known[name])
            try:
                return await link.probe()
            finally:
                await link.close()
        finally:
            await links.stop()
            await pool.close()

    with open_database(settings) as database:
        migrate_database(database)
        outcome = asyncio.run(run(database.app_url))
    return {"centre": name, "answered": outcome.answered, "outcome": outcome.value}


def read_secret(file: Path) -> str:
    """The one line of a file. Raises ValueError, which never says what stands there."""
    with file.open("rb") as opened:
        octets = opened.read(LONGEST_SECRET + 2)
    try:
        text = octets.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text or text != text.strip() or not text.isprintable() or len(octets) > LONGEST_SECRET:
        raise OptionError(f"{file} holds no secret: one line of up to {LONGEST_SECRET} printable characters")
    return text


def _options(protocol: str, given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    kinds = {option.name: option.kind for option in OPTIONS[protocol]}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise OptionError("--option: write NAME=VALUE")
        if name in ("url", "file"):
            raise OptionError(f"--option {name}: it is what --to says")
        if name in found:
            raise OptionError(f"--option {name} stands twice")
        found[name] = _certificates(Path(value)) if kinds.get(name) == "certificates" else value
    return found


def _certificates(file: Path) -> str:
    with file.open("rb") as opened:
        octets = opened.read(LONGEST_CERTIFICATES + 1)
    if len(octets) > LONGEST_CERTIFICATES or not octets.isascii():
        raise OptionError(f"{file} holds no certificates in PEM form")
    return octets.decode()
