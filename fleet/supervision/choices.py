"""Which reporting times a municipality chooses for a type of unit: a named profile, or its own figures with a source.

In the caller's transaction, as the registry's duty; supervision reads it again within half a minute.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from fleet.evidence.audit import record
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.supervision.model import Profile
from fleet.supervision.profiles import BY_TYPE, DEFAULTS, profile_in

SQL = read_statements("fleet.supervision", "choices.sql")
LEAST_S: Final = 5
MOST_S: Final = 10_000_000
LONGEST: Final = 300


class ProfileError(ValueError):
    """That is no profile; the message says what to write."""


def profile_of(name: str, report_s: int | None = None, spare_s: int | None = None, source: str = "") -> Profile:
    """A named profile; or, with ``report_s``, one of this name with its own figures and where they come from."""
    if report_s is None:
        if spare_s is not None or source:
            raise ProfileError("figures of your own begin with the seconds within which a fault is known")
        found = DEFAULTS.get(name)
        if found is None:
            raise ProfileError(
                f"{name[:40]!a} is no profile: {', '.join(DEFAULTS)}, or give its seconds and their source"
            )
        return found
    if name in DEFAULTS:
        raise ProfileError(f"{name} is a profile with figures of its own: give yours another name")
    if not all(LEAST_S <= one <= MOST_S for one in (report_s, spare_s) if one is not None):
        raise ProfileError(f"a time is {LEAST_S} to {MOST_S} seconds")
    for text, what in ((name, "a name"), (source, "a source: a contract, a norm, a person")):
        if not text.strip() or not text.isprintable() or len(text) > LONGEST:
            raise ProfileError(f"figures of your own have {what}")
    return Profile(name, report_s, spare_s, source)


async def choose(
    connection: Connection, municipality: int, unit_type: str, profile: Profile, *, actor: str, at: datetime
) -> None:
    """Keeps and records it. Raises ProfileError for no type of unit, LookupError for no municipality."""
    if unit_type not in BY_TYPE:
        raise ProfileError(f"{unit_type[:40]!a} is no type of unit: {', '.join(BY_TYPE)}")
    values = {
        "municipality": municipality, "unit_type": unit_type, "name": profile.name, "report_s": profile.report_s,
        "spare_s": profile.spare_s, "source": profile.source, "actor": actor, "at": at,
    }  # fmt: skip
    if not await fetch_all(connection, SQL["choose"], values):
        raise LookupError(f"there is no municipality {municipality}")
    await record(
        connection, actor=actor, action="supervision.profile_chosen", municipality_id=municipality,
        subject=f"municipality:{municipality}",
        detail={"type": unit_type, "report_s": profile.report_s, "spare_s": profile.spare_s}, at=at,
    )  # fmt: skip


async def choices(connection: Connection, municipality: int | None = None) -> dict[str, Any]:
    """What was chosen, what holds until somebody chooses, and the profiles that there are, each with its source."""
    chosen = await fetch_all(connection, SQL["choices"], {"municipality": municipality})
    return {"chosen": chosen, "until_then": dict(BY_TYPE), "profiles": [asdict(one) for one in DEFAULTS.values()]}


async def chosen_profiles(connection: Connection) -> list[tuple[int, str, Profile]]:
    """(municipality, type of unit, the profile that it chose), where one has: a few rows a municipality."""
    rows = await fetch_all(connection, SQL["chosen"], {})
    return [(row["municipality_id"], row["unit_type"], profile_in(row)) for row in rows]
