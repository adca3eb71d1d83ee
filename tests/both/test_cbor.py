"""The strict CBOR subset, the same on both engines."""

from binascii import hexlify, unhexlify

from protocols.wire import cbor

# RFC 8949 appendix A, as far as it lies within the subset.
EXAMPLES = (
    (0, "00"), (1, "01"), (10, "0a"), (23, "17"), (24, "1818"), (25, "1819"), (100, "1864"), (1000, "1903e8"),
    (1000000, "1a000f4240"), (1000000000000, "1b000000e8d4a51000"), (18446744073709551615, "1bffffffffffffffff"),
    (-18446744073709551616, "3bffffffffffffffff"), (-1, "20"), (-10, "29"), (-100, "3863"), (-1000, "3903e7"),
    (False, "f4"), (True, "f5"), (None, "f6"), (b"", "40"), (b"\x01\x02\x03\x04", "4401020304"), ("", "60"),
    ("a", "6161"), ("IETF", "6449455446"), ('"\\', "62225c"), ("\u00fc", "62c3bc"), ("\u6c34", "63e6b0b4"),
    ("\U00010151", "64f0908591"), ([], "80"), ([1, 2, 3], "83010203"), ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"), ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"),
)  # fmt: skip

# Each widest value of a width and the first of the next one.
EDGES = (
    (0xFF, "18ff"), (0x100, "190100"), (0xFFFF, "19ffff"), (0x10000, "1a00010000"), (0xFFFFFFFF, "1affffffff"),
    (0x100000000, "1b0000000100000000"), (-0x18, "37"), (-0x19, "3818"), (-0x100, "38ff"), (-0x101, "390100"),
)  # fmt: skip

REFUSED = (
    ("", "truncated"), ("18", "truncated"), ("1903", "truncated"), ("1a000f42", "truncated"), ("1b00", "truncated"),
    ("41", "truncated"), ("6261", "truncated"), ("81", "truncated"), ("8201", "truncated"), ("a1", "truncated"),
    ("a101", "truncated"), ("a20102", "truncated"), ("a21801", "truncated"), ("0000", "trailing"), ("a000", "trailing"),
    ("1817", "long"), ("190018", "long"), ("1900ff", "long"), ("1a0000ffff", "long"), ("1b00000000ffffffff", "long"),
    ("3817", "long"), ("5801aa", "long"), ("580000", "long"), ("78016f", "long"), ("9800", "long"), ("b800", "long"),
    ("a1180000", "long"), ("1c", "reserved"), ("3d", "reserved"), ("5e", "reserved"), ("1f", "indefinite"),
    ("5f4100ff", "indefinite"), ("7f6161ff", "indefinite"), ("9fff", "indefinite"), ("bfff", "indefinite"),
    ("ff", "indefinite"), ("8100ff", "trailing"), ("c000", "tag"), ("d08343a1010aa040", "tag"), ("d9d9f700", "tag"),
    ("f90000", "float"), ("fa47c35000", "float"), ("fb3ff199999999999a", "float"), ("e0", "simple"), ("f3", "simple"),
    ("f7", "simple"), ("f818", "simple"), ("f8ff", "simple"), ("fc", "simple"), ("a1616101", "key"), ("a12001", "key"),
    ("a1f501", "key"), ("a1f601", "key"), ("a1410001", "key"), ("a201010102", "order"), ("a202010102", "order"),
    ("a2181801170a", "order"), ("8181818180", "depth"), ("8181818181", "truncated"), ("a101a101a101a101a0", "depth"),
    ("61ff", "utf8"), ("62c080", "utf8"), ("62c1bf", "utf8"), ("61c3", "utf8"), ("63e08080", "utf8"),
    ("63eda080", "utf8"), ("63edbfbf", "utf8"), ("64f0808080", "utf8"), ("64f4908080", "utf8"), ("64f5808080", "utf8"),
    ("6180", "utf8"), ("62c328", "utf8"), ("63e282ac"[:6] + "28", "utf8"), ("64f09f9228", "utf8"),
)  # fmt: skip


def reason(function, value):
    try:
        function(value)
    except cbor.CborError as error:
        return error.reason
    return None


def test_examples_of_the_standard():
    for value, text in EXAMPLES + EDGES:
        assert hexlify(cbor.encode(value)).decode() == text, text
        back = cbor.decode(unhexlify(text))
        assert back == value and type(back) is type(value), text


def test_refusals_by_reason():
    for text, expected in REFUSED:
        assert reason(cbor.decode, unhexlify(text)) == expected, (text, reason(cbor.decode, unhexlify(text)))


def test_every_cut_of_a_good_value_is_truncated():
    whole = cbor.encode({0: 17, 1: b"abc", 2: "text", 3: [1, 2, [3, None]], 4: {5: -70000}})
    for end in range(len(whole)):
        assert reason(cbor.decode, whole[:end]) == "truncated", end
    assert reason(cbor.decode, whole + b"\0") == "trailing"


def test_a_claim_beyond_the_data_is_refused_before_anything_is_allocated():
    # Each claims more than a unit, or this machine, could ever hold.
    for head in ("5a", "7a", "9a", "ba"):
        assert reason(cbor.decode, unhexlify(head + "ffffffff")) == "truncated"
    for head in ("5b", "7b", "9b", "bb"):
        assert reason(cbor.decode, unhexlify(head + "7fffffffffffffff")) == "truncated"
        assert reason(cbor.decode, unhexlify(head + "ffffffffffffffff")) == "truncated"
    # The claim alone decides: two pairs need four bytes, three are there.
    assert reason(cbor.decode, unhexlify("a2000001")) == "truncated"


def test_depth_is_counted_from_the_outermost_container():
    assert cbor.decode(unhexlify("81818180")) == [[[[]]]]
    assert cbor.encode([[[[]]]]) == unhexlify("81818180")
    assert cbor.decode(unhexlify("818181a100f6")) == [[[{0: None}]]]
    assert reason(cbor.encode, [[[[[]]]]]) == "depth"
    assert reason(cbor.encode, {0: {0: {0: {0: {}}}}}) == "depth"
    assert reason(cbor.decode, b"\x81" * 2000) == "depth"


def test_map_keys_are_sorted_whatever_order_they_came_in():
    keys = (0, 1, 23, 24, 255, 256, 65535, 65536, 4294967295, 4294967296)
    forward = {}
    backward = {}
    for key in keys:
        forward[key] = key
    for key in reversed(keys):
        backward[key] = key
    assert cbor.encode(forward) == cbor.encode(backward)
    assert cbor.decode(cbor.encode(backward)) == forward


def test_what_cannot_be_encoded():
    assert reason(cbor.encode, 1 << 64) == "range"
    assert reason(cbor.encode, -(1 << 64) - 1) == "range"
    for value in (1.5, object(), {1}, range(3)):
        assert reason(cbor.encode, value) == "type"
    for key in (-1, "a", None, True, False, b"a", 1.0):
        assert reason(cbor.encode, {key: 1}) == "key", key
    assert reason(cbor.encode, "\ud800") == "utf8"


def test_tuples_and_bytearrays_are_taken_too():
    assert cbor.encode((1, 2)) == cbor.encode([1, 2])
    assert cbor.encode(bytearray(b"ab")) == cbor.encode(b"ab")
    for kind in (bytearray, memoryview):
        assert cbor.decode(kind(b"\x42ab")) == b"ab"


def test_the_error_is_a_value_error_and_names_its_reason():
    try:
        cbor.decode(b"\xc0\x00")
    except ValueError as error:
        assert "tag" in str(error)
    else:
        raise AssertionError("a tag was accepted")
