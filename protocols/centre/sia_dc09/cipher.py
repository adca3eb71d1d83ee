"""Encrypted DC-09 frames: AES-CBC under a key of the account, zero IV, ciphertext as hex behind the opening bracket.

The plaintext is `pad | data ] xdata _timestamp`, a whole number of blocks. Editions differ in the pad: 1 to 16 octets
and always a bar in the draft of 2013, 16 to 31 octets in 2026 and no bar where the data is empty. We send 16 to 31
random ones and always the bar, which both read; the IV being zero, they are what keeps equal messages from looking so.

CBC with a zero IV and a CRC protects no message against change: run it inside TLS or a closed network, and refuse
stale timestamps (`window`). The header stays readable whatever the key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from protocols.centre.sia_dc09.frame import (
    Frame,
    FrameError,
    Reason,
    check_content,
    content,
    decode_content,
    encode_text,
    format_time,
    read_text,
)

BLOCK = 16
KEY_LENGTHS = (16, 24, 32)
LEAST_PAD = 16
OLDEST_S = 40.0
"""How much older than the receiver's clock a message may be."""
NEWEST_S = 20.0
"""How far ahead of it."""

_ZERO_IV = bytes(BLOCK)
_PAD_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."
_HEX = re.compile(r"[0-9A-Fa-f]+")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2},[0-9]{2}-[0-9]{2}-[0-9]{4}")


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """The AES key of an account: 16, 24 or 32 octets. Raises ValueError for another length; never shows itself."""

    octets: bytes

    def __post_init__(self) -> None:
        if len(self.octets) not in KEY_LENGTHS:
            raise ValueError("a DC-09 key has 16, 24 or 32 octets")

    def __repr__(self) -> str:
        return f"Key({len(self.octets) * 8} bits)"

    @classmethod
    def from_hex(cls, text: str) -> Key:
        """A key as 32, 48 or 64 hex digits, the way the specification writes it."""
        if _HEX.fullmatch(text) is None or len(text) % 2:
            raise ValueError("a DC-09 key is written as 32, 48 or 64 hex digits")
        return cls(bytes.fromhex(text))

    @classmethod
    def from_characters(cls, text: str) -> Key:
        """A key whose typed characters are its octets, the way one widespread receiver (pysiaalarm) takes it."""
        if not text.isascii():
            raise ValueError("a DC-09 key of characters is ASCII")
        return cls(text.encode())


def pad(length: int, random: Callable[[int], bytes]) -> bytes:
    """``length`` octets that hold no bracket, bar or CR; ``random(n)`` gives n random octets."""
    return bytes(_PAD_ALPHABET[octet % 64] for octet in random(length))


def seal_frame(frame: Frame, key: Key, random: Callable[[int], bytes]) -> Frame:
    """The frame with its content as ciphertext. It must have a timestamp: receivers refuse an encrypted frame without.

    Raises FrameError for content that cannot stand in a frame, ValueError without a timestamp.
    """
    if frame.timestamp is None:
        raise ValueError("an encrypted DC-09 frame needs a timestamp")
    check_content(frame)
    plain = b"|" + encode_text(content(frame), frame.charset)
    plain = pad(LEAST_PAD + -len(plain) % BLOCK, random) + plain
    encryptor = Cipher(algorithms.AES(key.octets), modes.CBC(_ZERO_IV)).encryptor()
    cipher = (encryptor.update(plain) + encryptor.finalize()).hex().upper()
    return replace(frame, encrypted=True, cipher=cipher, data="", xdata=(), timestamp=None)


def open_frame(frame: Frame, key: Key) -> Frame:
    """An encrypted frame with its content filled in; `encrypted` and `cipher` stay. Raises FrameError, reason CIPHER,
    with the header when the key does not fit: such octets have no `]` where one must be, or nothing
    that looks like a time. A time that no clock shows is one: the frame is not fresh, and its sender is told ours.
    """
    decryptor = Cipher(algorithms.AES(key.octets), modes.CBC(_ZERO_IV)).decryptor()
    plain = decryptor.update(bytes.fromhex(frame.cipher)) + decryptor.finalize()
    bracket, bar = plain.find(b"]"), plain.find(b"|")
    if bracket < 0:
        raise _does_not_open(frame)
    # A bar ends the pad only if it stands before the data's bracket; without one the data is empty.
    start = bar + 1 if 0 <= bar < bracket else bracket
    text, charset = read_text(plain[start:])
    try:
        opened = decode_content(replace(frame, charset=charset), text)
    except FrameError as error:
        raise _does_not_open(frame) from error
    if opened.timestamp is not None and _TIME.fullmatch(opened.timestamp) is None:
        raise _does_not_open(frame)
    return opened


def _does_not_open(frame: Frame) -> FrameError:
    return FrameError(Reason.CIPHER, "the key of this account does not open the frame", frame.raw, frame)


def window(frame: Frame, at: datetime) -> float | None:
    """Seconds that the frame's clock is ahead of ``at`` (aware), or None where it tells no time."""
    time = frame.time
    return None if time is None else (time - at).total_seconds()


def in_window(frame: Frame, at: datetime) -> bool:
    """Whether an encrypted frame is fresh at ``at``: at most 40 s old and 20 s ahead, and never without a time."""
    ahead = window(frame, at)
    return ahead is not None and -OLDEST_S <= ahead <= NEWEST_S


def stamped(frame: Frame, at: datetime) -> Frame:
    """The frame with ``at`` (aware) as its timestamp."""
    return replace(frame, timestamp=format_time(at))
