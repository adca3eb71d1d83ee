"""``livlina decode``: reads hex from a person and hands the bytes to ``livlina.decode``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from livlina.decode import explain
from protocols.wire import cbor, seal


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
    if identity is None:
        return explain(data)
    secret, kid = _identity(identity)
    return explain(data, secret=secret, kid=kid)


def _identity(file: Path) -> tuple[bytes, bytes]:
    """The secret and the key id of a unit; a down frame names no unit, so the key id must come from here."""
    try:
        held = cbor.decode(file.read_bytes())
        unit, generation, secret = held[1], held[2], held[3]
        if not isinstance(secret, bytes):
            raise TypeError("the secret is no byte string")
        return secret, seal.kid(unit, generation)
    except (ValueError, KeyError, TypeError):
        raise DecodeError(f"{file} is no identity.cbor of a unit") from None
