"""Times of SOS Access: `YYYY-MM-DD HH:MM:SS.mmm` without a zone. The public client writes ISO 8601 with a T instead."""

from __future__ import annotations

from datetime import datetime, tzinfo


def read(text: str, zone: tzinfo) -> datetime | None:
    """The time as an aware one, in ``zone`` where it names none; None for what is no time. Never raises."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=zone)


def write(at: datetime, zone: tzinfo) -> str:
    """An aware time as the 23 characters of the protocol, in ``zone``."""
    if at.tzinfo is None:
        raise ValueError("a time needs its zone before it can be told to a centre")
    local = at.astimezone(zone)
    return local.strftime("%Y-%m-%d %H:%M:%S.") + f"{local.microsecond // 1000:03d}"
