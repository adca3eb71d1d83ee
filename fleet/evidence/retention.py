"""How long which evidence is kept, read from a file. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields


class RetentionError(ValueError):
    """The rules cannot be read; the message says which line and what it should be."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Days for each kind; None keeps it for ever. ``chain`` takes away the links themselves, and can only reach as far
    as everything they stand for has gone."""

    audit: int | None = 3650
    case_log: int | None = 3650
    unit_event: int | None = 730
    readings: int | None = 90
    chain: int | None = None


def read_retention(text: str) -> Retention:
    """From TOML: ``[days]`` with numbers, or ``"for ever"``. What is not named keeps its default.

    Raises RetentionError.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RetentionError(f"the retention rules are no TOML: {error}") from None
    days = document.get("days", {})
    names = [item.name for item in fields(Retention)]
    strange = sorted({*document} - {"days"}) or (sorted({*days} - {*names}) if isinstance(days, Mapping) else ["days"])
    if strange:
        raise RetentionError(f"{strange[0][:40]!a} is no rule: write [days] and under it {', '.join(names)}")
    found: dict[str, int | None] = {}
    for name, value in days.items():
        if value == "for ever":
            found[name] = None
        elif isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 36500:
            found[name] = value
        else:
            raise RetentionError(f'days.{name} must be 1 to 36500, or "for ever"')
    return Retention(**found)
