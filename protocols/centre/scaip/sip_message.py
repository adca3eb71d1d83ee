"""SIP messages (RFC 3261): octets to a request or a response and back. One message at a time, no transport.

The reader takes what the grammar's tolerant parts allow: header names in any case and in compact form, folded lines,
space around colons. It refuses what would make two readers see two messages: bare LF or NUL in the head, a header
without a colon, different values for a header that may stand once, a length that lies. Bounds on every part keep a
refusal short.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_HEAD = 16_384
"""Octets of start line and headers."""
MAX_BODY = 65_536
MAX_HEADERS = 128
MAX_VALUE = 4096
MAX_PARAMETERS = 64
VERSION = "SIP/2.0"
COOKIE = "z9hG4bK"
"""With it a branch is unique to its transaction (RFC 3261 17.2.3)."""

_COMPACT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition",
    "e": "content-encoding", "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported",
    "l": "content-length", "m": "contact", "n": "identity-info", "o": "event", "r": "refer-to", "s": "subject",
    "t": "to", "u": "allow-events", "v": "via", "x": "session-expires", "y": "identity",
}  # fmt: skip
_ONCE = frozenset({"call-id", "content-length", "content-type", "cseq", "from", "max-forwards", "to"})
_WORD = r"[A-Za-z0-9\-.!%*_+`'~]+"
_REQUEST_LINE = re.compile(rf"({_WORD}) ([^\s\x00-\x1f]{{1,1024}}) SIP/2\.0")
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]{0,512}))?")
_HEADER = re.compile(rf"({_WORD})[ \t]*:(.*)", re.S)
_CSEQ = re.compile(rf"([0-9]{{1,10}})[ \t]+({_WORD})")
_VIA = re.compile(
    rf"SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*({_WORD})[ \t]+"
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?:[ \t]*:[ \t]*([0-9]{1,5}))?[ \t]*(;.*)?"
)
_URI = re.compile(
    r"(sips?):(?:([^@\s<>\"]{1,256})@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?([;?][^\s<>\"]*)?",
    re.I,
)
_MEMBERS = {
    separator: re.compile(rf"""(?:"(?:[^"\\]|\\.)*"?|<[^>]*>?|[^{separator}"<])+""", re.S) for separator in ",;"
}
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")


class SipError(ValueError):
    """No SIP message that can be taken. `head` holds what could be read of a request, so that 400 can be said to it."""

    def __init__(self, message: str, head: SipRequest | None = None) -> None:
        super().__init__(message)
        self.head = head


class Headers:
    """Header fields in order. Names are compared without case; a compact name is its long one."""

    __slots__ = ("_by_name", "fields")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self.fields = tuple(fields)
        self._by_name: dict[str, list[str]] = {}
        for name, value in self.fields:
            self._by_name.setdefault(long_name(name), []).append(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.fields == other.fields

    def __repr__(self) -> str:
        return f"Headers({self.fields!r})"

    def __hash__(self) -> int:
        return hash(self.fields)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.fields)

    def all(self, name: str) -> list[str]:
        """Every value of a header, one for each line."""
        return list(self._by_name.get(long_name(name), ()))

    def get(self, name: str) -> str | None:
        """The first value, or None."""
        found = self._by_name.get(long_name(name))
        return found[0] if found else None

    def listed(self, name: str) -> list[str]:
        """Every member of a header whose lines are comma-separated lists."""
        return [part for value in self.all(name) for part in split_list(value)]


@dataclass(frozen=True, slots=True)
class SipRequest:
    """A request. `headers` are as they stood, without folds."""

    method: str
    uri: str
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class SipResponse:
    """A response. 1xx is provisional, everything else final."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Via:
    """The topmost Via: where a response goes. `parameters` have lower-case names; None is a name without a value."""

    transport: str
    host: str
    port: int | None
    parameters: tuple[tuple[str, str | None], ...]

    def get(self, name: str) -> str | None:
        """A parameter's value, "" for one without, None for an absent one."""
        for found, value in self.parameters:
            if found == name:
                return "" if value is None else value
        return None

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        tail = "".join(f";{name}" if value is None else f";{name}={value}" for name, value in self.parameters)
        return f"SIP/2.0/{self.transport} {self.host}{port}{tail}"


@dataclass(frozen=True, slots=True)
class Uri:
    """A sip or sips URI. `user` is unescaped, without a password; None where there is no user part."""

    scheme: str
    user: str | None
    host: str
    port: int | None
    tail: str = ""


def long_name(name: str) -> str:
    """A header's name in lower case, a compact one spelt out."""
    lower = name.lower()
    return _COMPACT.get(lower, lower)


def split_list(value: str, separator: str = ",") -> list[str]:
    """The members of a list, split where neither a quoted string nor angle brackets enclose the separator."""
    members = (member.strip() for member in _MEMBERS[separator].findall(value))
    return [member for member in members if member]


def parse(octets: bytes, *, datagram: bool = True) -> SipRequest | SipResponse:
    """Read one message. Raises SipError, with `head` if a request's own headers were readable.

    In a datagram the body ends with Content-Length or, without one, with the datagram; what is beyond the length is
    cut off (RFC 3261 18.3). On a stream `octets` must be exactly one message, as `sip_stream` cuts it.
    """
    octets = octets.lstrip(b"\r\n")
    end = octets.find(b"\r\n\r\n")
    if end < 0 or end > MAX_HEAD:
        raise SipError("the head does not end" if end < 0 else "the head is too long")
    headers, start = parse_head(octets[:end])
    body = octets[end + 4 :]
    status = _STATUS_LINE.fullmatch(start)
    if status is not None:
        _check(headers, None)
        return SipResponse(int(status[1]), status[2] or "", headers, _body(headers, body, None, datagram))
    line = _REQUEST_LINE.fullmatch(start)
    if line is None:
        raise SipError("the first line is neither a request's nor a response's")
    head = SipRequest(line[1], line[2], headers)
    _check(headers, head)
    return SipRequest(line[1], line[2], headers, _body(headers, body, head, datagram))


def parse_head(octets: bytes) -> tuple[Headers, str]:
    """Headers and start line of a head without its empty line. Raises SipError."""
    if b"\0" in octets or octets.count(b"\n") != octets.count(b"\r\n") or octets.count(b"\r") != octets.count(b"\r\n"):
        raise SipError("the head holds NUL, a bare CR or a bare LF")
    lines: list[str] = []
    for line in octets.decode("utf-8", "surrogateescape").split("\r\n"):
        if line[:1] in {" ", "\t"}:
            if len(lines) < 2:
                raise SipError("the first line is folded")
            lines[-1] = f"{lines[-1].rstrip()} {line.strip()}"
        else:
            lines.append(line)
    if len(lines) - 1 > MAX_HEADERS:
        raise SipError(f"more than {MAX_HEADERS} headers")
    found = []
    for line in lines[1:]:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise SipError("a header without a name or a colon")
        if len(header[2]) > MAX_VALUE:
            raise SipError(f"a header of more than {MAX_VALUE} characters")
        found.append((header[1], header[2].strip()))
    return Headers(found), lines[0]


def _check(headers: Headers, head: SipRequest | None) -> None:
    """What RFC 3261 8.1.1 asks of every message, but Max-Forwards, which old units leave out."""
    for name in _ONCE:
        if len(set(headers.all(name))) > 1:
            raise SipError(f"{name} stands there twice, differently", head)
    for name in ("via", "from", "to", "call-id", "cseq"):
        if not headers.get(name):
            raise SipError(f"{name} is missing", head)
    try:
        number, method = cseq(headers)
    except SipError as error:
        raise SipError(str(error), head) from None
    if number >= 1 << 31:
        raise SipError("the sequence number is too large", head)
    if head is not None and method != head.method:
        raise SipError("CSeq and request line name different methods", head)
    if top_via(headers) is None:
        raise SipError("the topmost Via cannot be read", head)


def _body(headers: Headers, body: bytes, head: SipRequest | None, datagram: bool) -> bytes:
    length = content_length(headers)
    if length is None:
        if headers.get("content-length") is not None:
            raise SipError("Content-Length is no number", head)
        if not datagram and body:
            raise SipError("a stream needs Content-Length", head)
        length = len(body)
    if length > MAX_BODY:
        raise SipError("the body is too long", head)
    if length > len(body):
        raise SipError("the body is shorter than Content-Length", head)
    return body[:length]


def content_length(headers: Headers) -> int | None:
    """Content-Length, or None where it is absent or no plain decimal number."""
    value = headers.get("content-length")
    return int(value) if value is not None and re.fullmatch(r"[0-9]{1,9}", value) else None


def cseq(headers: Headers) -> tuple[int, str]:
    """Number and method of CSeq. Raises SipError."""
    found = _CSEQ.fullmatch(headers.get("cseq") or "")
    if found is None:
        raise SipError("CSeq cannot be read")
    return int(found[1]), found[2]


def top_via(headers: Headers) -> Via | None:
    """The topmost Via, or None if it cannot be read."""
    first = _MEMBERS[","].match(headers.get("via") or "")
    found = _VIA.fullmatch(first[0].strip()) if first else None
    if found is None or int(found[3] or 0) > 65535 or (found[4] or "").count(";") > MAX_PARAMETERS:
        return None
    return Via(found[1].upper(), found[2], int(found[3]) if found[3] else None, tuple(parameters(found[4] or "")))


def parameters(text: str) -> Iterator[tuple[str, str | None]]:
    """The `;name=value` parameters of a text: names in lower case, quotes taken off."""
    for part in split_list(text, ";"):
        name, equals, value = part.partition("=")
        yield name.strip().lower(), unquote(value.strip()) if equals else None


def unquote(value: str) -> str:
    """A quoted string without its quotes and backslashes; any other text as it is."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def address(value: str) -> tuple[str, dict[str, str | None]]:
    """The URI and the header's own parameters of a From, To or Contact value (name-addr or addr-spec)."""
    bare = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), value)
    if "<" in bare:
        inner = value[bare.index("<") + 1 :]
        uri, _, rest = inner.partition(">")
        return uri.strip(), dict(parameters(rest))
    uri, _, rest = value.partition(";")
    return uri.strip(), dict(parameters(rest))


def parse_uri(text: str) -> Uri | None:
    """A sip or sips URI, or None for any other text."""
    found = _URI.fullmatch(text)
    if found is None or int(found[4] or 0) > 65535:
        return None
    user = found[2]
    if user is not None:
        user = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), user.partition(":")[0])
    return Uri(found[1].lower(), user, found[3], int(found[4]) if found[4] else None, found[5] or "")


def escape_user(user: str) -> str:
    """A text as the user part of a URI."""
    return "".join(
        character if re.fullmatch(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/]", character) else "".join(
            f"%{octet:02X}" for octet in character.encode("utf-8", "ignore")
        )
        for character in user
    )  # fmt: skip


def serialize(message: SipRequest | SipResponse) -> bytes:
    """The octets, with a new Content-Length in place of the caller's. Raises SipError for a line break in a value."""
    if isinstance(message, SipRequest):
        lines = [f"{message.method} {message.uri} {VERSION}"]
    else:
        lines = [f"{VERSION} {message.status} {message.reason}"]
    lines += [f"{name}: {value}" for name, value in message.headers if long_name(name) != "content-length"]
    lines.append(f"Content-Length: {len(message.body)}")
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise SipError("a header's value may not hold a line break")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + message.body
