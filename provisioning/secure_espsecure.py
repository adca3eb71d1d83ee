"""Signing keys of secure boot (version 2, RSA-3072), by espsecure. Keys are files of mode 0600; where only the public
half is needed, a public key's file will do. Keys in tokens: provisioning.boot_key."""

from __future__ import annotations

import tempfile
from pathlib import Path

from provisioning import tool


def make_signing_key(path: Path) -> None:
    """A new private key at `path`, which must not exist yet."""
    if path.exists():
        raise FileExistsError(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".key.", dir=path.parent) as folder:
        made = Path(folder) / "key.pem"
        tool.run("espsecure", "generate-signing-key", "--version", "2", "--scheme", "rsa3072", made)
        made.chmod(0o600)
        made.rename(path)


def sign(image: bytes, key: Path) -> bytes:
    """The image, padded, with its signature block."""
    with tempfile.TemporaryDirectory(prefix="sign.") as folder:
        plain, signed = Path(folder) / "image.bin", Path(folder) / "signed.bin"
        plain.write_bytes(image)
        tool.run("espsecure", "sign-data", "--version", "2", "--keyfile", key, "--output", signed, plain)
        return signed.read_bytes()


def with_signature(padded: bytes, public: Path, signature: bytes) -> bytes:
    """An image of whole sectors with the block of a signature that was made elsewhere, which is checked."""
    with tempfile.TemporaryDirectory(prefix="sign.") as folder:
        plain, made, signed = (Path(folder) / name for name in ("image.bin", "signature.bin", "signed.bin"))
        plain.write_bytes(padded)
        made.write_bytes(signature)
        words = ("--version", "2", "--pub-key", public, "--signature", made, "--output", signed, plain)
        tool.run("espsecure", "sign-data", *words)
        return signed.read_bytes()


def is_signed_by(image: bytes, key: Path) -> bool:
    """Whether the image carries a signature of this key."""
    with tempfile.TemporaryDirectory(prefix="sign.") as folder:
        path = Path(folder) / "signed.bin"
        path.write_bytes(image)
        try:
            tool.run("espsecure", "verify-signature", "--version", "2", "--keyfile", key, path)
        except tool.ToolError:
            return False
    return True


def key_digest(key: Path) -> bytes:
    """The 32 bytes that go into a SECURE_BOOT_DIGEST block."""
    with tempfile.TemporaryDirectory(prefix="sign.") as folder:
        made = Path(folder) / "digest.bin"
        tool.run("espsecure", "digest-sbv2-public-key", "--keyfile", key, "--output", made)
        return made.read_bytes()
