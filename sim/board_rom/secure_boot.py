"""Secure boot, version 2, as an ESP32-S3 checks it: an image's RSA signature, and whose key it is.

A signed image is padded to a sector, and one more sector holds up to three blocks of 1216 bytes: magic E7, version 2,
the SHA-256 of what is signed, the public key with two numbers that a chip computes faster by (little-endian), the
signature (RSA-PSS, salt of 32) and a CRC-32. A key counts if SHA-256 of its part of the block lies in a key block of
the eFuses whose purpose is a secure boot digest and which is not revoked. (ESP-IDF's guide, "Secure Boot v2".)
"""

from __future__ import annotations

import binascii
import hashlib
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from sim.board_rom.chip import S3_PURPOSES
from sim.board_rom.efuse import EfuseController

SECTOR = 0x1000
BLOCK, BLOCKS = 1216, 3
_DIGEST_PURPOSES = (9, 10, 11)  # SECURE_BOOT_DIGEST0..2
_FIRST_KEY_BLOCK = 4
_SIGNED, _KEY, _SIGNATURE, _END = 4, 36, 812, 1196
_RSA_BYTES = 384


def is_on(efuses: EfuseController) -> bool:
    """Whether SECURE_BOOT_EN is burnt."""
    return bool(efuses.word(0, 3) >> 20 & 1)


def trusted_digests(efuses: EfuseController) -> list[bytes]:
    """The keys that this chip believes."""
    found = []
    for key, (word, shift) in enumerate(S3_PURPOSES):
        purpose = efuses.word(0, word) >> shift & 0xF
        if purpose in _DIGEST_PURPOSES and not efuses.word(0, 2) >> 21 + purpose - _DIGEST_PURPOSES[0] & 1:
            words = [efuses.word(_FIRST_KEY_BLOCK + key, index) for index in range(8)]
            found.append(struct.pack("<8I", *words))
    return found


def is_signed(content: bytes, length: int, trusted: list[bytes]) -> bool:
    """Whether an image of `length` bytes at the beginning of `content` carries a signature of a trusted key."""
    end = -(-length // SECTOR) * SECTOR
    digest = hashlib.sha256(content[:end]).digest()
    return any(
        _is_good(content[end + BLOCK * number : end + BLOCK * (number + 1)], digest, trusted)
        for number in range(BLOCKS)
    )


def _is_good(block: bytes, digest: bytes, trusted: list[bytes]) -> bool:
    if len(block) < BLOCK or block[:2] != b"\xe7\x02" or block[_SIGNED:_KEY] != digest:
        return False
    if struct.unpack("<I", block[_END : _END + 4])[0] != binascii.crc32(block[:_END]):
        return False
    if hashlib.sha256(block[_KEY:_SIGNATURE]).digest() not in trusted:
        return False
    modulus = int.from_bytes(block[_KEY : _KEY + _RSA_BYTES], "little")
    exponent = int.from_bytes(block[_KEY + _RSA_BYTES : _KEY + _RSA_BYTES + 4], "little")
    signature = block[_SIGNATURE:_END][::-1]
    try:
        RSAPublicNumbers(exponent, modulus).public_key().verify(
            signature, digest, padding.PSS(padding.MGF1(hashes.SHA256()), 32), Prehashed(hashes.SHA256())
        )
    except (InvalidSignature, ValueError):
        return False
    return True
