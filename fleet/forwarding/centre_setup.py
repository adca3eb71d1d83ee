"""Where alarms are sent to, and with what secret: a centre is added, changed, ended, and given a token.

For the command line, the API and the page alike. Functions work in the caller's transaction, under the registry's
duty; a secret goes in and never comes out. What is done is recorded in the same transaction.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from fleet.evidence.audit import record
from fleet.forwarding import centre_secrets
from fleet.forwarding.centre_options import (
    SECRET_SET_AT,
    OptionError,
    check_reports,
    check_secret,
    protocol_of,
    read_options,
    url_parts,
)
from fleet.people.model import INSTALLATION
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection

UNIT_TYPES: Final = ("any", "social", "personal", "tracker", "camera", "technical")
LONGEST_NAME: Final = 100
LONGEST_SECRET: Final = 1000
_WITH_TOKEN: Final = ("webhook", "protocol")


@dataclass(frozen=True, slots=True)
class NewCentre:
    """A centre that is sound by itself. ``options`` are typed; ``secret`` None leaves the one that is kept."""

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


def checked(
    name: str,
    to: str,
    municipalities: Sequence[int],
    *,
    protocol: str = "dc09",
    options: Mapping[str, object] | None = None,
    rank: int = 1,
    unit_type: str | None = None,
    reports_taken: str | None = None,
    secret: str | None = None,
) -> NewCentre:
    """Raises ValueError (OptionError among them) with what is wrong and what would be right, and never the secret."""
    known = protocol_of(protocol)
    if rank not in (1, 2):
        raise OptionError("--rank: 1 is the primary centre, 2 the one that stands in for it")
    if unit_type is not None and unit_type not in UNIT_TYPES:
        raise OptionError(f"--unit-type: choose one of {', '.join(UNIT_TYPES)}")
    check_reports(known, reports_taken)
    host, port, place = _address(known, to)
    given = {**(options or {}), **place}
    if secret is not None:
        check_secret(known, read_options(known, given), plain_secret(secret))
    return NewCentre(
        plain_name(name), known, host, port, to, tuple(municipalities), read_options(known, given), rank, unit_type,
        reports_taken, secret,
    )  # fmt: skip


async def put(connection: Connection, box: SecretBox, new: NewCentre, *, actor: str, at: datetime) -> dict[str, Any]:
    """Adds or changes a centre and routes these municipalities to it; what it is then, with a new token where it now
    reports *taken* by one.

    Raises ValueError for a secret that is missing, LookupError for an unknown municipality.
    """
    missing = sorted(set(new.municipalities) - await registry.known_municipalities(connection))
    if missing:
        raise LookupError(f"municipality {missing[0]} is unknown: add it with `livlina municipality add`")
    before = await registry.centre_by_name(connection, new.name)
    centre = await _put(connection, box, new, before, at)
    for municipality in sorted(set(new.municipalities)):
        await _route(connection, municipality, new, centre, at)
    detail = {"municipalities": sorted(set(new.municipalities)), "rank": new.rank}
    await _note(connection, "centre.changed" if before else "centre.added", centre, actor, at, **detail)
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


async def remove(connection: Connection, name: str, *, actor: str, at: datetime) -> None:
    """Ends a centre. Raises LookupError, ValueError while anything leads to it."""
    row = await registry.centre_by_name(connection, name)
    await registry.remove_centre(connection, name, at)
    if row is not None:
        await _note(connection, "centre.removed", row["centre_id"], actor, at)


async def new_token(connection: Connection, box: SecretBox, name: str, *, actor: str, at: datetime) -> str:
    """A new token with which the centre reports *taken*; the one before is refused soon. Raises LookupError, ValueError
    where the centre reports otherwise."""
    row = await registry.centre_by_name(connection, name)
    if row is None:
        raise LookupError(f"there is no centre {name[:64]!a}: `livlina centre list` shows them")
    if row["reports_taken"] not in _WITH_TOKEN:
        raise ValueError(f"{name} reports taken by {row['reports_taken']}: a token is for webhook and protocol")
    await _note(connection, "centre.token_made", row["centre_id"], actor, at)
    return await _new_token(connection, box, row["centre_id"], row["reports_taken"], at)


async def _new_token(connection: Connection, box: SecretBox, centre: int, reports: str, at: datetime) -> str:
    """A webhook shows the token, so its hash is enough; by protocol it is the password of a digest."""
    token = secrets.token_urlsafe(32)
    kept = token.encode() if reports == "protocol" else hashlib.sha256(token.encode()).digest()
    await centre_secrets.put(connection, box, centre, "taken", kept, at)
    return token


async def _note(connection: Connection, action: str, centre: int, actor: str, at: datetime, **detail: object) -> None:
    await record(
        connection, actor=actor, action=action, municipality_id=INSTALLATION, subject=f"centre:{centre}",
        detail=detail, at=at,
    )  # fmt: skip


async def settings_of(connection: Connection, at: datetime) -> list[dict[str, Any]]:
    """All centres as they are set up, by name: without secrets, certificates as their hash."""
    return [_shown(row) for row in await registry.list_centres(connection, at)]


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    options = dict(row["options"])
    set_at = options.pop(SECRET_SET_AT, None)
    if "ca" in options:
        options["ca"] = "sha256 of PEM " + hashlib.sha256(options["ca"].encode()).hexdigest()[:16]
    return {
        "id": row["centre_id"], "centre": row["name"], "protocol": row["protocol"],
        "host": row["host"], "port": row["port"],
        "state": row["state"], "since": None if row["since"] is None else row["since"].isoformat(),
        "owed": row["owed"], "routes": row["routes"], "reports_taken": row["reports_taken"], "options": options,
        "secret": "secret" in row["secrets"], "secret_set_at": set_at, "token": "taken" in row["secrets"],
    }  # fmt: skip


def plain_secret(text: str) -> str:
    """A secret as it can be typed. Raises ValueError, which never says it."""
    if not text or text != text.strip() or not text.isprintable() or len(text.encode()) > LONGEST_SECRET:
        raise OptionError(f"that is no secret: one line of up to {LONGEST_SECRET} printable characters")
    return text


def host_and_port(text: str, least: int = 1) -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPv6]:PORT``, the port at least ``least``. Raises ValueError with what is wrong."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})", text)
    if found is None or not least <= int(found[3]) <= 65535:
        raise ValueError(f"{_quoted(text)} is no address: write HOST:PORT, for example 192.0.2.10:5683")
    if found[1] is not None:
        try:
            ipaddress.IPv6Address(found[1])
        except ValueError:
            raise ValueError(f"{_quoted(text)} is no IPv6 address with a port: write [2001:db8::1]:5683") from None
    return found[1] or found[2], int(found[3])


def plain_name(text: str) -> str:
    """A name that people read in one line. Raises ValueError for one that is empty, longer or not printable."""
    if not text.strip() or text != text.strip() or not text.isprintable() or len(text) > LONGEST_NAME:
        raise ValueError(
            f"{_quoted(text)} is no name: write 1 to {LONGEST_NAME} printable characters, without blanks at the ends"
        )
    return text


def _quoted(text: str) -> str:
    return ascii(text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "...")


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
