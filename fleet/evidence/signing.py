"""The key of the heads: Ed25519, outside the database, so that whoever owns the database cannot sign another past."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fleet.evidence.decide import head_octets, pruning_octets
from fleet.evidence.model import Head, Pruning
from fleet.store.private_file import create_private

_KEY_OCTETS = 32


class SigningKeyError(RuntimeError):
    """The key file is missing, readable by others or no key; the message says which."""


def key_id_of(public: bytes) -> str:
    """Sixteen hex digits that name a public key."""
    return hashlib.sha256(public).hexdigest()[:16]


class SigningKey:
    """Signs heads and prunings."""

    def __init__(self, private: bytes) -> None:
        if len(private) != _KEY_OCTETS:
            raise SigningKeyError(f"the signing key must be {_KEY_OCTETS} octets, not {len(private)}")
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        self.public = self._key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public)

    @classmethod
    def open(cls, file: Path, *, create: bool = False) -> SigningKey:
        """Reads the key; with ``create`` makes it (0600, synced) where there is none, and its public part beside it as
        hex in ``*.pub``, for whoever verifies elsewhere. Raises SigningKeyError."""
        if create and not file.exists():
            create_private(file, Ed25519PrivateKey.generate().private_bytes_raw())
        try:
            if file.stat().st_mode & 0o077:
                raise SigningKeyError(f"{file} may be read by others: chmod 600 it, and make a new key if it leaked")
            key = cls(file.read_bytes())
        except FileNotFoundError:
            raise SigningKeyError(f"{file} is missing: restore it from the backup of keys/") from None
        public = file.with_suffix(".pub")
        if not public.exists():
            public.write_text(key.public.hex() + "\n", encoding="ascii")
        return key

    def sign_head(self, position: int, hash_: bytes, at: datetime) -> Head:
        """The head of the chain, signed."""
        return Head(position, hash_, at, self.key_id, self._key.sign(head_octets(position, hash_, at)))

    def sign_pruning(self, source: str, position: int, hash_: bytes, at: datetime) -> Pruning:
        """A pruning, signed."""
        signature = self._key.sign(pruning_octets(source, position, hash_, at))
        return Pruning(source, position, hash_, at, self.key_id, signature)


PublicKeys = Mapping[str, Ed25519PublicKey]
"""Keys that are trusted, by their id."""


def read_public_keys(*files: Path) -> dict[str, Ed25519PublicKey]:
    """Public keys, one in hex a line. Raises SigningKeyError for a file that holds anything else, OSError."""
    found = {}
    for file in files:
        for line in file.read_text(encoding="ascii", errors="replace").split():
            try:
                octets = bytes.fromhex(line)
                key = Ed25519PublicKey.from_public_bytes(octets)
            except ValueError:
                raise SigningKeyError(
                    f"{file} holds no public key: give the .pub file beside the signing key"
                ) from None
            found[key_id_of(octets)] = key
    return found


def genuine_head(head: Head, keys: PublicKeys) -> bool:
    """Whether one of the keys signed this head."""
    return _genuine(head.key_id, head.signature, head_octets(head.position, head.hash, head.at), keys)


def genuine_pruning(pruning: Pruning, keys: PublicKeys) -> bool:
    """Whether one of the keys signed this pruning."""
    octets = pruning_octets(pruning.source, pruning.position, pruning.hash, pruning.at)
    return _genuine(pruning.key_id, pruning.signature, octets, keys)


def _genuine(key_id: str, signature: bytes, octets: bytes, keys: PublicKeys) -> bool:
    key = keys.get(key_id)
    if key is None:
        return False
    try:
        key.verify(signature, octets)
    except InvalidSignature:
        return False
    return True
