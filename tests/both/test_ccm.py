"""AES-CCM over AES-ECB, the same on both engines."""

from primitives import ecb, vectors

from protocols.wire.ccm import Ccm

KEY = bytes(range(16))
NONCE = bytes(range(13))


def raises(function, *arguments):
    try:
        function(*arguments)
    except ValueError as error:
        return str(error)
    return None


def test_packet_vectors_of_rfc_3610():
    count = 0
    for case, v in vectors("rfc3610"):
        aead = Ccm(ecb(v["key"]))
        assert aead.encrypt(v["nonce"], v["plain"], v["aad"]) == v["sealed"], case
        assert aead.decrypt(v["nonce"], v["sealed"], v["aad"]) == v["plain"], case
        count += 1
    assert count == 12


def test_every_length_around_the_block_opens_again():
    aead = Ccm(ecb(KEY))
    data = bytes(range(70))
    for length in range(len(data)):
        for aad in (b"", b"a", b"b" * 14, b"c" * 15):
            sealed = aead.encrypt(NONCE, data[:length], aad)
            assert len(sealed) == length + 8
            assert aead.decrypt(NONCE, sealed, aad) == data[:length]


def test_any_flipped_bit_is_noticed():
    aead = Ccm(ecb(KEY))
    sealed = aead.encrypt(NONCE, b"a press at the door", b"who")
    for i in range(len(sealed)):
        for bit in range(8):
            wrong = bytearray(sealed)
            wrong[i] ^= 1 << bit
            assert aead.decrypt(NONCE, bytes(wrong), b"who") is None, (i, bit)
    for i in range(13):
        nonce = bytearray(NONCE)
        nonce[i] ^= 1
        assert aead.decrypt(bytes(nonce), sealed, b"who") is None
    for aad in (b"", b"wh", b"who ", b"Who"):
        assert aead.decrypt(NONCE, sealed, aad) is None
    assert Ccm(ecb(bytes(16))).decrypt(NONCE, sealed, b"who") is None
    # The control: the untouched bytes open.
    assert aead.decrypt(NONCE, sealed, b"who") == b"a press at the door"


def test_what_is_shorter_than_a_tag_is_never_genuine():
    aead = Ccm(ecb(KEY))
    for length in range(8):
        assert aead.decrypt(NONCE, bytes(length), b"") is None
    assert aead.decrypt(NONCE, bytes(8), b"") is None
    assert aead.decrypt(NONCE, aead.encrypt(NONCE, b"", b""), b"") == b""


def test_lengths_that_ccm_cannot_take_are_refused():
    aead = Ccm(ecb(KEY))
    for length in (0, 12, 14):
        assert "nonce" in raises(aead.encrypt, bytes(length), b"x", b"")
        assert "nonce" in raises(aead.decrypt, bytes(length), bytes(9), b"")
    assert "65279" in raises(aead.encrypt, NONCE, b"x", bytes(0xFF00))
    assert "65535" in raises(aead.encrypt, NONCE, bytes(0x10000), b"")
