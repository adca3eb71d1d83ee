"""XML that came from outside: a tree of names and text, or a refusal.

The parser is the standard library's expat with everything turned off that a SCAIP message never has: a document type
refuses the message before any entity can be defined, so neither entity bombs nor external entities exist; the size, the
depth and the number of elements are bounded, so a refusal never takes long. Processing instructions refuse as well;
comments are passed over. Namespace prefixes are dropped, attributes ignored.

UTF-8, UTF-16, US-ASCII, ISO-8859-1, ISO-8859-15 and Windows-1252 are read, with or without a byte order mark. Octets
above 127 that are no UTF-8 are read as ISO-8859-1 whatever the declaration says: units in the field do that, and a
genuine alarm is not refused for an accent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

MAX_OCTETS = 16_384
"""Octets of a document. A typical SCAIP message has 150; a MESSAGE over UDP may have 1300 with all its headers."""
MAX_DEPTH = 8
MAX_ELEMENTS = 256

_ENCODINGS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "latin-1"})
_TABLED = frozenset({"iso-8859-15", "windows-1252", "cp1252"})
_WIDE = frozenset({"utf-16", "utf-16le", "utf-16be"})
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")


_DECLARATION = b"<?xml"
_BLANK = re.compile(rb"[ \t\r\n]*")
_ROOT = re.compile(rb"<([A-Za-z_][A-Za-z0-9_.:-]{0,60})(?=[\s/>])([^<>]{0,2000}>)?")
_BEFORE_ROOT = ((b"<?", b"?>"), (b"<!--", b"-->"))
_BEFORE_ROOT_MOST = 16


def document_end(octets: bytes | bytearray, place: int = 0, most: int | None = None, looked: int = 0) -> int | None:
    """Where the document ends that begins at ``place``: behind the closing tag of its root; None where it is not whole.

    No length and no terminator says it, and the closing tag can stand nowhere else: outside a CDATA section text holds
    no ``<``. Nothing behind ``most`` is looked at, nor what was ``looked`` at before by a caller that feeds in parts.
    """
    limit = len(octets) if most is None else most
    root = _root(octets, place, limit)
    if root is None:
        return None
    if root[2] is not None and root[2].endswith(b"/>"):
        return root.end()
    closing = re.compile(rb"</" + re.escape(root[1]) + rb"[ \t\r\n]*>")
    found = closing.search(octets, max(root.end(1), looked), limit)
    while found is not None and octets.rfind(b"<![CDATA[", place, found.start()) > octets.rfind(
        b"]]>", place, found.start()
    ):
        found = closing.search(octets, found.end(), limit)
    return None if found is None else found.end()


def next_declaration(octets: bytes, place: int, end: int | None) -> int | None:
    """Where another document declares itself within the one from ``place`` to ``end``: what stands before it was cut.

    ``end`` is None where no end was found; then no CDATA section is looked for either.
    """
    found = octets.find(_DECLARATION, place + len(_DECLARATION), len(octets) if end is None else end)
    while end is not None and found >= 0:
        if octets.rfind(b"<![CDATA[", place, found) <= octets.rfind(b"]]>", place, found):
            return found
        closed = octets.find(b"]]>", found, end)
        found = -1 if closed < 0 else octets.find(_DECLARATION, closed, end)
    return None if found < 0 else found


def behind_comments(octets: bytes, end: int, nothing: re.Pattern[bytes], most: int = MAX_OCTETS) -> int:
    """The end of a document that ends at ``end``, with the comments behind it, ``most`` octets of them; ``nothing`` may
    stand between."""
    limit = end + most
    while True:
        blank = nothing.match(octets, end)
        place = end if blank is None else blank.end()
        closing = octets.find(b"-->", place + 4, limit) if octets.startswith(b"<!--", place) else -1
        if closing < 0:
            return end
        end = closing + 3


def _root(octets: bytes | bytearray, place: int, limit: int) -> re.Match[bytes] | None:
    """The root's opening tag, behind declaration and comments."""
    if octets[place : place + 3] == b"\xef\xbb\xbf":
        place += 3
    for _ in range(_BEFORE_ROOT_MOST):
        blank = _BLANK.match(octets, place)
        place = place if blank is None else blank.end()
        for opening, closing in _BEFORE_ROOT:
            if octets[place : place + len(opening)] == opening:
                end = octets.find(closing, place, limit)
                if end < 0:
                    return None
                place = end + len(closing)
                break
        else:
            return _ROOT.match(octets, place)
    return None


class XmlError(ValueError):
    """The document is refused. `too_long` says that its size alone is why; `salvaged` is what could be read before."""

    def __init__(self, message: str, *, too_long: bool = False, salvaged: Element | None = None) -> None:
        super().__init__(message)
        self.too_long = too_long
        self.salvaged = salvaged


@dataclass(slots=True)
class Element:
    """One element: its local name, its own text without that of its children, its children in order."""

    name: str
    text: str
    children: list[Element]


class _Stop(Exception):
    """What is refused, on its way out of expat."""


class _Builder:
    """Collects elements while expat reads; raises `_Stop` at the first thing that is refused."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._pieces: list[list[str]] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise _Stop(f"more than {MAX_ELEMENTS} elements")
        if len(self._open) >= MAX_DEPTH:
            raise _Stop(f"elements nested more than {MAX_DEPTH} deep")
        element = Element(name.rpartition(":")[2], "", [])
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._pieces.append([])

    def end(self, name: str) -> None:
        self._open.pop().text = "".join(self._pieces.pop())

    def characters(self, text: str) -> None:
        if self._pieces:
            self._pieces[-1].append(text)

    def refuse_doctype(self, *_: Any) -> None:
        raise _Stop("a document type or entity declaration, which no message here has")

    def refuse_instruction(self, *_: Any) -> None:
        raise _Stop("a processing instruction, which no message here has")


def parse(octets: bytes, most: int = MAX_OCTETS) -> Element:
    """The root element of a document of at most ``most`` octets. Raises XmlError; never resolves or expands anything.

    Space before and behind the document is passed over, and so are NULs behind it, since units put them there.
    """
    if len(octets) > most:
        raise XmlError(f"the document is longer than {most} octets", too_long=True)
    body = (
        octets.lstrip(b" \t\r\n").rstrip(b" \t\r\n\0") if not octets.startswith((b"\xff\xfe", b"\xfe\xff")) else octets
    )
    if not body:
        raise XmlError("there is no document")
    return _read(body, _override(body))


def _override(body: bytes) -> str | None:
    """The encoding to force on expat, or None where the document's own word is to be believed."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    found = _DECLARED.match(body.removeprefix(b"\xef\xbb\xbf"))
    declared = "utf-8" if found is None else found[1].decode("ascii").lower()
    if declared in _WIDE:
        raise XmlError(f"the document says {declared} and is not in it")
    if declared not in _ENCODINGS | _TABLED:
        raise XmlError(f"encoding {declared} is not read")
    if declared in _TABLED:
        return None
    if declared not in {"iso-8859-1", "latin1", "latin-1"}:
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            return "iso-8859-1"
        return "utf-8"
    return "iso-8859-1"


def _read(body: bytes, encoding: str | None) -> Element:
    builder = _Builder()
    parser = expat.ParserCreate(encoding)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    parser.StartDoctypeDeclHandler = builder.refuse_doctype
    parser.EntityDeclHandler = builder.refuse_doctype
    parser.ProcessingInstructionHandler = builder.refuse_instruction
    try:
        parser.Parse(body, True)
    except _Stop as stop:
        raise XmlError(str(stop), salvaged=builder.root) from None
    except expat.ExpatError as error:
        message = f"not well-formed XML: {expat.ErrorString(error.code)}, line {error.lineno}"
        raise XmlError(message, salvaged=builder.root) from None
    except (ValueError, LookupError) as error:
        raise XmlError(f"not readable in its own encoding: {error}", salvaged=builder.root) from None
    if builder.root is None:
        raise XmlError("there is no element")
    return builder.root
