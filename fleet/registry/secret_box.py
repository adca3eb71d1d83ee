"""Secrets of units and centres, and person data at rest: AES-256-GCM under a key outside the database (D1)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fleet.store.private_file import create_private

_KEY_BYTES = 32
_NONCE_BYTES = 12


class SecretBoxError(RuntimeError):
    """The key file is missing, readable by others or of another database; the message says which."""


class SecretBox:
    """Seals and opens unit secrets; each sealing is bound to its unit and key generation, so rows cannot be swapped."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise SecretBoxError(f"the key must be {_KEY_BYTES} bytes, not {len(key)}")
        self._aead = AESGCM(key)
        self._hash_key = hmac.new(key, b"livlina keyed hash", hashlib.sha256).digest()

    @classmethod
    def open(cls, file: Path, *, create: bool = False) -> SecretBox:
        """Reads the key file; with ``create`` makes it (0600, synced) where there is none. Raises SecretBoxError."""
        if create and not file.exists():
            create_private(file, secrets.token_bytes(_KEY_BYTES))
        try:
            if file.stat().st_mode & 0o077:
                raise SecretBoxError(f"{file} may be read by others: chmod 600 it, and change the key if it leaked")
            return cls(file.read_bytes())
        except FileNotFoundError:
            raise SecretBoxError(
                f"{file} is missing: without it no unit secret can be opened. Restore it from the backup of keys/"
            ) from None

    def seal(self, secret: bytes, unit: int, generation: int) -> bytes:
        """Nonce, ciphertext and tag in one string."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, _bound(unit, generation))

    def open_secret(self, sealed: bytes, unit: int, generation: int) -> bytes:
        """The secret. Raises SecretBoxError where the row was altered, moved or sealed under another key."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(unit, generation))
        except InvalidTag:
            raise SecretBoxError(
                f"the secret of unit {unit:08x} generation {generation} does not open with this key file"
            ) from None

    def seal_for_centre(self, secret: bytes, centre: int, kind: str) -> bytes:
        """As `seal`, bound to an alarm centre's number and the kind of its secret."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, _bound_to_centre(centre, kind))

    def open_for_centre(self, sealed: bytes, centre: int, kind: str) -> bytes:
        """The secret. Raises SecretBoxError where the row was altered, moved or sealed under another key."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to_centre(centre, kind))
        except InvalidTag:
            raise SecretBoxError(f"the {kind} of centre {centre} does not open with this key file") from None

    def seal_for_provider(self, secret: bytes, provider: int) -> bytes:
        """As `seal`, bound to an identity provider's number."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, _bound_to_provider(provider))

    def open_for_provider(self, sealed: bytes, provider: int) -> bytes:
        """The secret. Raises SecretBoxError where the row was altered, moved or sealed under another key."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to_provider(provider))
        except InvalidTag:
            raise SecretBoxError(
                f"the secret of identity provider {provider} does not open with this key file"
            ) from None

    def seal_for_sim_provider(self, secret: bytes, provider: int) -> bytes:
        """As `seal`, bound to a SIM provider's number."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, _bound_to_sim_provider(provider))

    def open_for_sim_provider(self, sealed: bytes, provider: int) -> bytes:
        """The secret. Raises SecretBoxError where the row was altered, moved or sealed under another key."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to_sim_provider(provider))
        except InvalidTag:
            raise SecretBoxError(f"the secret of SIM provider {provider} does not open with this key file") from None

    def keyed_hash(self, text: str, purpose: str) -> bytes:
        """32 octets by which something is found again that a stolen database must not give away by guessing."""
        return hmac.new(self._hash_key, f"{purpose}\0{text}".encode(), hashlib.sha256).digest()

    def seal_person(self, plain: bytes, recipient: int) -> bytes:
        """Person data of one recipient; bound to that recipient, so that rows cannot be swapped."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, _bound_to_recipient(recipient))

    def open_person(self, sealed: bytes, recipient: int) -> bytes:
        """The same in the clear. Raises SecretBoxError where the row was altered, moved or sealed under another key."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to_recipient(recipient))
        except InvalidTag:
            raise SecretBoxError(f"the sealed part of recipient {recipient} does not open with this key file") from None


def _bound_to_centre(centre: int, kind: str) -> bytes:
    return b"livlina centre secret" + centre.to_bytes(4, "big") + kind.encode()


def _bound_to_provider(provider: int) -> bytes:
    return b"livlina identity provider" + provider.to_bytes(4, "big")


def _bound_to_sim_provider(provider: int) -> bytes:
    return b"livlina sim provider" + provider.to_bytes(4, "big")


def _bound(unit: int, generation: int) -> bytes:
    return b"livlina unit secret" + unit.to_bytes(4, "big") + generation.to_bytes(1, "big")


def _bound_to_recipient(recipient: int) -> bytes:
    return b"livlina recipient" + recipient.to_bytes(8, "big")
