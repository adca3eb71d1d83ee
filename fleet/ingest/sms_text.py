"""Pure: the text or data of an SMS, as a gateway's webhook gives it, into the bytes of a frame.

It decides only whether there are bytes of the right size; whether they are a frame is decided where all frames are.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Final, NamedTuple

from protocols.wire.seal import MAX_FRAME

LONGEST_TEXT: Final = 2 * MAX_FRAME + 512
"""Characters: the longest frame in hex, with line breaks."""

LONGEST_NUMBER: Final = 32

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_BLANKS = re.compile(r"\s+")
_FRAME = b"\x83"  # every frame begins with it: "83" in hex, "g" in base64


class RequestError(ValueError):
    """The request is none of a gateway's; the message says what it must look like. No other try will be better."""


class Inbound(NamedTuple):
    """A webhook's request: the text of the SMS, and the number that it came from where a receipt could go."""

    text: str
    number: str | None


def read_request(body: bytes) -> Inbound:
    """What a webhook's JSON body says: ``data`` where it holds something, else ``text``; ``from`` is optional.

    Other keys pass: every gateway has some. Raises RequestError for what is no such object.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError("the body must be JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise RequestError('the body must be a JSON object such as {"from": "+46700000000", "text": "83..."}')
    for name in ("data", "text"):
        text = document.get(name)
        if isinstance(text, str) and text.strip():
            break
    else:
        raise RequestError('the object must hold the SMS as "text" or "data", a string')
    number = document.get("from")
    return Inbound(text, number if isinstance(number, str) and _NUMBER.fullmatch(number) else None)


def frame_of(text: str) -> bytes | None:
    """The bytes that a text stands for, or None where it stands for none.

    Hex in either case, or base64url with or without padding (base64's own ``+`` and ``/`` are taken for ``-`` and
    ``_``); blanks and line breaks anywhere. Hex of a frame begins with 83 and base64url of one with g, so no frame
    can be taken for the other. Total: never raises.
    """
    if len(text) > LONGEST_TEXT:
        return None
    packed = _BLANKS.sub("", text)
    if packed.startswith(_FRAME.hex()):
        return bytes.fromhex(packed) if _HEX.fullmatch(packed) else None
    if not _BASE64.fullmatch(packed):
        return None
    digits = packed.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        found = base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4))
    except (binascii.Error, ValueError):
        return None
    return found if found.startswith(_FRAME) else None
