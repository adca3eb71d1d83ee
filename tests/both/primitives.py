"""AES-ECB and SHA-256 for the tests of this folder: the unit's own modules there, `cryptography` on CPython."""

import hashlib
import os
from binascii import unhexlify

try:
    import cryptolib
except ImportError:
    cryptolib = None
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def ecb(key):
    """Return a function that encrypts whole blocks under AES-ECB."""
    if cryptolib:
        return cryptolib.aes(key, 1).encrypt
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update


def sha256(data):
    """Return the digest of `data`."""
    return hashlib.sha256(data).digest()


def vectors(name):
    """Yield (case, fields) of protocols/wire/vectors/<name>.txt; fields map names to bytes, or to text for `reason`."""
    here = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
    # In a unit's image they are not there.
    folder = os.getenv("TEST_VECTORS") or here + "/../../protocols/wire/vectors"
    case = None
    fields = {}
    with open(folder + "/" + name + ".txt") as file:
        for raw in file:
            line = raw.strip()
            if line.startswith("[") and line.endswith("]"):
                if case:
                    yield case, fields
                case, fields = line[1:-1], {}
            elif line and not line.startswith("#"):
                label, value = [part.strip() for part in line.split("=")]
                fields[label] = value if label == "reason" else unhexlify(value)
    yield case, fields
