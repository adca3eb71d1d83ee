"""The SIA DC-09 frame: `LF crc 0LLL "id" seq [Rrcvr] Lpref #acct [data] [x...]* [_timestamp] CR`.

Bytes to `Frame` and back; nothing here knows what an alarm is. What is strict: the envelope, the CRC, the length, the
shape of the header. What is let through on receive because public implementations send it: a CRC of two raw octets, a
lower-case CRC, a missing or empty R or L, a sequence that is not decimal, NUL after CR, a timestamp that is no time.
Sequence and account are text and come back exactly as they came.

Of an encrypted frame the header is read and the ciphertext kept as it stands in `Frame.cipher`; `data`, `xdata` and
`timestamp` stay empty until `cipher.open_frame` has opened it with the account's key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

SIA_DCS = "SIA-DCS"
ADM_CID = "ADM-CID"
NULL = "NULL"
XNM = "XNM"
"""A link test with data of its own (edition of 2026)."""
ACK = "ACK"
NAK = "NAK"
DUH = "DUH"
RSP = "RSP"

_ANSWERS = frozenset({ACK, NAK, DUH, RSP})

LF = 0x0A
CR = 0x0D
MAX_BODY = 0xFFF
"""Octets from the first quote to just before CR; three hex digits can say no more."""

_POLYNOMIAL = 0xA001
_TIME_FORMAT = "%H:%M:%S,%m-%d-%Y"


class CrcForm(StrEnum):
    """Four hex digits as the specification has it, or the two raw octets that some devices send."""

    ASCII = "ascii"
    BINARY = "binary"


class Reason(StrEnum):
    """Why octets are no frame. One word, fit for a counter's name."""

    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    LENGTH = "length"
    CRC = "crc"
    TOKEN = "token"  # noqa: S105 - the word of a grammar, no secret
    SEQUENCE = "sequence"
    RECEIVER = "receiver"
    LINE = "line"
    ACCOUNT = "account"
    DATA = "data"
    XDATA = "xdata"
    TIMESTAMP = "timestamp"
    TRAILING = "trailing"
    CIPHER = "cipher"
    OVERSIZE = "oversize"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. Text fields are verbatim; `None` means that the field was not there, `""` that it was empty.

    `account` is without `#`. `xdata` is (letter, value) in wire order. `timestamp` is the wire text without `_`.
    `charset` is what the octets were read as (utf-8, else cp1252, else latin-1) and what `encode` writes.
    """

    token: str
    seq: str
    account: str | None
    receiver: str | None = None
    line: str | None = None
    data: str = ""
    xdata: tuple[tuple[str, str], ...] = ()
    timestamp: str | None = None
    encrypted: bool = False
    cipher: str = ""
    crc_form: CrcForm = CrcForm.ASCII
    charset: str = "utf-8"
    raw: bytes = field(default=b"", compare=False, repr=False)

    @property
    def time(self) -> datetime | None:
        """The timestamp as an aware UTC time, or None where there is none or it is no time."""
        return None if self.timestamp is None else parse_time(self.timestamp)


class FrameError(ValueError):
    """These octets are no DC-09 frame; the sender of them is at fault.

    `header` is set where CRC, length and header were right and only the content was not: such a frame can be answered
    (DUH). Without it there is nobody to answer.
    """

    def __init__(self, reason: Reason, message: str, raw: bytes = b"", header: Frame | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.raw = raw
        self.header = header


def _crc_table() -> tuple[int, ...]:
    table = []
    for octet in range(256):
        crc = octet
        for _ in range(8):
            crc = (crc >> 1) ^ _POLYNOMIAL if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc16(octets: bytes) -> int:
    """CRC-16/ARC: polynomial 0x8005 reflected, initial value 0. The check value of b"123456789" is 0xBB3D."""
    crc = 0
    table = _CRC_TABLE
    for octet in octets:
        crc = (crc >> 8) ^ table[(crc ^ octet) & 0xFF]
    return crc


def parse_time(text: str) -> datetime | None:
    """`HH:MM:SS,MM-DD-YYYY` in UTC, or None. Never raises: a wrong clock must not cost an alarm."""
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def format_time(at: datetime) -> str:
    """An aware time as `HH:MM:SS,MM-DD-YYYY` in UTC; fractions of a second are cut off."""
    if at.tzinfo is None:
        raise ValueError("a DC-09 time needs a time zone; give an aware datetime")
    return at.astimezone(UTC).strftime(_TIME_FORMAT)


def sequence(number: int) -> str:
    """A sequence number (0 for NULL and NAK, else 1-9999) as four decimal digits."""
    if not 0 <= number <= 9999:
        raise ValueError("a DC-09 sequence number is 0 to 9999")
    return f"{number:04d}"


def next_sequence(number: int) -> int:
    """The number after this one: 1 to 9999, then 1 again. 0 is kept for link tests."""
    return number % 9999 + 1


_ENVELOPE = re.compile(
    rb"\n(?:(?P<ascii>[0-9A-Fa-f]{4})0(?P<la>[0-9A-Fa-f]{3})|(?P<bin>..)0(?P<lb>[0-9A-Fa-f]{3}))(?=\")", re.S
)
_TOKEN = re.compile(r'"(\*?)([A-Z0-9][A-Z0-9-]{0,15})"')
_SEQUENCE = re.compile(r"[0-9A-Fa-f]{4}")
_RECEIVER = re.compile(r"R([0-9A-Fa-f]{0,6})(?![0-9A-Fa-f])")
_LINE = re.compile(r"L([0-9A-Fa-f]{0,6})(?![0-9A-Fa-f])")
_NAK_LINE = re.compile(r"L([0-9A-Fa-f]{0,6}?)(?=(?:A0)?\[)")
_ACCOUNT = re.compile(r"#([0-9A-Fa-f]{3,16})(?=\[)")
_ACCOUNT_DIGITS = re.compile(r"[0-9A-Fa-f]{3,16}")
_NO_RECEIVER = re.compile(r"None(?=L)")
_NOBODY = re.compile(r"(?:A0)?(?=\[)")
_HEX_BLOCKS = re.compile(r"(?:[0-9A-Fa-f]{32})+")


def decode(octets: bytes) -> Frame:
    """One whole frame, LF to CR (NULs after CR are dropped), as a `Frame` whose `raw` is the frame's octets.

    Raises `FrameError`; a wrong CRC or length never carries a header, since nothing in the frame can then be believed.
    """
    raw = octets.rstrip(b"\0")
    if len(raw) > MAX_BODY + 10:
        raise FrameError(Reason.OVERSIZE, "longer than a DC-09 frame can be", raw[: MAX_BODY + 10])
    envelope = _ENVELOPE.match(raw)
    if envelope is None:
        reason = Reason.TRUNCATED if raw[:1] == b"\n" and len(raw) < 10 else Reason.GARBAGE
        raise FrameError(reason, "no LF, CRC, length and quote where a DC-09 frame has them", raw)
    if raw[-1] != CR:
        raise FrameError(Reason.TRUNCATED, "the frame has no CR at its end", raw)
    body = raw[envelope.end() : -1]
    length = int(envelope["la"] or envelope["lb"], 16)
    if length != len(body) or CR in body:
        raise FrameError(Reason.LENGTH, f"the frame says {length} octets and has {len(body)}", raw)
    binary = envelope["bin"]
    claimed = int.from_bytes(binary, "big") if binary is not None else int(envelope["ascii"], 16)
    if claimed != crc16(body):
        raise FrameError(Reason.CRC, "the CRC does not fit the frame", raw)
    return _decode_body(body, CrcForm.ASCII if binary is None else CrcForm.BINARY, raw)


def read_text(octets: bytes) -> tuple[str, str]:
    """Text and the charset it was read as: UTF-8 in the newest edition, Windows-1252 before; latin-1 takes the rest."""
    for charset in ("utf-8", "cp1252"):
        try:
            return octets.decode(charset), charset
        except UnicodeDecodeError:
            continue
    return octets.decode("latin-1"), "latin-1"


def _decode_body(body: bytes, crc_form: CrcForm, raw: bytes) -> Frame:
    text, charset = read_text(body)
    token = _TOKEN.match(text)
    if token is None:
        raise FrameError(Reason.TOKEN, "the frame's token is not a quoted word", raw)
    at = token.end()
    seq = _SEQUENCE.match(text, at)
    if seq is None:
        raise FrameError(Reason.SEQUENCE, "four digits of sequence must follow the token", raw)
    at = seq.end()
    receiver = _RECEIVER.match(text, at)
    if receiver is not None:
        at = receiver.end()
    elif token[2] in _ANSWERS and (nothing := _NO_RECEIVER.match(text, at)):
        at = nothing.end()  # what one widespread receiver answers to a message without R
    elif text[at : at + 1] == "R":
        raise FrameError(Reason.RECEIVER, "the receiver number is up to six hex digits", raw)
    line = (_NAK_LINE if token[2] == NAK else _LINE).match(text, at) or _LINE.match(text, at)
    if line is not None:
        at = line.end()
    elif text[at : at + 1] == "L":
        raise FrameError(Reason.LINE, "the line number is up to six hex digits", raw)
    if receiver is None and token[2] == NAK and (receiver := _RECEIVER.match(text, at)):
        at = receiver.end()  # a widespread receiver writes L before R here
    account = _ACCOUNT.match(text, at)
    # A NAK has the literal A0, or nothing, where every other frame names its account.
    nobody = _NOBODY.match(text, at) if account is None and token[2] == NAK else None
    end = account or nobody
    if end is None:
        raise FrameError(Reason.ACCOUNT, "an account is # and 3 to 16 hex digits before [", raw)
    header = Frame(
        token=token[2],
        seq=seq[0],
        account=None if account is None else account[1],
        receiver=None if receiver is None else receiver[1],
        line=None if line is None else line[1],
        encrypted=token[1] == "*",
        crc_form=crc_form,
        charset=charset,
        raw=raw,
    )
    rest = text[end.end() + 1 :]
    return _decode_cipher(header, rest) if header.encrypted else decode_content(header, rest)


def _decode_cipher(header: Frame, rest: str) -> Frame:
    if _HEX_BLOCKS.fullmatch(rest) is None:
        raise FrameError(Reason.CIPHER, "ciphertext is whole blocks of 16 octets as hex", header.raw, header)
    return replace(header, cipher=rest)


def decode_content(header: Frame, rest: str) -> Frame:
    """The header with what stands behind its `[`: data, extended data, timestamp. Raises `FrameError`."""
    data, closed, rest = rest.partition("]")
    if not closed:
        raise FrameError(Reason.DATA, "the data has no closing bracket", header.raw, header)
    xdata: list[tuple[str, str]] = []
    while rest.startswith("["):
        value, closed, rest = rest[1:].partition("]")
        if not closed:
            raise FrameError(Reason.XDATA, "extended data has no closing bracket", header.raw, header)
        xdata.append((value[:1], value[1:]))
    timestamp = None
    if rest.startswith("_"):
        timestamp = rest[1:]
    elif rest:
        raise FrameError(Reason.TRAILING, "something that is no timestamp follows the data", header.raw, header)
    return replace(header, data=data, xdata=tuple(xdata), timestamp=timestamp)


def _refuse(reason: Reason, message: str) -> FrameError:
    return FrameError(reason, f"cannot be sent: {message}")


def _check(frame: Frame) -> None:
    """What we send is held to the specification, whatever we accept from others."""
    if _TOKEN.fullmatch(f'"{frame.token}"') is None:
        raise _refuse(Reason.TOKEN, "a token is upper-case letters, digits and hyphens")
    if _SEQUENCE.fullmatch(frame.seq) is None:
        raise _refuse(Reason.SEQUENCE, "a sequence is four digits")
    if frame.account is None:
        if frame.token != NAK:
            raise _refuse(Reason.ACCOUNT, "only a NAK has no account")
    elif _ACCOUNT_DIGITS.fullmatch(frame.account) is None:
        raise _refuse(Reason.ACCOUNT, "an account is 3 to 16 hex digits")
    if frame.receiver is not None and _RECEIVER.fullmatch(f"R{frame.receiver}") is None:
        raise _refuse(Reason.RECEIVER, "a receiver number is up to six hex digits")
    if frame.line is not None and _LINE.fullmatch(f"L{frame.line}") is None:
        raise _refuse(Reason.LINE, "a line number is up to six hex digits")
    if frame.encrypted:
        if _HEX_BLOCKS.fullmatch(frame.cipher) is None:
            raise _refuse(Reason.CIPHER, "ciphertext is whole blocks of 16 octets as hex")
        return
    check_content(frame)


def check_content(frame: Frame) -> None:
    """Whether data, extended data and timestamp can stand between brackets. Raises `FrameError`."""
    if _forbidden(frame.data, "]\r"):
        raise _refuse(Reason.DATA, "data must not hold ] or CR")
    for letter, value in frame.xdata:
        if len(letter) > 1 or (not letter and value) or _forbidden(letter + value, "]\r"):
            raise _refuse(Reason.XDATA, "extended data is one letter and text without ] or CR")
    if frame.timestamp is not None and _forbidden(frame.timestamp, "\r"):
        raise _refuse(Reason.TIMESTAMP, "a timestamp must not hold CR")


def _forbidden(text: str, characters: str) -> bool:
    return any(character in text for character in characters)


def content(frame: Frame) -> str:
    """What stands behind `[` in clear: data, extended data, timestamp."""
    xdata = "".join(f"[{letter}{value}]" for letter, value in frame.xdata)
    timestamp = "" if frame.timestamp is None else f"_{frame.timestamp}"
    return f"{frame.data}]{xdata}{timestamp}"


def encode_text(text: str, charset: str) -> bytes:
    """Octets of a text. Raises `FrameError` for a character outside the charset."""
    try:
        return text.encode(charset)
    except UnicodeEncodeError as error:
        raise _refuse(Reason.DATA, f"a character is not in {charset}") from error


def encode(frame: Frame) -> bytes:
    """The octets of a frame, LF to CR, in its own CRC form and charset. `frame.raw` is not looked at.

    Raises `FrameError` for what the grammar cannot hold (also a character outside the charset, and more than
    `MAX_BODY` octets); the fault is the caller's.
    """
    _check(frame)
    star = "*" if frame.encrypted else ""
    receiver = "" if frame.receiver is None else f"R{frame.receiver}"
    line = "" if frame.line is None else f"L{frame.line}"
    account = "A0" if frame.account is None else f"#{frame.account}"
    header = f'"{star}{frame.token}"{frame.seq}{receiver}{line}{account}['
    body = encode_text(header + (frame.cipher if frame.encrypted else content(frame)), frame.charset)
    if len(body) > MAX_BODY:
        raise _refuse(Reason.OVERSIZE, f"{len(body)} octets of body, {MAX_BODY} at most")
    crc = crc16(body)
    check = f"{crc:04X}".encode() if frame.crc_form is CrcForm.ASCII else crc.to_bytes(2, "big")
    return b"\n" + check + f"0{len(body):03X}".encode() + body + b"\r"
