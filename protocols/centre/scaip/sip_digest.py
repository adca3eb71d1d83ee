"""Digest authentication (RFC 7616 and 8760, with RFC 2617 and 2069 for older peers): MD5 and SHA-256, qop `auth`.

The client's half counts how often a nonce was used and answers a challenge once; a second challenge to a fresh nonce
means that the password is wrong. The server's half keeps nothing: a nonce carries its own time under a keyed hash, so
it expires by itself and any worker that has the key can check it. It cannot see a nonce used twice; a repeated MESSAGE
is harmless, because a repeated alarm is recognized by its reference. The digest covers neither body nor To, so who can
change packets can change an alarm: use TLS where that matters. MD5 is there because units in the field know no other.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from protocols.centre.scaip.sip_message import SipRequest, parameters, split_list

NONCE_LIFE_S = 300.0
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}
_STRENGTH = ("MD5", "SHA-256")
_NAMED = re.compile(r"[Dd]igest[ \t]+(.*)", re.S)
_NONCE = re.compile(r"([0-9a-f]{12})([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password. The password shows in no representation of it."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a 401 or 407 asks: the best algorithm that both ends know."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    opaque: str | None = None
    qop: bool = True
    stale: bool = False
    named: bool = True


def read_challenge(values: list[str]) -> Challenge | None:
    """The strongest challenge that we can answer, out of WWW-Authenticate or Proxy-Authenticate; None if none is."""
    found: list[Challenge] = []
    for value in values:
        fields = _fields(value)
        if fields is None or not fields.get("nonce"):
            continue
        algorithm = (fields.get("algorithm") or "MD5").upper()
        offered = fields.get("qop")
        if algorithm not in _HASHES or (offered and "auth" not in split_list(offered.lower())):
            continue
        found.append(
            Challenge(
                realm=fields.get("realm") or "",
                nonce=fields["nonce"],
                algorithm=algorithm,
                opaque=fields.get("opaque"),
                qop=bool(offered),
                stale=(fields.get("stale") or "").lower() == "true",
                named="algorithm" in fields,
            )
        )
    return max(found, key=lambda one: _STRENGTH.index(one.algorithm), default=None)


def answer(
    challenge: Challenge, credentials: Credentials, method: str, uri: str, *, count: int, client_nonce: str
) -> str:
    """The value of Authorization or Proxy-Authorization. `count` is how often this nonce has been used, from 1."""
    name = challenge.algorithm
    secret = ha1(name, credentials.username, challenge.realm, credentials.password)
    counted = f"{count:08x}"
    response = _response(name, secret, challenge.nonce, method, uri, (counted, client_nonce) if challenge.qop else None)
    parts = [
        f"username={_quoted(credentials.username)}",
        f"realm={_quoted(challenge.realm)}",
        f"nonce={_quoted(challenge.nonce)}",
        f"uri={_quoted(uri)}",
        f'response="{response}"',
    ]
    if challenge.named:
        parts.append(f"algorithm={name}")
    if challenge.opaque is not None:
        parts.append(f"opaque={_quoted(challenge.opaque)}")
    if challenge.qop:
        parts += ["qop=auth", f"nc={counted}", f"cnonce={_quoted(client_nonce)}"]
    return "Digest " + ", ".join(parts)


def ha1(algorithm: str, username: str, realm: str, password: str) -> str:
    """The hash of user, realm and password (RFC 7616 3.4.2), hex."""
    return _hash(algorithm, f"{username}:{realm}:{password}")


class Verdict(StrEnum):
    """What the server found: GOOD lets in; MISSING, STALE and WRONG are answered with a challenge."""

    GOOD = "GOOD"
    MISSING = "MISSING"
    STALE = "STALE"
    WRONG = "WRONG"


class Guard:
    """The server's half. `key` (32 random octets) makes nonces; `password` gives a user's password or None."""

    def __init__(
        self,
        realm: str,
        key: bytes,
        password: Callable[[str], str | None],
        *,
        life_s: float = NONCE_LIFE_S,
        algorithms: tuple[str, ...] = ("MD5", "SHA-256"),
    ) -> None:
        if len(key) < 16:
            raise ValueError("a key for nonces has at least 16 octets")
        self._realm = realm
        self._key = key
        self._password = password
        self._life_s = life_s
        self._algorithms = algorithms

    def challenges(self, now: float, *, stale: bool = False) -> Iterator[str]:
        """Values of WWW-Authenticate, one for each algorithm. `now` is seconds on the server's clock.

        RFC 8760 wants the strongest first. By default MD5 stands first all the same: a unit that looks at the first
        one only and knows nothing else could not send its alarm (SIPp 3.6 ends there).
        """
        nonce = self._nonce(int(now * 1000))
        for algorithm in self._algorithms:
            tail = ", stale=true" if stale else ""
            yield f'Digest realm={_quoted(self._realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{tail}'

    def judge(self, request: SipRequest, now: float) -> tuple[Verdict, str | None]:
        """The verdict on a request, and whose password it showed. Compares in constant time, known user or not.

        The digest's own uri is what is hashed: a proxy may have changed the request's, and then both may be right.
        """
        for value in request.headers.all("authorization"):
            fields = _fields(value)
            if fields is None or fields.get("realm") != self._realm:
                continue
            return self._judge(fields, request.method, now)
        return Verdict.MISSING, None

    def _judge(self, fields: dict[str, str], method: str, now: float) -> tuple[Verdict, str | None]:
        algorithm = (fields.get("algorithm") or "MD5").upper()
        nonce, uri, response = fields.get("nonce", ""), fields.get("uri", ""), fields.get("response", "").lower()
        username, count, client_nonce = fields.get("username", ""), fields.get("nc", ""), fields.get("cnonce", "")
        if algorithm not in self._algorithms or (fields.get("qop") or "").lower() != "auth" or not client_nonce:
            return Verdict.WRONG, None
        if not re.fullmatch(r"[0-9a-fA-F]{8}", count) or int(count, 16) == 0:
            return Verdict.WRONG, None
        found = _NONCE.fullmatch(nonce)
        if found is None or not hmac.compare_digest(self._nonce(int(found[1], 16)), nonce):
            return Verdict.WRONG, None
        password = self._password(username)
        secret = ha1(algorithm, username, self._realm, "" if password is None else password)
        wanted = _response(algorithm, secret, nonce, method, uri, (count, client_nonce))
        same = hmac.compare_digest(wanted.encode(), response.encode("utf-8", "surrogateescape"))
        if not same or password is None:
            return Verdict.WRONG, None
        age = now - int(found[1], 16) / 1000
        return (Verdict.GOOD, username) if -1.0 <= age <= self._life_s else (Verdict.STALE, None)

    def _nonce(self, milliseconds: int) -> str:
        stamp = f"{milliseconds % (1 << 48):012x}"
        return stamp + hmac.new(self._key, f"{stamp}:{self._realm}".encode(), "sha256").hexdigest()[:32]


def _fields(value: str) -> dict[str, str] | None:
    """The parameters of a Digest value; None for another scheme or a parameter that stands there twice."""
    named = _NAMED.fullmatch(value.strip())
    if named is None:
        return None
    found: dict[str, str] = {}
    for part in split_list(named[1]):
        for name, text in parameters(part):
            if name in found:
                return None
            found[name] = text or ""
    return found


def _hash(algorithm: str, text: str) -> str:
    octets = text.encode("utf-8", "surrogateescape")
    return hashlib.new(_HASHES[algorithm], octets, usedforsecurity=False).hexdigest()


def _response(algorithm: str, secret: str, nonce: str, method: str, uri: str, counted: tuple[str, str] | None) -> str:
    asked = _hash(algorithm, f"{method}:{uri}")
    if counted is None:
        return _hash(algorithm, f"{secret}:{nonce}:{asked}")
    return _hash(algorithm, f"{secret}:{nonce}:{counted[0]}:{counted[1]}:auth:{asked}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
