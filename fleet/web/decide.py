"""Pure decisions of the web side: where a request came from, when a log-in may be tried, where to go afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

FREE_ATTEMPTS = 5
LONGEST_DELAY_S = 30
FORGOTTEN_AFTER_S = 15 * 60

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


def login_delay(failures: int) -> int:
    """Seconds that must pass after the last of so many failures in a row: 0 up to five, then 1, 2, 4 .. 30.

    The delay counts for one guesser: all strangers to a name together, or one browser that its owner has logged in with
    before. So strangers who never stop guessing do not keep an operator from his console.
    """
    if failures < FREE_ATTEMPTS:
        return 0
    return min(1 << min(failures - FREE_ATTEMPTS, 16), LONGEST_DELAY_S)


def count_attempt(failures: int, since_s: float) -> tuple[int, float]:
    """(failures to store, seconds still to wait) for an attempt now, the last one being ``since_s`` ago.

    An attempt is counted as a failure before the password is looked at, so that many at once cannot slip through;
    the right password sets the count back. Where there is time to wait, nothing is counted.
    """
    if since_s >= FORGOTTEN_AFTER_S or since_s < -LONGEST_DELAY_S:  # the clock was set back since
        return 1, 0.0
    wait = login_delay(failures) - since_s
    if wait > 0:
        return failures, wait
    return failures + 1, 0.0


def is_same_origin(headers: Mapping[str, str], scheme: str) -> bool:
    """Whether a request that changes something, or opens a stream, comes from our own pages.

    ``headers`` has lower-case names. Browsers name the origin of every such request; a request that names none comes
    from a program, which holds no cookie of somebody else's. What both headers say must hold.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    scheme = _web_scheme(scheme)
    their_scheme, found, their_host = origin.partition("://")
    if not found or their_scheme != scheme:
        return False
    ours = _host_and_port(f"//{headers.get('host', '')}", scheme)
    return ours is not None and ours == _host_and_port(f"//{their_host}", scheme)


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine, so that plain http leaves it nowhere."""
    found = _host_and_port(f"//{host}", "http")
    return found is not None and found[0] in _LOOPBACK


def safe_next(path: str | None, default: str = "/operators") -> str:
    """A path of our own to go to after log-in. Anything that could lead elsewhere becomes ``default``."""
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path:
        return default
    if any(ord(character) < 0x21 or ord(character) == 0x7F for character in path):
        return default
    parts = urlsplit(path)
    return default if parts.scheme or parts.netloc else path


def page_position(text: str | None) -> int | None:
    """A case number or log position out of a query string, or None where it is none (more digits than bigint has)."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return int(text)


def scope_of(municipalities: Iterable[int]) -> str:
    """A short name of a set of municipalities. A cursor of one set says nothing about the open cases of another."""
    return hashlib.sha256(",".join(str(number) for number in sorted(set(municipalities))).encode()).hexdigest()[:16]


def _web_scheme(scheme: str) -> str:
    return {"ws": "http", "wss": "https"}.get(scheme, scheme)


def _host_and_port(netloc: str, scheme: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(netloc)
        if not parts.hostname:
            return None
        return parts.hostname, parts.port or _DEFAULT_PORTS.get(scheme, 0)
    except ValueError:
        return None
