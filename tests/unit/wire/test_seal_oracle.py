"""CCM, HKDF and the frame against `cryptography` and pycose."""

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st
from primitives import ecb, sha256
from pycose.algorithms import AESCCM1664128
from pycose.headers import IV, KID, Algorithm, PartialIV
from pycose.keys import SymmetricKey
from pycose.messages import Enc0Message

from protocols.wire import cbor, seal
from protocols.wire.ccm import Ccm

KEYS = st.binary(min_size=16, max_size=16)
NONCES = st.binary(min_size=13, max_size=13)
PLAIN = st.binary(max_size=400)


@given(KEYS, NONCES, PLAIN, st.binary(max_size=80))
@settings(max_examples=300)
def test_ccm_equals_cryptography(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> None:
    ours, theirs = Ccm(ecb(key)), AESCCM(key, tag_length=8)
    sealed = ours.encrypt(nonce, data, aad)
    assert sealed == theirs.encrypt(nonce, data, aad)
    assert ours.decrypt(nonce, sealed, aad) == data


@given(KEYS, NONCES, st.binary(min_size=0, max_size=60), st.binary(max_size=20))
@settings(max_examples=300)
def test_ccm_refuses_what_cryptography_refuses(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> None:
    ours = Ccm(ecb(key)).decrypt(nonce, data, aad)
    try:
        theirs = AESCCM(key, tag_length=8).decrypt(nonce, data, aad)
    except (InvalidTag, ValueError):
        theirs = None
    assert ours == theirs


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 1000, 65535])
def test_ccm_at_the_edges_of_its_length(length: int) -> None:
    key, nonce, data = bytes(range(16)), bytes(13), bytes(i & 0xFF for i in range(length))
    for aad in (b"", bytes(0xFEFF)):
        assert Ccm(ecb(key)).encrypt(nonce, data, aad) == AESCCM(key, tag_length=8).encrypt(nonce, data, aad)


@given(st.binary(max_size=80), st.binary(max_size=200), st.binary(max_size=80), st.integers(1, 100))
def test_hkdf_and_hmac_equal_cryptography(secret: bytes, salt: bytes, info: bytes, length: int) -> None:
    theirs = HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info)
    assert seal.hkdf(sha256, secret, salt, info, length) == theirs.derive(secret)
    mac = hmac.HMAC(salt, hashes.SHA256())
    mac.update(info)
    assert seal.hmac(sha256, salt, info) == mac.finalize()


UNITS = st.integers(1, 0xFFFFFFFF)


@given(KEYS, UNITS, st.integers(0, 255), st.integers(0, seal.MAX_COUNTER), PLAIN)
def test_pycose_opens_our_up_frames(secret: bytes, unit: int, generation: int, counter: int, plain: bytes) -> None:
    kid = seal.kid(unit, generation)
    key, common_iv = seal.derive(sha256, secret, kid, seal.UP)
    assert common_iv is not None
    frame = seal.seal_up(Ccm(ecb(key)), common_iv, kid, counter, plain)
    message = Enc0Message.from_cose_obj(cbor.decode(frame), allow_unknown_attributes=False)
    assert message.uhdr[KID] == kid
    partial = message.uhdr.pop(PartialIV)
    assert int.from_bytes(partial, "big") == counter
    # pycose takes no common IV, so the nonce is made here by the standard's rule, apart from ours.
    padded = partial.rjust(13, b"\0")
    message.uhdr[IV] = bytes(a ^ b for a, b in zip(common_iv, padded, strict=True))
    message.key = SymmetricKey(k=key)
    assert message.decrypt() == plain


@given(KEYS, NONCES, PLAIN)
def test_pycose_opens_our_down_frames_and_we_open_its(secret: bytes, iv: bytes, plain: bytes) -> None:
    key, _ = seal.derive(sha256, secret, seal.kid(1, 0), seal.DOWN)
    frame = seal.seal_down(Ccm(ecb(key)), iv, plain)
    message = Enc0Message.from_cose_obj(cbor.decode(frame), allow_unknown_attributes=False)
    message.key = SymmetricKey(k=key)
    assert message.decrypt() == plain
    made = Enc0Message(phdr={Algorithm: AESCCM1664128}, uhdr={IV: iv}, payload=plain)
    made.key = SymmetricKey(k=key)
    assert made.encode(tag=False) == frame
    assert seal.open_down(Ccm(ecb(key)), seal.parse(frame)) == plain


@given(st.binary(max_size=seal.MAX_FRAME + 20))
@settings(max_examples=1000)
def test_any_bytes_are_parsed_or_refused_by_reason(data: bytes) -> None:
    check(data)


@given(st.data())
@settings(max_examples=1000)
def test_damage_near_a_good_frame_is_parsed_or_refused_by_reason(data: st.DataObject) -> None:
    kid = seal.kid(7, 1)
    key, iv = seal.derive(sha256, bytes(16), kid, seal.UP, b"contexts")
    assert iv is not None
    frame = bytearray(seal.seal_up(Ccm(ecb(key)), iv, kid, 1000, b"plain", b"contexts"))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(frame))


def check(data: bytes) -> None:
    reasons = {"truncated", "oversize", "cbor", "not_cose", "algorithm", "direction", "kid", "counter", "iv"}
    try:
        envelope = seal.parse(data)
    except seal.SealError as error:
        assert error.reason in reasons
        return
    # Whatever is accepted can be said again in one way only.
    if envelope.direction == seal.DOWN:
        again = cbor.encode([b"\xa1\x01\x0a", {5: envelope.iv}, envelope.ciphertext])
    else:
        assert envelope.unit and envelope.counter is not None
        partial = envelope.counter.to_bytes((max(envelope.counter.bit_length(), 1) + 7) // 8, "big")
        header = {4: envelope.kid, 6: partial}
        if envelope.kid_context is not None:
            header[10] = envelope.kid_context
        again = cbor.encode([b"\xa1\x01\x0a", header, envelope.ciphertext])
    assert again == data
