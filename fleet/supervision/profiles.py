"""Reporting-time profiles shipped as named defaults. A municipality chooses one by unit type, or writes its own figures
(table supervision_profiles); nothing in the code depends on a figure here.

The times are those within which a fault of the transmission must be *known*; heartbeats come three times as often.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fleet.supervision.model import Profile

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_NORM: Final = "EN 50136-1, reporting time of the category; the table itself was not read: check before a contract"
_NORM_QUOTED: Final = "EN 50136-1, as quoted by a public load test of the norm"
_SOS: Final = "SOS Access supervision level; agrees with a maker's public table of levels: check against the contract"

DEFAULTS: Final[dict[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile("SP1", 32 * _DAY, None, _NORM),
        Profile("SP2", 25 * _HOUR, None, _NORM),
        Profile("SP3", 30 * _MINUTE, None, _NORM),
        Profile("SP4", 3 * _MINUTE, None, _NORM),
        Profile("SP5", 90, None, _NORM),
        Profile("SP6", 20, None, _NORM_QUOTED, checked=True),
        Profile("DP1", 25 * _HOUR, 50 * _HOUR, _NORM),
        Profile("DP2", 30 * _MINUTE, 25 * _HOUR, _NORM),
        Profile("DP3", 3 * _MINUTE, 25 * _HOUR, _NORM),
        Profile("DP4", 90, 5 * _HOUR, _NORM_QUOTED, checked=True),
        Profile("SOS-25h", 25 * _HOUR, None, _SOS),
        Profile("SOS-5h", 5 * _HOUR, None, _SOS),
        Profile("SOS-180s", 180, None, _SOS),
        Profile("SOS-90s", 90, None, _SOS),
    )
}

BY_TYPE: Final[dict[str, str]] = {
    "social": "DP3",
    "personal": "DP4",
    "tracker": "SP3",
    "camera": "SP3",
    "technical": "SP4",
}
"""What a unit is supervised by until its municipality chooses. A unit whose own interval is longer than the profile
allows is judged by its interval, and counted on the fleet's page as one that reports too seldom."""


def profile_in(row: Mapping[str, Any]) -> Profile:
    """The profile that holds, out of a row of ``unit_type`` and, as ``profile, report_s, spare_s``, what its
    municipality chose for that type; None where it has not chosen."""
    if row["profile"] is None:
        return DEFAULTS[BY_TYPE[row["unit_type"]]]
    return Profile(row["profile"], row["report_s"], row["spare_s"], "the municipality's own")
