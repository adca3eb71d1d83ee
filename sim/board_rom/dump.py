"""What somebody finds who has read a board's flash out: secrets in the forms in which programs leave them behind.

A search knows whole values in many forms and, as plain bytes, pieces of them, since a flash keeps old blocks of files
that were written anew, some of them written over in part. What is packed or encrypted it does not find.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from protocols.wire import cbor, seal
from provisioning import littlefs_image
from provisioning.partition_table import files_of_the_unit, layout

PIECE = 12
"""Bytes of a secret that are as good as it: the rest is guessed."""
LEFT_OPEN = ("master secret", "TLS key")
"""What stock MicroPython cannot protect in a unit's own files (docs/security.md), as plain bytes only."""
PLAIN = ("bytes", "piece")


@dataclass(frozen=True)
class Find:
    """One place: which secret, in which form, at which byte."""

    secret: str
    form: str
    at: int


def searched(dump: bytes, secrets: Mapping[str, bytes]) -> list[Find]:
    """Every secret and form once, at its first place."""
    found = ((name, form, dump.find(shape)) for name, value in secrets.items() for form, shape in _forms(value))
    return [Find(name, form, at) for name, form, at in found if at >= 0]


def unprotected(own_files: bytes, elsewhere: bytes, secrets: Mapping[str, bytes]) -> list[Find]:
    """What lies where it must not: anything outside of the unit's own partition, and in it all but what is named in
    docs/security.md. `own_files` is the partition with its old blocks."""
    inside = searched(own_files, secrets)
    return [*searched(elsewhere, secrets),
            *(one for one in inside if one.secret not in LEFT_OPEN or one.form not in PLAIN)]  # fmt: skip


def exposed(folder: Path) -> list[Find]:
    """`unprotected` of a production board, and what it has printed. `folder` is the board, without power. Raises
    ImageError if it has no file system."""
    flash = (folder / "flash.bin").read_bytes()
    part = files_of_the_unit(layout(len(flash), sealed=True))
    own, printed = flash[part.offset : part.end], folder / "console.log"
    elsewhere = flash[: part.offset] + flash[part.end :].rstrip(b"\xff")
    elsewhere += printed.read_bytes() if printed.exists() else b""
    return unprotected(own, elsewhere, secrets_in(littlefs_image.read(own)))


def secrets_in(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What of a unit's own files is secret: its master secret, its TLS key, and the keys made of the former."""
    identity = cbor.decode(files["identity.cbor"])
    unit, generation, secret = identity[1], identity[2], bytes(identity[3])
    key = load_der_private_key(files["key.der"], None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    scalar = key.private_numbers().private_value.to_bytes(32)
    names = (("key up", seal.UP), ("key down", seal.DOWN))
    made = {name: seal.derive(_sha256, secret, seal.kid(unit, generation), way)[0] for name, way in names}
    return {**made, "master secret": secret, "TLS key": scalar}


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _forms(value: bytes) -> Iterator[tuple[str, bytes]]:
    yield "bytes", value
    for start in range(len(value) - PIECE + 1):
        yield "piece", value[start : start + PIECE]
    yield "bytes reversed", value[::-1]
    for separator in ("", ":", " ", "-", ", 0x", ",0x", "\\x"):
        text = separator.join(f"{byte:02x}" for byte in value)
        yield "hex", text.encode()
        yield "hex", text.upper().replace("0X", "0x").encode()
        yield "hex, two bytes a character", text.encode("utf-16-le")
    for separator in (",", ", ", " "):
        yield "numbers", separator.join(str(byte) for byte in value).encode()
    yield "as Python writes it", repr(value)[2:-1].encode()
    for shift in range(3):
        # In a longer text it stands at one of three places; its ends are mixed with what is beside it.
        whole = (bytes(shift) + value)[: (shift + len(value)) // 3 * 3]
        for coded in (b64encode(whole), urlsafe_b64encode(whole)):
            yield "Base64", coded[4 if shift else 0 :]
