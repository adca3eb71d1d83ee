"""Our CBOR against cbor2: what one writes the other reads, and what we accept has one encoding."""

import io

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols.wire import cbor

SCALARS = st.one_of(
    st.integers(-(1 << 64), (1 << 64) - 1),
    st.binary(max_size=300),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    st.booleans(),
    st.none(),
)
KEYS = st.integers(0, (1 << 64) - 1)


def nested(depth: int) -> st.SearchStrategy[object]:
    if depth == 0:
        return SCALARS
    inner = nested(depth - 1)
    return st.one_of(SCALARS, st.lists(inner, max_size=5), st.dictionaries(KEYS, inner, max_size=5))


VALUES = nested(cbor.MAX_DEPTH)


@given(VALUES)
def test_cbor2_writes_and_reads_the_same(value: object) -> None:
    ours = cbor.encode(value)
    assert ours == cbor2.dumps(value, canonical=True)
    assert cbor2.loads(ours) == value
    back = cbor.decode(ours)
    assert back == value
    assert repr(back) == repr(cbor2.loads(ours))


@given(st.binary(max_size=80))
@settings(max_examples=2000)
@example(b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff")
@example(b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff")
@example(b"\x81" * 3000)
def test_any_bytes_are_refused_or_are_the_one_encoding(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except cbor.CborError as error:
        assert error.reason
        return
    assert cbor.encode(value) == data
    assert cbor2.loads(data) == value


@given(VALUES, st.data())
@settings(max_examples=500)
def test_a_changed_byte_is_refused_or_is_the_one_encoding(value: object, data: st.DataObject) -> None:
    """Damage near good values reaches deeper into the reader than random bytes do."""
    good = bytearray(cbor.encode(value))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] = data.draw(st.integers(0, 255))
    try:
        back = cbor.decode(good)
    except cbor.CborError:
        return
    assert cbor.encode(back) == bytes(good)


@given(VALUES.filter(lambda value: isinstance(value, list | dict | str | bytes)), st.data())
def test_every_cut_is_refused(value: object, data: st.DataObject) -> None:
    whole = cbor.encode(value)
    end = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(cbor.CborError) as caught:
        cbor.decode(whole[:end])
    assert caught.value.reason == "truncated"


@given(st.binary(max_size=12))
def test_text_is_what_cpython_calls_utf8(data: bytes) -> None:
    """CPython's decoder is the oracle for the one that both engines use."""
    frame = bytes([0x60 | len(data)]) + data
    try:
        expected = data.decode()
    except UnicodeDecodeError:
        with pytest.raises(cbor.CborError, match="utf8"):
            cbor.decode(frame)
    else:
        assert cbor.decode(frame) == expected


def test_all_short_utf8_sequences() -> None:
    """Every two-byte start with every edge of what may follow, against CPython's decoder."""
    edges = (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)
    for first in range(0x80, 0x100):
        for second in edges:
            for more in (b"", b"\x80", b"\x80\x80", b"\xbf\xbf", b"\xbf\xc0", b"\x80a"):
                data = bytes([first, second]) + more
                try:
                    data.decode()
                    good = True
                except UnicodeDecodeError:
                    good = False
                try:
                    cbor.decode(bytes([0x60 | len(data)]) + data)
                    ours = True
                except cbor.CborError:
                    ours = False
                assert ours == good, data.hex()


def test_cbor2_is_looser_where_we_are_strict() -> None:
    """The control: an ordinary decoder takes what the contract refuses, so the oracle alone would not do."""
    for text in ("1817", "9fff", "a201010102", "f93c00", "c24101"):
        data = bytes.fromhex(text)
        cbor2.load(io.BytesIO(data))
        with pytest.raises(cbor.CborError):
            cbor.decode(data)
