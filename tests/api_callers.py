"""Every role as a signed-in person who has just shown who they are: the most that the role can do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from fleet.people.model import ROLES
from fleet.people.store import secret_hash
from tests.api_town import CANARIES, FOREIGN, OWN, ApiTown

INSTALLATION = "installation's administrator"
CALLERS = (*ROLES, "foreign administrator", INSTALLATION, "nobody")


def sign_in(town: ApiTown) -> dict[str, dict[str, str]]:
    """Cookies by caller. A person a role, in the own municipality; an administrator of the foreign one, and one of the
    installation; nobody."""
    found: dict[str, dict[str, str]] = {"nobody": {}}
    for place, role in [*((OWN, role) for role in ROLES), (FOREIGN, "administrator"), (0, "administrator")]:
        login = f"{role}.{place}"
        [(person,)] = town.sql(
            "INSERT INTO users (municipality_id, login) VALUES (%s, %s) RETURNING user_id", place, login
        )
        town.sql(
            "INSERT INTO person_roles (user_id, municipality_id, role, granted_by) "
            "VALUES (%s, %s, %s, 'console:local')",
            person, place, role,
        )  # fmt: skip
        token = secrets.token_urlsafe(32)
        town.sql(
            "INSERT INTO web_sessions (token_hash, user_id, municipality_id, stepped_up_at) VALUES (%s, %s, %s, now())",
            secret_hash(token), person, place,
        )  # fmt: skip
        caller = {OWN: role, FOREIGN: "foreign administrator"}.get(place, INSTALLATION)
        found[caller] = {"livlina_session": token}
    town.sql("CREATE TABLE kept_roles AS SELECT * FROM person_roles")
    return found


def restore(town: ApiTown) -> None:
    """What callers may take from each other is given back, so that what follows still means something."""
    town.sql(
        "UPDATE web_sessions SET used_at = now(), stepped_up_at = now();"
        "UPDATE users SET closed_at = NULL WHERE closed_at IS NOT NULL;"
        "INSERT INTO person_roles (user_id, municipality_id, alarm_centre_id, role, granted_at, granted_by) "
        "SELECT user_id, municipality_id, alarm_centre_id, role, granted_at, granted_by FROM kept_roles "
        "ON CONFLICT DO NOTHING;"
        "UPDATE api_tokens SET revoked_at = NULL WHERE revoked_at IS NOT NULL"
    )


def canaries_in(text: str, caller: str) -> list[str]:
    """Which canaries somebody's answer holds. The foreign administrator's own are no canaries to him, nor to whoever
    administers the installation."""
    own = caller in ("foreign administrator", INSTALLATION)
    return [
        f"{what}: {canary}"
        for what, canary in CANARIES.items()
        if canary in text
        and not (own and what.startswith("a foreign") and "person" not in what and "address" not in what)
    ]


@contextmanager
def calling(town: ApiTown, cookies: dict[str, str]) -> Iterator[httpx.Client]:
    """A client with these cookies."""
    with httpx.Client(base_url=f"{town.base}/api/v1", cookies=cookies, timeout=60) as client:
        yield client
