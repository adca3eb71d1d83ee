"""The sealed frame, the same on both engines."""

import golden
from primitives import ecb, sha256, vectors

from protocols.wire import seal
from protocols.wire.ccm import Ccm

KID = seal.kid(golden.UNIT, golden.GENERATION)
UP_KEY, UP_IV = seal.derive(sha256, golden.SECRET, KID, seal.UP)
DOWN_KEY, NO_IV = seal.derive(sha256, golden.SECRET, KID, seal.DOWN)
UP = Ccm(ecb(UP_KEY))
DOWN = Ccm(ecb(DOWN_KEY))


class Blind:
    """The control: decrypts without looking at the tag."""

    def __init__(self, aead):
        self.aead = aead

    def decrypt(self, nonce, data, aad):
        return self.aead.encrypt(nonce, data[:-8], aad)[:-8]


def reason(function, *arguments):
    try:
        function(*arguments)
    except seal.SealError as error:
        return error.reason
    return None


def open_any(frame, wrapped=None):
    """Open a frame as its receiver does: with the key that its own kid and context lead to."""
    envelope = seal.parse(frame)
    kid = KID if envelope.direction == seal.DOWN else envelope.kid
    key, common_iv = seal.derive(sha256, golden.SECRET, kid, envelope.direction, envelope.kid_context)
    aead = Ccm(ecb(key))
    if wrapped:
        aead = wrapped(aead)
    if envelope.direction == seal.UP:
        return seal.open_up(aead, common_iv, envelope)
    return seal.open_down(aead, envelope)


def test_hkdf_vectors_of_rfc_5869():
    count = 0
    for case, v in vectors("rfc5869"):
        assert seal.hkdf(sha256, v["secret"], v["salt"], v["info"], len(v["out"])) == v["out"], case
        count += 1
    assert count == 3


def test_cose_vectors_of_rfc_9052():
    cases = dict(vectors("rfc9052"))
    v = cases["c_4_1_iv"]
    aead = Ccm(ecb(v["key"]))
    # The example is a down frame of ours, byte for byte.
    assert seal.open_down(aead, seal.parse(v["frame"])) == v["plain"]
    assert seal.seal_down(aead, v["iv"], v["plain"]) == v["frame"]
    # The other one has no kid, which an up frame of ours must have; its nonce rule and ciphertext are ours.
    v = cases["c_4_2_partial_iv"]
    aead = Ccm(ecb(v["key"]))
    assert reason(seal.parse, v["frame"]) == "direction"
    frame = seal.seal_up(aead, v["common_iv"], KID, 0x61A7, v["plain"])
    envelope = seal.parse(frame)
    assert envelope.ciphertext == v["ciphertext"]
    assert seal.open_up(aead, v["common_iv"], envelope) == v["plain"]


def test_golden_frames():
    count = 0
    for name in sorted(golden.MESSAGES):
        for case, v in vectors(name):
            count += 1
            envelope = seal.parse(v["sealed"])
            if golden.is_down(name):
                assert seal.derive(sha256, v["secret"], v["kid"], seal.DOWN) == (v["key"], None)
                assert (envelope.direction, envelope.iv) == (seal.DOWN, v["iv"])
                assert (envelope.unit, envelope.generation, envelope.kid, envelope.counter) == (None, None, None, None)
                aead = Ccm(ecb(v["key"]))
                assert seal.open_down(aead, envelope) == v["plain"], case
                assert seal.seal_down(aead, v["iv"], v["plain"]) == v["sealed"], case
                continue
            context = v.get("kid_context")
            assert seal.derive(sha256, v["secret"], v["kid"], seal.UP, context) == (v["key"], v["common_iv"])
            counter = int.from_bytes(v["partial_iv"], "big")
            assert (envelope.direction, envelope.unit, envelope.generation) == (seal.UP, golden.UNIT, golden.GENERATION)
            assert (envelope.kid, envelope.counter, envelope.kid_context) == (v["kid"], counter, context)
            assert envelope.iv is None
            aead = Ccm(ecb(v["key"]))
            assert seal.open_up(aead, v["common_iv"], envelope) == v["plain"], case
            again = seal.seal_up(aead, v["common_iv"], v["kid"], counter, v["plain"], context)
            assert again == v["sealed"], case
    assert count >= 28


def test_malformed_frames_by_reason():
    seen = set()
    for case, v in vectors("malformed_frames"):
        assert reason(seal.parse, v["frame"]) == v["reason"], (case, reason(seal.parse, v["frame"]))
        seen.add(v["reason"])
    assert sorted(seen) == [
        "algorithm", "cbor", "counter", "direction", "iv", "kid", "not_cose", "oversize", "truncated",
    ]  # fmt: skip


def test_no_flipped_bit_and_no_cut_opens():
    frames = (
        seal.seal_up(UP, UP_IV, KID, 0x0102, b"press"),
        seal.seal_down(DOWN, golden.IV, b"receipt"),
    )
    for frame in frames:
        assert open_any(frame) in (b"press", b"receipt")
        blind = 0
        for i in range(len(frame)):
            assert reason(open_any, frame[:i]) == "truncated", i
            for bit in range(8):
                wrong = bytearray(frame)
                wrong[i] ^= 1 << bit
                assert reason(open_any, wrong) is not None, (i, bit)
                blind += reason(open_any, wrong, Blind) is None
        assert reason(open_any, frame + b"\0") == "cbor"
        # The control: without the tag, many of those would have been taken for genuine.
        assert blind > 100


def test_a_frame_opens_only_with_its_own_key_direction_and_context():
    up = seal.parse(seal.seal_up(UP, UP_IV, KID, 5, b"press"))
    down = seal.parse(seal.seal_down(DOWN, golden.IV, b"receipt"))
    assert reason(seal.open_up, UP, UP_IV, down) == "direction"
    assert reason(seal.open_down, DOWN, up) == "direction"
    assert reason(seal.open_up, DOWN, UP_IV, up) == "tag"
    assert reason(seal.open_down, UP, down) == "tag"
    for secret, kid, context in (
        (bytes(16), KID, None),
        (golden.SECRET, seal.kid(43, 1), None),
        (golden.SECRET, seal.kid(42, 2), None),
        (golden.SECRET, KID, golden.CONTEXT),
    ):
        key, iv = seal.derive(sha256, secret, kid, seal.UP, context)
        assert reason(seal.open_up, Ccm(ecb(key)), iv, up) == "tag"
    other = bytes(12) + b"\1"
    assert reason(seal.open_up, UP, other, up) == "tag"
    assert seal.open_up(UP, UP_IV, up) == b"press"
    assert seal.open_down(DOWN, down) == b"receipt"


def test_keys_and_ivs_differ_by_direction_unit_generation_and_context():
    seen = set()
    for unit in (1, 2):
        for generation in (0, 1, 255):
            kid = seal.kid(unit, generation)
            for context in (None, bytes(8), b"12345678"):
                key, iv = seal.derive(sha256, golden.SECRET, kid, seal.UP, context)
                assert (len(key), len(iv)) == (16, 13)
                seen.update((key, iv))
            key, iv = seal.derive(sha256, golden.SECRET, kid, seal.DOWN)
            assert iv is None
            seen.add(key)
    assert len(seen) == 6 * 7


def test_derive_refuses_what_is_not_a_key():
    for arguments in (
        (b"short", KID, seal.UP), (golden.SECRET, b"kid", seal.UP), (golden.SECRET, KID, 2),
        (golden.SECRET, KID, seal.DOWN, golden.CONTEXT), (golden.SECRET, KID, seal.UP, b"short"),
    ):  # fmt: skip
        try:
            seal.derive(sha256, *arguments)
        except ValueError:
            continue
        raise AssertionError(arguments[1:])


def test_counters_of_every_width():
    lengths = []
    for counter in (0, 1, 0xFF, 0x100, 0xFFFF, 0x10000, 0xFFFFFF, 0x1000000, 0xFFFFFFFF, 0x100000000, 0xFFFFFFFFFF):
        frame = seal.seal_up(UP, UP_IV, KID, counter, b"x")
        envelope = seal.parse(frame)
        assert envelope.counter == counter
        assert seal.open_up(UP, UP_IV, envelope) == b"x"
        lengths.append(len(frame) - len(seal.seal_up(UP, UP_IV, KID, 0, b"x")))
    assert lengths == [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    for counter in (-1, 0x10000000000):
        assert reason(seal.seal_up, UP, UP_IV, KID, counter, b"x") == "counter"


def test_units_and_generations_that_can_be():
    assert seal.kid(1, 0) == b"\0\0\0\1\0"
    assert seal.kid(0xFFFFFFFF, 255) == b"\xff\xff\xff\xff\xff"
    for unit, generation in ((0, 1), (-1, 1), (0x100000000, 1), (1, -1), (1, 256)):
        assert reason(seal.kid, unit, generation) == "kid"
    assert reason(seal.seal_up, UP, UP_IV, b"four", 1, b"x") == "kid"
    assert reason(seal.seal_up, UP, UP_IV, KID, 1, b"x", b"short") == "kid"
    assert reason(seal.seal_up, UP, bytes(12), KID, 1, b"x") == "iv"
    assert reason(seal.seal_down, DOWN, bytes(12), b"x") == "iv"


def test_a_frame_has_at_most_512_bytes():
    empty = len(seal.seal_down(DOWN, golden.IV, bytes(300))) - 300
    frame = seal.seal_down(DOWN, golden.IV, bytes(512 - empty))
    assert len(frame) == seal.MAX_FRAME == 512
    assert seal.open_down(DOWN, seal.parse(frame)) == bytes(512 - empty)
    assert reason(seal.seal_down, DOWN, golden.IV, bytes(513 - empty)) == "oversize"
    assert reason(seal.parse, bytes(513)) == "oversize"


def test_identical_input_gives_identical_bytes():
    assert seal.seal_up(UP, UP_IV, KID, 9, b"press") == seal.seal_up(UP, UP_IV, KID, 9, b"press")
    assert NO_IV is None
