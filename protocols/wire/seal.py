"""The sealed frame: COSE_Encrypt0 (RFC 9052 section 5.2, untagged) with AES-CCM-16-64-128 and keys from HKDF-SHA256.

One frame travels in a CoAP payload, an MQTT payload or an SMS. It decides whether bytes are such a frame, from or to
whom, and whether they are genuine. It never chooses a counter or an IV, keeps no replay window and no state, and never
looks into the plaintext. `aead` is anything with `ccm.Ccm`'s `encrypt` and `decrypt`; `sha256` maps bytes to a digest.
"""

from protocols.wire import cbor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Aead(Protocol):
        """Authenticated encryption under one key; `decrypt` returns None for a wrong tag."""

        def encrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes: ...

        def decrypt(self, nonce: bytes, data: bytes, aad: bytes) -> "bytes | None": ...


UP = 0
DOWN = 1
MAX_FRAME = 512
"""Longest frame in bytes, both directions."""

SECRET = 16
"""Length of a unit's master secret in bytes."""

MAX_COUNTER = 0xFFFFFFFFFF
"""Highest counter of an up frame: a partial IV has at most 5 bytes."""

_ALGORITHM = 10  # AES-CCM-16-64-128, RFC 9053 section 4.2
_ARRAY_OF_3 = 0x83
_PROTECTED = b"\xa1\x01\x0a"
_AAD = cbor.encode(["Encrypt0", _PROTECTED, b""])  # Enc_structure, RFC 9052 section 5.3
_KID = 4
_IV = 5
_PARTIAL_IV = 6
_KID_CONTEXT = 10  # RFC 8613 section 5.1
_KID_LENGTH = 5
_IV_LENGTH = 13
_CONTEXT_LENGTH = 8
_TAG_LENGTH = 8
_SHA256_BLOCK = 64


class SealError(ValueError):
    """Not a frame of ours, or not a genuine one.

    `reason` is one of truncated, oversize, cbor, not_cose, algorithm, direction, kid, counter, iv, tag.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("frame refused: " + reason)
        self.reason = reason


class Envelope:
    """What a frame says in the clear, not yet verified: `parse` makes it, `open_up` and `open_down` verify it.

    `direction` UP or DOWN, `ciphertext` with its tag. Up: `unit` number, key `generation`, `kid` (5 bytes), `counter`,
    `kid_context` (8 bytes or None). Down: `iv` (13 bytes). What the direction does not have is None.
    """

    def __init__(
        self,
        direction: int,
        ciphertext: bytes,
        *,
        kid: "bytes | None" = None,
        counter: "int | None" = None,
        kid_context: "bytes | None" = None,
        iv: "bytes | None" = None,
    ) -> None:
        self.direction = direction
        self.ciphertext = ciphertext
        self.kid = kid
        self.unit = None if kid is None else int.from_bytes(kid[:4], "big")
        self.generation = None if kid is None else kid[4]
        self.counter = counter
        self.kid_context = kid_context
        self.iv = iv


def kid(unit: int, generation: int) -> bytes:
    """Return the key id of a unit's key generation. Raises SealError("kid") for numbers that cannot be."""
    if not 0 < unit <= 0xFFFFFFFF or not 0 <= generation <= 0xFF:
        raise SealError("kid")
    return unit.to_bytes(4, "big") + bytes((generation,))


def hmac(sha256: "Callable[[bytes], bytes]", key: bytes, data: bytes) -> bytes:
    """Return HMAC-SHA256 (RFC 2104)."""
    if len(key) > _SHA256_BLOCK:
        key = sha256(key)
    key = key + bytes(_SHA256_BLOCK - len(key))
    inner = sha256(bytes([b ^ 0x36 for b in key]) + data)
    return sha256(bytes([b ^ 0x5C for b in key]) + inner)


def hkdf(sha256: "Callable[[bytes], bytes]", secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """Return `length` bytes of HKDF-SHA256 (RFC 5869); an empty salt is 32 zero bytes (section 2.2)."""
    key = hmac(sha256, salt, secret)
    out = block = b""
    count = 0
    while len(out) < length:
        count += 1
        block = hmac(sha256, key, block + info + bytes((count,)))
        out += block
    return out[:length]


def derive(
    sha256: "Callable[[bytes], bytes]", secret: bytes, kid: bytes, direction: int, kid_context: "bytes | None" = None
) -> "tuple[bytes, bytes | None]":
    """Return the 16-byte key of one direction and its 13-byte common IV (None for DOWN, where each frame has its own).

    Raises ValueError when the caller hands in a secret, key id, direction or context of the wrong form.
    """
    if len(secret) != SECRET or len(kid) != _KID_LENGTH or direction not in (UP, DOWN):
        raise ValueError("derive needs a secret of 16 bytes, a kid of 5 bytes and a direction")
    if kid_context is not None and (direction == DOWN or len(kid_context) != _CONTEXT_LENGTH):
        raise ValueError("a kid context has 8 bytes and belongs to the up direction")

    def part(name: str, length: int) -> bytes:
        info = cbor.encode(["livlina", kid, direction, kid_context, _ALGORITHM, name, length])
        return hkdf(sha256, secret, b"", info, length)

    return part("Key", 16), part("IV", _IV_LENGTH) if direction == UP else None


def parse(frame: "bytes | bytearray | memoryview") -> Envelope:
    """Return what the frame says in the clear. Strict, and never decrypts. Raises SealError."""
    if len(frame) > MAX_FRAME:
        raise SealError("oversize")
    # Said before CBOR is tried, so that text, JSON or a plain message is named as what it is.
    if frame and frame[0] != _ARRAY_OF_3:
        raise SealError("not_cose")
    protected, header, ciphertext = _decode(frame)
    if not isinstance(protected, bytes) or not isinstance(header, dict) or not isinstance(ciphertext, bytes):
        raise SealError("not_cose")
    if protected != _PROTECTED:
        raise SealError("algorithm")
    if len(ciphertext) < _TAG_LENGTH:
        raise SealError("truncated")
    labels = sorted(header)
    if labels == [_IV]:
        if not _is_bytes(header[_IV], _IV_LENGTH):
            raise SealError("iv")
        return Envelope(DOWN, ciphertext, iv=header[_IV])
    if labels not in ([_KID, _PARTIAL_IV], [_KID, _PARTIAL_IV, _KID_CONTEXT]):
        raise SealError("direction")
    if not _is_bytes(header[_KID], _KID_LENGTH) or header[_KID][:4] == b"\0\0\0\0":
        raise SealError("kid")
    context = header.get(_KID_CONTEXT)
    if _KID_CONTEXT in header and not _is_bytes(context, _CONTEXT_LENGTH):
        raise SealError("kid")
    return Envelope(UP, ciphertext, kid=header[_KID], counter=_counter(header[_PARTIAL_IV]), kid_context=context)


def seal_up(
    aead: "Aead",
    common_iv: bytes,
    kid: bytes,
    counter: int,
    plaintext: bytes,
    kid_context: "bytes | None" = None,
) -> bytes:
    """Return the frame from unit to fleet. `counter` must never have been used with this key for other bytes.

    Raises SealError counter, kid or oversize.
    """
    if not 0 <= counter <= MAX_COUNTER:
        raise SealError("counter")
    if len(kid) != _KID_LENGTH or (kid_context is not None and len(kid_context) != _CONTEXT_LENGTH):
        raise SealError("kid")
    header = {_KID: kid, _PARTIAL_IV: _partial_iv(counter)}
    if kid_context is not None:
        header[_KID_CONTEXT] = kid_context
    return _frame(header, aead.encrypt(_nonce(common_iv, counter), plaintext, _AAD))


def open_up(aead: "Aead", common_iv: bytes, envelope: Envelope) -> bytes:
    """Return the verified plaintext of an up frame. Raises SealError direction or tag."""
    if envelope.direction != UP or envelope.counter is None:
        raise SealError("direction")
    return _open(aead, _nonce(common_iv, envelope.counter), envelope)


def seal_down(aead: "Aead", iv: bytes, plaintext: bytes) -> bytes:
    """Return the frame from fleet to unit. `iv` is 13 fresh random bytes. Raises SealError iv or oversize."""
    if len(iv) != _IV_LENGTH:
        raise SealError("iv")
    return _frame({_IV: iv}, aead.encrypt(iv, plaintext, _AAD))


def open_down(aead: "Aead", envelope: Envelope) -> bytes:
    """Return the verified plaintext of a down frame. Raises SealError direction or tag."""
    if envelope.direction != DOWN or envelope.iv is None:
        raise SealError("direction")
    return _open(aead, envelope.iv, envelope)


def _open(aead: "Aead", nonce: bytes, envelope: Envelope) -> bytes:
    plaintext = aead.decrypt(nonce, envelope.ciphertext, _AAD)
    if plaintext is None:
        raise SealError("tag")
    return plaintext


def _frame(header: "dict[int, bytes]", ciphertext: bytes) -> bytes:
    frame = cbor.encode([_PROTECTED, header, ciphertext])
    if len(frame) > MAX_FRAME:
        raise SealError("oversize")
    return frame


def _decode(frame: "bytes | bytearray | memoryview") -> "Any":
    try:
        return cbor.decode(frame)
    except cbor.CborError as error:
        reason = "truncated" if error.reason == "truncated" else "cbor"
    raise SealError(reason)


def _is_bytes(value: object, length: int) -> bool:
    return isinstance(value, bytes) and len(value) == length


def _counter(partial: object) -> int:
    if not isinstance(partial, bytes) or not 1 <= len(partial) <= 5 or (partial[0] == 0 and len(partial) > 1):
        raise SealError("counter")
    return int.from_bytes(partial, "big")


def _partial_iv(counter: int) -> bytes:
    return counter.to_bytes(5, "big").lstrip(b"\0") or b"\0"


def _nonce(common_iv: bytes, counter: int) -> bytes:
    # RFC 9052 section 3.1: the partial IV, left-padded with zeros, XOR the common IV.
    if len(common_iv) != _IV_LENGTH:
        raise SealError("iv")
    return (int.from_bytes(common_iv, "big") ^ counter).to_bytes(_IV_LENGTH, "big")
