"""``livlina centre add, list, remove, token, probe``: the alarm centres of this installation."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet.clock import SystemClock
from fleet.forwarding import centre_secrets, troubles
from fleet.forwarding import store as forwarding
from fleet.forwarding.centre_options import (
    OPTIONS,
    SECRET_SET_AT,
    OptionError,
    check_reports,
    check_secret,
    protocol_of,
    read_options,
    url_parts,
)
from fleet.forwarding.links import Links
from fleet.forwarding.model import Outcome
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.settings import Settings
from fleet.store.pool import Connection, make_pool
from livlina.installation import migrate_database, open_database, open_secret_box
from livlina.registry_connection import host_and_port, in_registry, note, plain_name

UNIT_TYPES = ("any", "social", "personal", "tracker", "camera", "technical")
_WITH_TOKEN = ("webhook", "protocol")
LONGEST_SECRET = 1000
LONGEST_CERTIFICATES = 262_144


@dataclass(frozen=True, slots=True)
class NewCentre:
    """A centre as typed. ``options`` are checked and typed; ``secret`` None leaves the one that is kept."""

    name: str
    protocol: str
    host: str
    port: int
    to: str
    municipalities: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    rank: int = 1
    unit_type: str | None = None
    reports_taken: str | None = None
    secret: str | None = field(default=None, repr=False)

    @classmethod
    def read(
        cls,
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
        """Raises ValueError (OptionError among them) with what is wrong and what would be right, OSError for a file."""
        known = protocol_of(protocol)
        if rank not in (1, 2):
            raise OptionError("--rank: 1 is the primary centre, 2 the one that stands in for it")
        if unit_type is not None and unit_type not in UNIT_TYPES:
            raise OptionError(f"--unit-type: choose one of {', '.join(UNIT_TYPES)}")
        check_reports(known, reports_taken)
        host, port, place = _address(known, to)
        given = {**_options(known, options), **place}
        secret = None if secret_file is None else read_secret(secret_file)
        if secret is not None:
            check_secret(known, read_options(known, given), secret)
        return cls(
            plain_name(name), known, host, port, to, tuple(municipalities), read_options(known, given), rank, unit_type,
            reports_taken, secret,
        )  # fmt: skip


def add_centre(settings: Settings, new: NewCentre) -> dict[str, Any]:
    """Adds or changes a centre and routes these municipalities to it, in one transaction.

    Raises ValueError for a secret that is missing, LookupError for an unknown municipality.
    """
    box = open_secret_box(settings)
    at = datetime.now(UTC)

    async def work(connection: Connection) -> dict[str, Any]:
        missing = sorted(set(new.municipalities) - await registry.known_municipalities(connection))
        if missing:
            raise LookupError(f"municipality {missing[0]} is unknown: add it with `livlina municipality add`")
        before = await registry.centre_by_name(connection, new.name)
        centre = await _put(connection, box, new, before, at)
        for municipality in sorted(set(new.municipalities)):
            await _route(connection, municipality, new, centre, at)
        await note(
            connection, "centre.changed" if before else "centre.added", f"centre:{centre}",
            municipalities=sorted(set(new.municipalities)), rank=new.rank,
        )  # fmt: skip
        reports = new.reports_taken or (before["reports_taken"] if before else "console")
        check_reports(new.protocol, reports)
        shown = {
            "centre": centre, "name": new.name, "protocol": new.protocol, "to": new.to,
            "municipalities": list(new.municipalities), "rank": new.rank, "unit_type": new.unit_type or "any",
            "reports_taken": reports,
        }  # fmt: skip
        if reports in _WITH_TOKEN and (before is None or before["reports_taken"] != reports):
            shown["token"] = await _new_token(connection, box, centre, reports, at)
        return shown

    return in_registry(settings, work)


async def _put(
    connection: Connection, box: SecretBox, new: NewCentre, before: Mapping[str, Any] | None, at: datetime
) -> int:
    options = dict(new.options)
    kept_at = None
    if before is not None and before["protocol"] == new.protocol:
        kept_at = before["options"].get(SECRET_SET_AT)
    if new.secret is not None:
        options[SECRET_SET_AT] = at.isoformat()
    elif kept_at is not None:
        options[SECRET_SET_AT] = kept_at
        if new.protocol == "scaip" and options.get("username") is None:
            raise OptionError("scaip: a password is kept, and needs its user: --option username=NAME")
    else:
        check_secret(new.protocol, options, None)
    centre = await registry.add_centre(
        connection, name=new.name, protocol=new.protocol, host=new.host, port=new.port, options=options,
        reports_taken=new.reports_taken,
    )  # fmt: skip
    if new.secret is not None:
        await centre_secrets.put(connection, box, centre, "secret", new.secret.encode(), at)
    elif kept_at is None:
        await centre_secrets.drop(connection, centre, "secret", "next")
    return centre


async def _route(connection: Connection, municipality: int, new: NewCentre, centre: int, at: datetime) -> None:
    if new.unit_type is not None:
        await registry.route_type_to(connection, municipality, new.unit_type, centre, new.rank, at)
        return
    await registry.route_to(connection, municipality, centre, new.rank)
    # A dated route for any type goes before this one: what was typed now would have no effect.
    if (await registry.routed_types(connection, municipality, new.rank, at)).get("any", centre) != centre:
        await registry.route_type_to(connection, municipality, "any", centre, new.rank, at)


def list_centres(settings: Settings) -> dict[str, Any]:
    """All centres, without secrets; certificates as their hash; what a person has to put right with them."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        found = await troubles.still_open(connection)
        return [
            {**_shown(row), "troubles": [one for one in found if one["centre"] == row["name"]]}
            for row in await registry.list_centres(connection, datetime.now(UTC))
        ]

    return {"centres": in_registry(settings, work)}


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    options = dict(row["options"])
    set_at = options.pop(SECRET_SET_AT, None)
    if "ca" in options:
        options["ca"] = "sha256 of PEM " + hashlib.sha256(options["ca"].encode()).hexdigest()[:16]
    return {
        "centre": row["name"], "protocol": row["protocol"], "host": row["host"], "port": row["port"],
        "state": row["state"], "since": None if row["since"] is None else row["since"].isoformat(),
        "owed": row["owed"], "routes": row["routes"], "reports_taken": row["reports_taken"], "options": options,
        "secret": "secret" in row["secrets"], "secret_set_at": set_at, "token": "taken" in row["secrets"],
    }  # fmt: skip


def remove_centre(settings: Settings, name: str) -> dict[str, Any]:
    """Ends a centre. Raises LookupError, ValueError while anything leads to it."""

    async def work(connection: Connection) -> None:
        row = await registry.centre_by_name(connection, name)
        await registry.remove_centre(connection, name, datetime.now(UTC))
        if row is not None:
            await note(connection, "centre.removed", f"centre:{row['centre_id']}")

    in_registry(settings, work)
    return {"centre": name, "removed": True}


def new_token(settings: Settings, name: str) -> dict[str, Any]:
    """A new token with which the centre reports *taken*; the one before is refused soon. Raises LookupError, ValueError
    where the centre reports otherwise."""
    box = open_secret_box(settings)

    async def work(connection: Connection) -> str:
        row = await registry.centre_by_name(connection, name)
        if row is None:
            raise LookupError(f"there is no centre {name[:64]!a}: `livlina centre list` shows them")
        if row["reports_taken"] not in _WITH_TOKEN:
            raise ValueError(f"{name} reports taken by {row['reports_taken']}: a token is for webhook and protocol")
        await note(connection, "centre.token_made", f"centre:{row['centre_id']}")
        return await _new_token(connection, box, row["centre_id"], row["reports_taken"], datetime.now(UTC))

    return {"centre": name, "token": in_registry(settings, work)}


async def _new_token(connection: Connection, box: SecretBox, centre: int, reports: str, at: datetime) -> str:
    """A webhook shows the token, so its hash is enough; by protocol it is the password of a digest."""
    token = secrets.token_urlsafe(32)
    kept = token.encode() if reports == "protocol" else hashlib.sha256(token.encode()).digest()
    await centre_secrets.put(connection, box, centre, "taken", kept, at)
    return token


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


def _address(protocol: str, to: str) -> tuple[str, int, dict[str, str]]:
    if protocol == "webhook":
        host, port = url_parts(to)
        return host, port, {"url": to}
    if protocol == "jsonl":
        file = Path(to).absolute()
        if not file.name or file.name.startswith(".") or not file.parent.is_dir():
            raise OptionError("--to: write the file's name in a folder that exists, for example /var/lib/alarms.jsonl")
        return "", 0, {"file": str(file)}
    host, port = host_and_port(to)
    return host, port, {}


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
