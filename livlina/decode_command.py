"""``livlina decode``: reads hex from a person and hands the bytes to ``livlina.decode``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from livlina.decode import explain
from protocols.wire import cbor


class DecodeError(ValueError):
    """What was given is no hex, or the secret's file is none; the message says what to give."""


def explain_hex(text: str, identity: Path | None = None) -> dict[str, Any]:
    """Explains hex in any common dress (spaces, colons, 0x, line breaks). Raises DecodeError."""
    digits = re.sub(r"0x|[\s:,\-]", "", text)
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        raise DecodeError("that is no hex: give an even number of the digits 0-9 and a-f") from None
    if not data:
        raise DecodeError("there is nothing to decode: give the bytes in hex")
    return explain(data, secret=_secret(identity) if identity is not None else None)


def _secret(identity: Path) -> bytes:
    try:
        held = cbor.decode(identity.read_bytes())
        secret = held[3]
    except (cbor.CborError, KeyError, TypeError):
        raise DecodeError(f"{identity} is no identity.cbor of a unit") from None
    if not isinstance(secret, bytes):
        raise DecodeError(f"{identity} holds no secret")
    return secret
