"""AES-CCM (RFC 3610) as COSE's AES-CCM-16-64-128 uses it: L = 2, a 13-byte nonce, an 8-byte tag.

Written over AES-ECB because that is all that stock MicroPython has. It takes no key: the caller hands in the block
cipher. `encrypt` and `decrypt` have the signature of `cryptography`'s AESCCM, so that a server may use that instead.
It never chooses a nonce and never remembers one: that the same nonce is not used twice is the caller's promise.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NONCE = 13
TAG = 8
_BLOCK = 16
# RFC 3610 section 2.2: bit 6 = there is associated data, bits 5..3 = (8 - 2) / 2, bits 2..0 = L - 1.
_FLAGS = 0x19
_ADATA = 0x40
_LONGEST_DATA = 0xFFFF
_LONGEST_AAD = 0xFEFF


class Ccm:
    """One key's CCM. `ecb` encrypts any whole number of 16-byte blocks under AES-ECB, each by itself.

    On the unit: `Ccm(cryptolib.aes(key, 1).encrypt)`.
    """

    def __init__(self, ecb: "Callable[[bytes], bytes]") -> None:
        self._ecb = ecb

    def encrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        """Return the ciphertext of `data` with the tag behind it. Raises ValueError for a length CCM cannot take."""
        stream = self._stream(nonce, len(data))
        tag = _xor(self._mac(nonce, data, aad)[:TAG], stream[:TAG])
        return _xor(data, stream[_BLOCK : _BLOCK + len(data)]) + tag

    def decrypt(self, nonce: bytes, data: bytes, aad: bytes) -> "bytes | None":
        """Return the plaintext, or None when the tag does not fit: then nothing of the plaintext leaves this method.

        The tags are compared in a time that does not depend on where they differ.
        """
        length = len(data) - TAG
        if length < 0:
            return None
        stream = self._stream(nonce, length)
        plain = _xor(data[:length], stream[_BLOCK : _BLOCK + length])
        tag = _xor(self._mac(nonce, plain, aad)[:TAG], stream[:TAG])
        difference = 0
        for i in range(TAG):
            difference |= tag[i] ^ data[length + i]
        return None if difference else plain

    def _stream(self, nonce: bytes, length: int) -> bytes:
        """Return S_0 (for the tag) and the key stream for `length` bytes, from one call of the cipher (section 2.3)."""
        if len(nonce) != NONCE:
            raise ValueError("CCM needs a nonce of 13 bytes")
        if length > _LONGEST_DATA:
            raise ValueError("CCM with L = 2 takes at most 65535 bytes")
        blocks = 1 + (length + _BLOCK - 1) // _BLOCK
        counters = bytearray(_BLOCK * blocks)
        for i in range(blocks):
            at = _BLOCK * i
            counters[at] = 1
            counters[at + 1 : at + 14] = nonce
            counters[at + 14] = i >> 8
            counters[at + 15] = i & 0xFF
        return self._ecb(bytes(counters))

    def _mac(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        """Return the CBC-MAC over B_0, the associated data and the data (section 2.2)."""
        if len(aad) > _LONGEST_AAD:
            raise ValueError("CCM here takes at most 65279 bytes of associated data")
        flags = _FLAGS | _ADATA if aad else _FLAGS
        state = self._ecb(bytes((flags,)) + nonce + len(data).to_bytes(2, "big"))
        if aad:
            state = self._chain(state, len(aad).to_bytes(2, "big") + aad)
        return self._chain(state, data)

    def _chain(self, state: bytes, data: bytes) -> bytes:
        block = bytearray(_BLOCK)
        for start in range(0, len(data), _BLOCK):
            # The last block is padded with zeros, which change nothing.
            block[:] = state
            for i in range(min(_BLOCK, len(data) - start)):
                block[i] ^= data[start + i]
            state = self._ecb(bytes(block))
        return state


def _xor(one: bytes, other: bytes) -> bytes:
    value = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return value.to_bytes(len(one), "big")
