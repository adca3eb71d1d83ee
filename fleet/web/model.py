"""What a log-in is and how long things last on the web side, as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. The token itself is known to the browser only; we keep its SHA-256."""

    token_hash: bytes
    user: int
    login: str
    municipalities: tuple[int, ...]
    """Whose alarms this session's console shows."""
    ends_at: datetime
    number: int = 0
    name: str = ""
    method: str = "password"
    stepped_up_at: datetime | None = None
    held: tuple[tuple[int, frozenset[str]], ...] = ()
    """Municipality and the roles held there at this moment."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Every duration and bound of the web side, in seconds unless the name says otherwise."""

    beat: float = 2.0
    """Between two beats of the stream."""
    poll: float = 1.0
    """The log is read at least this often, should a notification be lost."""
    fresh: float = 2.5
    """A beat is sent only if the log was read within this time: no database, no beat."""
    around: float = 1.0
    """Between two looks at what stands around the open cases (people told, next steps); only differences are sent."""
    receipts: float = 2.0
    """Between two writes of what the consoles have painted, and two checks of their log-ins."""
    idle: float = 15 * 60
    """A log-in that is neither used nor manned for this long ends."""
    absolute: float = 12 * 3600
    """No log-in lasts longer than this."""
    read: float = 5.0
    """A read of the log that takes longer is given up and tried again."""
    send: float = 10.0
    """A console that takes no frame for this long is cut."""
    queue_frames: int = 500
    """Frames that may wait for one console before it is cut; it resumes from its cursor."""
    resume_positions: int = 1000
    """A console further behind than this gets a snapshot instead of the changes."""
    body_bytes: int = 16 * 1024
    """The largest request body."""


# What the operators' queue may be closed with.
OUTCOMES = ("helped", "false_alarm", "test", "no_contact", "other")

# Why the server ends a stream (WebSocket close codes 4000..4999 are the application's own).
NOT_LOGGED_IN, CURSOR_INVALID, TOO_SLOW, BAD_REQUEST, TRY_AGAIN = 4401, 4409, 4408, 4400, 4503
