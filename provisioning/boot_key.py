"""The key of secure boot: a file of mode 0600, or a key in a PKCS #11 token that never leaves it.

Whoever has it decides what every production board of a fleet starts. It is RSA-3072 (secure boot version 2). In a token
it signs a digest; espsecure checks the signature and puts it into its block.
"""

from __future__ import annotations

import hashlib
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from provisioning import secure_espsecure
from provisioning.ca import AuthorityError
from provisioning.partition_table import SECTOR
from provisioning.token import TokenUri, halves, hidden, session_for_new

BITS = 3072


class BootKey(Protocol):
    """Signs images and says whose they are. Raises AuthorityError, ToolError."""

    def sign(self, image: bytes) -> bytes:
        """The image, padded, with its signature block."""

    def has_signed(self, image: bytes) -> bool:
        """Whether the image carries a signature of this key."""

    def digest(self) -> bytes:
        """The 32 bytes that go into a SECURE_BOOT_DIGEST block."""


def open_boot_key(place: str) -> BootKey:
    """From what a person names: a token's URI, or a file. Raises AuthorityError."""
    if place.startswith("pkcs11:"):
        uri = TokenUri.read(place)
        return TokenBootKey(*halves(uri, "RSA"))
    path = Path(place)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise AuthorityError(f"{path} is no secure boot key: {error.strerror}") from error
    if mode & 0o077:
        raise AuthorityError(f"{path} can be read by other users, and whoever has it signs for every board: chmod 600")
    return FileBootKey(path)


def make_in_token(uri: TokenUri) -> TokenBootKey:
    """A new key, made in the token, which never gives it out. Raises AuthorityError, also if the name is taken."""
    session = session_for_new(uri)
    from pkcs11 import KeyType

    public, private = session.generate_keypair(KeyType.RSA, BITS, store=True, label=uri.key, private_template=hidden())
    return TokenBootKey(private, public)


class FileBootKey:
    """See BootKey."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sign(self, image: bytes) -> bytes:
        """See BootKey."""
        return secure_espsecure.sign(image, self._path)

    def has_signed(self, image: bytes) -> bool:
        """See BootKey."""
        return secure_espsecure.is_signed_by(image, self._path)

    def digest(self) -> bytes:
        """See BootKey."""
        return secure_espsecure.key_digest(self._path)


class TokenBootKey:
    """See BootKey. `open_boot_key` and `make_in_token` make it."""

    def __init__(self, private: Any, public: Any) -> None:
        from pkcs11 import Attribute

        self._private = private
        numbers = (int.from_bytes(bytes(public[name])) for name in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS))
        key = RSAPublicNumbers(*numbers).public_key()
        if key.key_size != BITS:
            raise AuthorityError(f"a secure boot key has {BITS} bits, and this one {key.key_size}")
        self.public_pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, image: bytes) -> bytes:
        """See BootKey."""
        from pkcs11 import MGF, Mechanism, PKCS11Error

        padded = image + b"\xff" * (-len(image) % SECTOR)
        try:
            signature = self._private.sign(
                hashlib.sha256(padded).digest(),
                mechanism=Mechanism.RSA_PKCS_PSS,
                mechanism_param=(Mechanism.SHA256, MGF.SHA256, 32),
            )
        except PKCS11Error as error:
            raise AuthorityError(f"the token did not sign ({type(error).__name__}): is it plugged in?") from error
        with self._public_file() as public:
            return secure_espsecure.with_signature(padded, public, bytes(signature))

    def has_signed(self, image: bytes) -> bool:
        """See BootKey."""
        with self._public_file() as public:
            return secure_espsecure.is_signed_by(image, public)

    def digest(self) -> bytes:
        """See BootKey."""
        with self._public_file() as public:
            return secure_espsecure.key_digest(public)

    @contextmanager
    def _public_file(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="boot-key.") as folder:
            path = Path(folder) / "public.pem"
            path.write_bytes(self.public_pem)
            yield path
