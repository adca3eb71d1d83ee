"""A key for moving a fleet: persons leave one installation and enter another sealed, protected identities too.

The same person under the same key gives the same octets, so that two exports can be compared by their hash; whoever
lacks the key learns no more than whether a person is the same. Each sealing is bound to its municipality and reference.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fleet.registry.secret_box import SecretBox, SecretBoxError

_NONCE: Final = 12


class TransferKey:
    """32 octets in a file of their own, which travels another way than the fleet's file."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise SecretBoxError(f"a transfer key has 32 octets, not {len(key)}")
        self._aead = AESGCM(hmac.new(key, b"livlina transfer seal", hashlib.sha256).digest())
        self._nonces = hmac.new(key, b"livlina transfer nonce", hashlib.sha256).digest()

    @classmethod
    def open(cls, file: Path, *, create: bool = False) -> TransferKey:
        """Reads the file; with ``create`` makes it where there is none. Raises SecretBoxError, OSError."""
        SecretBox.open(file, create=create)  # the same care for who may read it
        return cls(file.read_bytes())

    def seal(self, person: bytes, municipality: int, reference: str) -> str:
        """A line of text."""
        bound = _bound(municipality, reference)
        nonce = hmac.new(self._nonces, bound + b"\0" + person, hashlib.sha256).digest()[:_NONCE]
        return base64.b64encode(nonce + self._aead.encrypt(nonce, person, bound)).decode()

    def unseal(self, line: str, municipality: int, reference: str) -> bytes:
        """The person. Raises SecretBoxError for another key, another recipient's line, or a damaged one."""
        try:
            octets = base64.b64decode(line, validate=True)
            return self._aead.decrypt(octets[:_NONCE], octets[_NONCE:], _bound(municipality, reference))
        except (binascii.Error, ValueError, InvalidTag):
            raise SecretBoxError("it does not open with this transfer key, or is another recipient's") from None


def _bound(municipality: int, reference: str) -> bytes:
    return f"livlina person {municipality} {reference}".encode()
