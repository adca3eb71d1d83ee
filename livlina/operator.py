"""``livlina operator add``: a log-in with a random password."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fleet.people import store as people
from fleet.registry import store as registry
from fleet.settings import Settings
from fleet.store.pool import Connection, fetch_all
from livlina.people import LOCAL
from livlina.registry_connection import in_registry


def add_operator(settings: Settings, login: str, municipalities: Sequence[int]) -> dict[str, Any]:
    """Adds the log-in or replaces its password; returns both. The password is shown this once and kept hashed.

    Raises ValueError for an unfit name, LookupError for a municipality that is not there.
    """
    if re.fullmatch(r"[a-z0-9._-]{1,64}", login) is None:
        raise ValueError("that is no log-in name: use 1 to 64 lower-case letters a-z, digits, '.', '-' or '_'")
    password = secrets.token_urlsafe(12)

    async def work(connection: Connection) -> None:
        missing = sorted(set(municipalities) - await registry.known_municipalities(connection))
        if missing:
            raise LookupError(f"municipality {missing[0]} is unknown: add it with `livlina municipality add`")
        await registry.add_operator(connection, login, password, sorted(set(municipalities)))
        person = int((await fetch_all(connection, people.SQL["person_of_login"], {"login": login}))[0]["person_id"])
        for municipality in sorted(set(municipalities)):
            await people.grant(connection, LOCAL, person, "operator", people.Place(municipality), datetime.now(UTC))

    in_registry(settings, work)
    return {"login": login, "password": password, "municipalities": sorted(set(municipalities))}
