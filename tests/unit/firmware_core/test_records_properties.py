"""The journal's reader against anything, and its bounds against any order of events."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from firmware.core import book, records

U32 = st.integers(0, 0xFFFFFFFF)
SMALL = st.integers(0, 40)
RECORDS = st.one_of(
    st.builds(records.press, U32, U32, st.integers(1, 9), st.integers(0, 400), st.integers(1, 255), U32),
    st.builds(records.stage, U32, U32, st.integers(1, 3)),
    st.builds(records.item, st.integers(0, 3), U32, U32, st.binary(max_size=480)),
    st.builds(records.consumed, U32, U32),
    st.builds(records.dropped, U32, U32, st.integers(0, 3)),
)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@given(st.binary(max_size=600))
def test_no_bytes_upset_the_reader(data: bytes) -> None:
    found = records.unframe(records.Reader(data).read)
    assert found is None or data.startswith(records.frame(found[0]))
    last, wrong = records.verify([data], [], sha256)
    assert wrong or not data or last


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record: records.Record) -> None:
    data = records.frame(record)
    assert records.unframe(records.Reader(data).read) == (record, len(data))
    assert len(data) <= records.OVERHEAD + records.LONGEST


@given(RECORDS, st.data())
def test_a_record_with_any_bit_changed_or_cut_is_none(record: records.Record, data: st.DataObject) -> None:
    whole = records.frame(record)
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    assert records.unframe(records.Reader(bytes(changed)).read) is None
    assert records.unframe(records.Reader(whole[: bit // 8]).read) is None


@given(st.lists(RECORDS, min_size=2, max_size=8), st.data())
def test_any_change_before_a_told_head_is_found(written: list[records.Record], data: st.DataObject) -> None:
    file = records.frame(records.header())
    head = records.link(records.GENESIS, records.header(), sha256)
    for record in written:
        file += records.frame(record)
        head = records.link(head, record, sha256)
    assert records.verify([file], [head[:8]], sha256) == (head, [])
    bit = data.draw(st.integers(0, len(file) * 8 - 1))
    changed = bytearray(file)
    changed[bit // 8] ^= 1 << bit % 8
    assert records.verify([bytes(changed)], [head[:8]], sha256)[1]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3), SMALL, st.integers(0, 480)), max_size=120))
def test_bounds_hold_and_every_drop_is_counted(events: list[tuple[int, int, int, int]]) -> None:
    one = book.Book()
    pressed, came, went = set(), 0, 0
    for kind, priority, seq, size in events:
        if kind == 0:
            record = records.press(1, 1000 + seq, 1, 0, 1, 0)
            pressed.add((1, 1000 + seq))
        elif kind == 1:
            record = records.consumed(1, seq)
            went += (1, seq) in [item.key for item in one.items]
        else:
            record = records.item(priority, 1, seq, bytes(size))
            came += (1, seq) not in [item.key for item in one.items]
        for written in one.admit(record):
            one.fold(written)
        assert sum(len(item.body) for item in one.items) <= book.ROOM
        for level, most in enumerate(book.MOST):
            assert most is None or len([item for item in one.items if item.priority == level]) <= most
    assert set(one.entries) == pressed, "no press is ever dropped"
    # An item that takes the place of itself and finds no room is one that came and was dropped.
    assert len(one.items) + went + sum(one.drops) == came
