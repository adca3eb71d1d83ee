"""Cutting a stream: every portion, every CRC form, lies, garbage and bounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.centre.sia_dc09.frame import CrcForm, Frame, FrameError, Reason, crc16, encode
from protocols.centre.sia_dc09.stream import MAX_FRAME, Splitter

PLAIN = encode(Frame("SIA-DCS", "0001", "1234", "0", "0", "#1234|Nri1/QA001"))
POLL = encode(Frame("NULL", "0000", "1234", "0", "0"))
AWKWARD = {
    (0x0A, 0): 0x1848, (0x0A, 1): 0x020F, (0x0D, 0): 0x2A51, (0x0D, 1): 0x018B, (0x22, 0): 0x0A04, (0x22, 1): 0x0017,
    (0x30, 0): 0x1A09, (0x30, 1): 0x008B, (0x00, 0): 0x1A49, (0x00, 1): 0x02A3,
}  # fmt: skip
"""Accounts whose frame has this octet at this place of its raw CRC: the first ones that have it."""
BINARY = [
    encode(Frame("NULL", "0000", f"{account:08X}", "0", "0", crc_form=CrcForm.BINARY)) for account in AWKWARD.values()
]


def test_the_awkward_octets_are_where_they_should_be():
    assert [raw[1 + place] for raw, (_, place) in zip(BINARY, AWKWARD, strict=True)] == [o for o, _ in AWKWARD]


def frames_of(pieces):
    return [piece for piece in pieces if not isinstance(piece, FrameError)]


def reasons_of(pieces):
    return [piece.reason for piece in pieces if isinstance(piece, FrameError)]


@pytest.mark.parametrize("frame", [PLAIN, POLL, *BINARY])
def test_a_frame_cut_anywhere_is_one_frame(frame):
    for at in range(len(frame) + 1):
        splitter = Splitter()
        assert splitter.feed(frame[:at]) + splitter.feed(frame[at:]) == [frame]
        assert splitter.pending == 0


def test_octet_by_octet():
    splitter = Splitter()
    stream = PLAIN + b"\0" + b"".join(BINARY) + POLL
    found = [piece for octet in stream for piece in splitter.feed(bytes([octet]))]
    assert found == [PLAIN, *BINARY, POLL]


def test_many_frames_in_one_segment():
    assert Splitter().feed(PLAIN + POLL + b"".join(BINARY)) == [PLAIN, POLL, *BINARY]


def test_line_ends_and_nul_between_frames_are_no_fault():
    assert Splitter().feed(b"\r\n\0" + PLAIN + b"\0\r\n" + POLL + b"\0") == [PLAIN, POLL]


def test_garbage_is_reported_once_and_passed_over():
    found = Splitter().feed(b'"NAK"' * 100 + PLAIN + b"GET / HTTP/1.1\r\n")
    assert reasons_of(found) == [Reason.GARBAGE, Reason.GARBAGE]
    assert frames_of(found) == [PLAIN]
    assert len(found[0].raw) <= 64


@pytest.mark.parametrize("length", ["0000", "0001", "0020", "0FFF"])
def test_a_lie_about_the_length_never_takes_the_next_frame_with_it(length):
    body = PLAIN[9:-1]
    liar = b"\n" + f"{crc16(body):04X}".encode() + length.encode() + body + b"\r"
    splitter = Splitter()
    found = splitter.feed(liar)
    assert reasons_of(found) == [Reason.LENGTH]
    assert splitter.feed(PLAIN) == [PLAIN]


def test_a_frame_that_never_ends_is_given_up_at_the_bound():
    splitter = Splitter()
    endless = b'\n00000FFF"' + b"x" * 10_000
    found = splitter.feed(endless)
    assert reasons_of(found) == [Reason.LENGTH]
    assert splitter.pending == 0
    assert splitter.feed(PLAIN) == [PLAIN]


def test_half_a_frame_at_the_end_of_a_stream_is_named():
    splitter = Splitter()
    assert splitter.feed(PLAIN[:20]) == []
    assert reasons_of(splitter.end()) == [Reason.TRUNCATED]
    assert splitter.end() == []


@settings(deadline=None)
@given(st.lists(st.binary(max_size=64) | st.sampled_from([b"\n", b'\n00000FFF"', b'\n\n\r0FFF"', b"\r"]), max_size=40))
def test_no_stream_breaks_the_bound(portions):
    splitter = Splitter()
    for portion in portions:
        splitter.feed(portion)
        assert splitter.pending <= MAX_FRAME


@settings(deadline=None)
@given(st.lists(st.sampled_from([PLAIN, POLL, *BINARY]), max_size=6), st.data())
def test_frames_come_out_whole_and_in_order_however_they_are_cut(frames, data):
    stream = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    splitter, found, start = Splitter(), [], 0
    for cut in [*cuts, len(stream)]:
        found += splitter.feed(stream[start:cut])
        start = cut
    assert found == frames


@settings(deadline=None)
@given(st.binary(max_size=60).filter(lambda junk: b"\n" not in junk))
def test_after_garbage_the_next_frame_is_found(junk):
    assert frames_of(Splitter().feed(junk + PLAIN)) == [PLAIN]
