"""The six XML documents of SOS Access v4, as tables: octets to `Message` and back. Knows nothing of alarms.

ISO-8859-1 with an XML declaration, which is mandatory (status 100). Fields are text, verbatim within their ends.
What we write fits the table. What we read is judged by duty: a mandatory field that is missing, or an authentication
that is none, refuses the document; an optional field that does not fit stays as it came and is listed in `unfit`,
since a genuine alarm is never refused for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from protocols.centre.scaip.xml_reader import Element, XmlError, parse
from protocols.centre.sos_access import status

LONGEST = 100_000
"""Characters of a document."""
HEADER = b'<?xml version="1.0" encoding="ISO-8859-1"?>'

ALARM, ALARM_REPLY = "alarmrequest", "alarmresponse"
PING, PING_REPLY = "pingrequest", "pingresponse"
NEW_AUTHENTICATION, NEW_AUTHENTICATION_REPLY = "requestnewauthentication", "requestnewauthenticationresponse"
REPLY_TO = {ALARM: ALARM_REPLY, PING: PING_REPLY, NEW_AUTHENTICATION: NEW_AUTHENTICATION_REPLY}

# A field is (name, least length, greatest length, mandatory); the order is the one that we write.
_ASKING = (
    ("authentication", 15, 15, True),
    ("reference", 1, 50, False),
    ("transmittercode", 1, 15, True),
    ("transmittertype", 5, 5, True),
)
_ANSWERING = (
    ("reference", 1, 50, False),
    ("status", 1, 3, True),
    ("info", 1, 255, False),
    ("arrivaltime", 23, 23, False),
)
FIELDS: dict[str, tuple[tuple[str, int, int, bool], ...]] = {
    ALARM: (
        ("reference", 1, 50, False),
        ("authentication", 15, 15, True),
        ("receiver", 1, 20, True),
        ("transmittertime", 23, 23, False),
        ("alarmtype", 2, 2, False),
        ("transmittertype", 5, 5, True),
        ("transmittercode", 1, 15, True),
        ("transmitterarea", 1, 5, False),
        ("eventcode", 1, 25, True),
        ("section", 1, 5, False),
        ("sectiontext", 1, 40, False),
        ("detector", 1, 5, False),
        ("detectortext", 1, 40, False),
        ("additionalinfo", 1, 2000, False),
        ("position", 14, 16, False),
    ),
    PING: _ASKING,
    NEW_AUTHENTICATION: _ASKING,
    ALARM_REPLY: _ANSWERING,
    PING_REPLY: _ANSWERING,
    NEW_AUTHENTICATION_REPLY: (*_ANSWERING, ("newauthentication", 15, 15, False)),
}
_EMPTY = frozenset({"", "None"})
"""Contents that mean nothing: the one public client writes empty elements, and the word None for no text."""
_DECLARATION = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]*\?>")
_PASSWORD = re.compile(
    rb"(?<=<authentication>).*?(?=</authentication)|<authentication\s[^>]*>.*?(?=</authentication)", re.S
)
_CONTROLS = {code: " " for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x0A, 0x0D)}
_SPELT = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "€": "EUR"})


class DocumentError(ValueError):
    """The octets are no document of ours, by fault of whoever sent them. `status` is the code to answer with; `kind`
    and `fields` are what could be read of it."""

    def __init__(self, code: int, message: str, kind: str | None = None, fields: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = code
        self.kind = kind
        self.fields = fields or {}


@dataclass(frozen=True, slots=True)
class Message:
    """One document. `fields` are what stood in it; `unknown` the names of elements that the table does not have."""

    kind: str
    fields: dict[str, str]
    unfit: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    raw: bytes = field(default=b"", compare=False, repr=False)

    def __repr__(self) -> str:
        """Without its password."""
        shown = {name: value for name, value in self.fields.items() if not name.endswith("authentication")}
        return f"Message({self.kind}, {shown})"


def _text(element: Element) -> str:
    """An element's text; of a position, that of its only child."""
    if element.name == "position" and element.children:
        return element.children[0].text.strip()
    return element.text.strip()


def read(octets: bytes) -> Message:
    """The document in these octets. Raises DocumentError with the status that the answer must carry."""
    if len(octets) > LONGEST:
        raise DocumentError(status.LENGTH, f"the document is longer than {LONGEST} characters")
    if not _DECLARATION.match(octets):
        raise DocumentError(status.HEADER, "the document has no XML declaration", *_salvage(octets))
    try:
        root = parse(octets, most=LONGEST)
    except XmlError as error:
        raise DocumentError(status.XML, str(error)) from error
    table = FIELDS.get(root.name)
    if table is None:
        raise DocumentError(status.CONTENT, f"{root.name[:40]} is no document of SOS Access")
    found, unfit, unknown = _fields(root, table)
    missing = [name for name, _, _, mandatory in table if mandatory and name not in found]
    if missing:
        raise DocumentError(status.MISSING, f"{', '.join(missing)} missing", root.name, found)
    return Message(root.name, found, unfit, unknown, octets)


def _salvage(octets: bytes) -> tuple[str | None, dict[str, str]]:
    """What a document says whose declaration is missing: enough to answer with its reference."""
    try:
        root = parse(octets, most=LONGEST)
    except XmlError:
        return None, {}
    table = FIELDS.get(root.name)
    return (None, {}) if table is None else (root.name, _fields(root, table)[0])


def _fields(
    root: Element, table: Iterable[tuple[str, int, int, bool]]
) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
    lengths = {name: (least, most) for name, least, most, _ in table}
    found: dict[str, str] = {}
    unfit, unknown = [], []
    for element in root.children:
        text = _text(element)
        if element.name not in lengths:
            unknown.append(element.name[:40])
        elif text not in _EMPTY and element.name not in found:
            found[element.name] = text
            least, most = lengths[element.name]
            if not least <= len(text) <= most:
                unfit.append(element.name)
    return found, tuple(unfit), tuple(unknown)


def without_password(octets: bytes) -> bytes:
    """A document for a log."""
    return _PASSWORD.sub(b"", octets)


def plain(text: str, most: int) -> str:
    """As much of a text as a field can hold: in ISO-8859-1, without control characters."""
    text = text.translate(_SPELT).translate(_CONTROLS)
    return text.encode("iso-8859-1", "replace").decode("iso-8859-1")[:most]


def fits(text: str, least: int, most: int) -> bool:
    """Whether a field of such length can hold this text as it is."""
    return least <= len(text) <= most and plain(text, most) == text.strip() == text and text not in _EMPTY


def write(kind: str, fields: dict[str, str]) -> bytes:
    """The octets of a document, fields in the table's order. Raises ValueError for one that does not fit the table."""
    table = FIELDS[kind]
    unknown = set(fields) - {name for name, _, _, _ in table}
    if unknown:
        raise ValueError(f"{kind} has no {', '.join(sorted(unknown))}")
    parts = []
    for name, least, most, mandatory in table:
        text = fields.get(name)
        if text is None:
            if mandatory:
                raise ValueError(f"{kind} needs {name}")
            continue
        if not fits(text, least, most):
            raise ValueError(f"{name} has {least} to {most} characters of ISO-8859-1 and no space at its ends")
        inner = f"<pos>{escape(text)}</pos>" if name == "position" else _escaped(text)
        parts.append(f"<{name}>{inner}</{name}>")
    return HEADER + f"<{kind}>{''.join(parts)}</{kind}>".encode("iso-8859-1")


def _escaped(text: str) -> str:
    # A reader turns CR LF into LF unless the CR is written as a reference.
    return escape(text, {"\r": "&#13;"})
