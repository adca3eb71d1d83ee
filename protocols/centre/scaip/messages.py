"""SCAIP's two messages: a request (`mrq`) from a unit, and a centre's reply to it (`mrs`). Octets in, octets out.

Two dialects are read. In A the roots are `mrq` and `mrs`; in B both are `scaip`, and the one with `snu` is the reply.
Values lose the space around them, because units put it there (`<cid> 8031372</cid>`); an empty element counts as an
absent one. Nothing is turned into a number here: `02` stays `02`. Elements that no one knows are kept in `others` and
written again.

Where an element that may stand only once stands twice, the first one counts; two different ones among ref, cid and dty
refuse the message, because nobody could tell whom it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from xml.sax.saxutils import escape

from protocols.centre.scaip.codes import MessageType, Status, number
from protocols.centre.scaip.xml_reader import Element, XmlError, parse

MAX_NAME = 64
"""Characters of a ref or cid that is believed. The norm's are 16; units in the field write up to 36."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}")


class Dialect(StrEnum):
    """A: own roots, and the reply is a message of its own. B: root `scaip`, and the reply comes in the 200."""

    A = "A"
    B = "B"


class MessageError(ValueError):
    """A message that cannot be taken. `status` is the `snu` that says why; `ref` is its reference, as far as known."""

    def __init__(self, message: str, status: int, ref: str = "", dialect: Dialect = Dialect.A) -> None:
        super().__init__(message)
        self.status = status
        self.ref = ref
        self.dialect = dialect


@dataclass(frozen=True, slots=True)
class Position:
    """`lge`: a position as the unit wrote it. `geo` is WGS 84 digits, `tim` ISO-like, `gga` a sentence of NMEA."""

    geo: str | None = None
    tim: str | None = None
    gga: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """`mrq`. Every value is text as it came; None where the element is absent. Field names are the element names."""

    ref: str
    cid: str
    dty: str
    ver: str | None = None
    sco: str | None = None
    cha: str | None = None
    mty: str | None = None
    hbo: str | None = None
    did: str | None = None
    dco: str | None = None
    dte: str | None = None
    crd: tuple[str, ...] = ()
    stc: str | None = None
    stt: str | None = None
    pri: str | None = None
    lco: str | None = None
    lva: str | None = None
    lte: str | None = None
    lge: Position | None = None
    ico: str | None = None
    ite: str | None = None
    ame: str | None = None
    others: tuple[tuple[str, str], ...] = ()
    dialect: Dialect = Dialect.A
    wire: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def kind(self) -> str:
        """`mty` in capitals, ME where it is absent."""
        return (self.mty or MessageType.MESSAGE).upper()

    @property
    def is_heartbeat(self) -> bool:
        """A PI, whatever status code it carries: units send one with 9 or 102."""
        return self.kind == MessageType.HEARTBEAT


@dataclass(frozen=True, slots=True)
class Response:
    """`mrs`. `snu` 0 is the only word for *the centre has it*. `tnu` are numbers to call, in the order to try them."""

    ref: str
    snu: str
    ste: str | None = None
    cve: str | None = None
    mre: str | None = None
    cre: str | None = None
    tnu: tuple[str, ...] = ()
    hbi: str | None = None
    others: tuple[tuple[str, str], ...] = ()
    dialect: Dialect = Dialect.A
    wire: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def status(self) -> int:
        """`snu` as an integer."""
        found = number(self.snu)
        return Status.UNDEFINED if found is None else found


_MANDATORY = ("ref", "cid", "dty")
_INTERNAL = frozenset({"crd", "tnu", "lge", "others", "dialect", "wire"})
_OF_REQUEST = tuple(item.name for item in fields(Request) if item.name not in _INTERNAL)
_OF_RESPONSE = tuple(item.name for item in fields(Response) if item.name not in _INTERNAL)


def decode(octets: bytes) -> Request | Response:
    """Read one message. Raises MessageError; a request that lacks ref, cid or dty is one with status 7.

    Dialect B has no need of a ref, for its reply comes in the same transaction: there it may be missing and is "".
    """
    try:
        root = parse(octets)
    except XmlError as error:
        status = Status.TOO_LONG if error.too_long else Status.INVALID_FORMAT
        known = _salvage(error.salvaged)
        raise MessageError(str(error), status, *known) from None
    wire = tuple(_leaves(root))
    if root.name == "mrq":
        return _request(root, wire, Dialect.A)
    if root.name == "mrs":
        return _response(root, wire, Dialect.A)
    if root.name == "scaip":
        is_reply = any(child.name == "snu" for child in root.children)
        return (_response if is_reply else _request)(root, wire, Dialect.B)
    raise MessageError(
        "the root element is none of mrq, mrs and scaip", Status.INVALID_FORMAT, _short(_first(root, "ref"))
    )


def encode(message: Request | Response) -> bytes:
    """The message as XML without spaces, in the order of the norm's table. UTF-8; a declaration only if it is needed.

    Characters that XML cannot hold are left out, since no text is worth an alarm.
    """
    is_request = isinstance(message, Request)
    root = "scaip" if message.dialect is Dialect.B else "mrq" if is_request else "mrs"
    pieces: list[str] = []
    for name in _ORDER if is_request else _REPLY_ORDER:
        value = getattr(message, name)
        if isinstance(value, Position):
            inner = "".join(_leaf(part, getattr(value, part)) for part in ("geo", "tim", "gga"))
            pieces.append(f"<lge>{inner}</lge>")
        elif isinstance(value, tuple):
            pieces += [_leaf(name, one) for one in value]
        else:
            pieces.append(_leaf(name, value))
    pieces += [_leaf(name, text) for name, text in message.others if name not in _KNOWN and _NAME.fullmatch(name)]
    document = f"<{root}>{''.join(pieces)}</{root}>"
    declaration = "" if document.isascii() else '<?xml version="1.0" encoding="UTF-8"?>'
    return (declaration + document).encode("utf-8", "ignore")


_ORDER = (
    "ref", "ver", "sco", "cha", "mty", "hbo", "cid", "dty", "did", "dco", "dte", "crd", "stc", "stt", "pri", "lco",
    "lva", "lte", "lge", "ico", "ite", "ame",
)  # fmt: skip
_REPLY_ORDER = ("ref", "snu", "ste", "cve", "mre", "cre", "tnu", "hbi")


_KNOWN = frozenset({*_ORDER, *_REPLY_ORDER})


def xml_text(text: str) -> str:
    """The text without what XML cannot hold and without space around it: what `decode` gives back of it."""
    return _NOT_XML.sub("", text).strip()


def _leaf(name: str, value: str | None) -> str:
    if value is None:
        return ""
    return f"<{name}>{escape(xml_text(value), {chr(13): '&#13;'})}</{name}>"


def _request(root: Element, wire: tuple[tuple[str, str], ...], dialect: Dialect) -> Request:
    ref = _first(root, "ref")
    known = _short(ref)
    for name in _MANDATORY:
        found = {value for value in _all(root, name) if value}
        if len(found) > 1:
            raise MessageError(f"{name} stands there twice, differently", Status.INVALID_FORMAT, known, dialect)
        if not found and not (name == "ref" and dialect is Dialect.B):
            raise MessageError(f"{name} missing", Status.TAG_MISSING, known, dialect)
        if any(len(value) > MAX_NAME or not value.isprintable() for value in found):
            raise MessageError(f"{name} is no name", Status.WRONG_CONTENT, known, dialect)
    single = {name: _first(root, name) or None for name in _OF_REQUEST if name not in _MANDATORY}
    place = next((child for child in root.children if child.name == "lge"), None)
    position = None
    if place is not None:
        position = Position(*(_first(place, part) or None for part in ("geo", "tim", "gga")))
        position = None if position == Position() else position
    return Request(
        ref,
        _first(root, "cid"),
        _first(root, "dty"),
        **single,
        crd=tuple(value for value in _all(root, "crd") if value),
        lge=position,
        others=_others(root),
        dialect=dialect,
        wire=wire,
    )


def _response(root: Element, wire: tuple[tuple[str, str], ...], dialect: Dialect) -> Response:
    ref, snu = _first(root, "ref"), _first(root, "snu")
    known = _short(ref)
    for name, value in (("ref", ref), ("snu", snu)):
        if not value and not (name == "ref" and dialect is Dialect.B):
            raise MessageError(f"{name} missing", Status.TAG_MISSING, known, dialect)
        if len({value for value in _all(root, name) if value}) > 1:
            raise MessageError(f"{name} stands there twice, differently", Status.INVALID_FORMAT, known, dialect)
    if known != ref:
        raise MessageError("ref is no name", Status.WRONG_CONTENT, known, dialect)
    if number(snu) is None:
        raise MessageError("snu is no number", Status.WRONG_CONTENT, known, dialect)
    single = {name: _first(root, name) or None for name in _OF_RESPONSE if name not in {"ref", "snu"}}
    return Response(
        ref,
        snu,
        **single,
        tnu=tuple(value for value in _all(root, "tnu") if value),
        others=_others(root),
        dialect=dialect,
        wire=wire,
    )


def _all(root: Element, name: str) -> list[str]:
    return [child.text.strip() for child in root.children if child.name == name]


def _first(root: Element, name: str) -> str:
    return next((value for value in _all(root, name) if value), "")


def _short(ref: str) -> str:
    return ref if len(ref) <= MAX_NAME and ref.isprintable() else ""


def _others(root: Element) -> tuple[tuple[str, str], ...]:
    """What no table names, flat: an unknown element's text; a child's under both names, so that it is never taken for
    an element that counts."""
    found: list[tuple[str, str]] = []
    for child in root.children:
        if child.name not in _KNOWN:
            leaves = _leaves(child, f"{child.name}/") if child.children else [(child.name, child.text)]
            found += [(name.replace("/", "."), text.strip()) for name, text in leaves]
    return tuple((name, text) for name, text in found if _NAME.fullmatch(name))


def _leaves(root: Element, path: str = "") -> Iterable[tuple[str, str]]:
    """Every element without children: its path below the root and its text, verbatim."""
    for child in root.children:
        name = f"{path}{child.name}"
        if child.children:
            yield from _leaves(child, name + "/")
        else:
            yield name, child.text


def _salvage(root: Element | None) -> tuple[str, Dialect]:
    """Reference and dialect of a document that broke off, so that the one who sent it can be told."""
    if root is None:
        return "", Dialect.A
    return _short(_first(root, "ref")), Dialect.B if root.name == "scaip" else Dialect.A
