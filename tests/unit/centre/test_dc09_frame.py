"""The DC-09 frame: given vectors, every round trip, and what is refused or let through."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.centre.sia_dc09.frame import (
    MAX_BODY,
    CrcForm,
    Frame,
    FrameError,
    Reason,
    crc16,
    decode,
    encode,
    format_time,
    next_sequence,
    parse_time,
    sequence,
)

VECTORS = {vector["id"]: vector for vector in json.loads((Path(__file__).parent / "dc09.json").read_text())}
FRAMES = sorted(name for name in VECTORS if name not in {"D01", "D15"})


def octets(name):
    return bytes.fromhex(VECTORS[name]["hex"])


def wrap(body, crc=None, length=None):
    """A frame around any body, right unless told otherwise."""
    check = f"{crc16(body) if crc is None else crc:04X}".encode()
    return b"\n" + check + f"0{len(body) if length is None else length:03X}".encode() + body + b"\r"


def reason_of(raw):
    with pytest.raises(FrameError) as caught:
        decode(raw)
    return caught.value.reason


def test_the_check_value_of_the_crc():
    assert f"{crc16(octets('D01')):04X}" == VECTORS["D01"]["expect"]["crc16"]


@pytest.mark.parametrize("name", FRAMES)
def test_every_given_frame_is_read_and_written_back_byte_for_byte(name):
    raw = octets(name)
    frame = decode(raw)
    assert frame.raw == raw
    assert encode(frame) == raw


@pytest.mark.parametrize("name", FRAMES)
def test_a_given_frame_holds_what_its_vector_expects(name):
    frame, expect = decode(octets(name)), VECTORS[name]["expect"]
    found = {
        "token": frame.token,
        "seq": int(frame.seq),
        "R": frame.receiver,
        "L": frame.line,
        "acct": frame.account,
        "xdata": dict(frame.xdata),
        "encrypted": frame.encrypted,
        "timestamp": frame.time and frame.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    compared = expect.keys() & found.keys()
    if frame.encrypted:
        compared -= {"timestamp"}
    assert {key: found[key] for key in compared} == {key: expect[key] for key in compared}


def test_a_nak_names_nobody():
    frame = decode(octets("D12"))
    assert (frame.token, frame.seq, frame.receiver, frame.line, frame.account) == ("NAK", "0000", "0", "0", None)
    assert frame.time == datetime(2025, 9, 24, 16, 20, 1, tzinfo=UTC)


def test_a_wrong_crc_carries_no_header_to_answer():
    with pytest.raises(FrameError) as caught:
        decode(octets("D15"))
    assert caught.value.reason is Reason.CRC
    assert caught.value.header is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'"sia"0001L0#1234[]', Reason.TOKEN),
        (b'"SIA-DCS0001L0#1234[]', Reason.TOKEN),
        (b'""0001L0#1234[]', Reason.TOKEN),
        (b'"NULL"000L0#1234[]', Reason.SEQUENCE),
        (b'"NULL"0000R1234567L0#1234[]', Reason.RECEIVER),
        (b'"NULL"0000L1234567#1234[]', Reason.LINE),
        (b'"NULL"0000L0#12[]', Reason.ACCOUNT),
        (b'"NULL"0000L0#12345678901234567[]', Reason.ACCOUNT),
        (b'"NULL"0000L0#12G4[]', Reason.ACCOUNT),
        (b'"NULL"0000L01234[]', Reason.ACCOUNT),
        (b'"NULL"0000L0A0[]', Reason.ACCOUNT),
        (b'"NULL"0000L0#1234', Reason.ACCOUNT),
        (b'"SIA-DCS"0001L0#1234[#1234|NQA001', Reason.DATA),
        (b'"SIA-DCS"0001L0#1234[][Itext', Reason.XDATA),
        (b'"SIA-DCS"0001L0#1234[]junk', Reason.TRAILING),
        (b'"*SIA-DCS"0001L0#1234[]', Reason.CIPHER),
        (b'"*SIA-DCS"0001L0#1234[00112233', Reason.CIPHER),
    ],
)
def test_what_is_not_in_the_grammar_is_refused_by_a_word(body, reason):
    assert reason_of(wrap(body)) is reason


def test_content_that_cannot_be_read_still_tells_whom_to_answer():
    with pytest.raises(FrameError) as caught:
        decode(wrap(b'"SIA-DCS"0042R1L2#00AB[]junk'))
    header = caught.value.header
    assert header is not None
    assert (header.seq, header.receiver, header.line, header.account) == ("0042", "1", "2", "00AB")


@pytest.mark.parametrize("length", [0, 0x14, 0x16, MAX_BODY])
def test_a_length_that_lies_is_refused(length):
    body = b'"NULL"0000R0L0#1234[]'
    assert reason_of(wrap(body, length=length)) is Reason.LENGTH


def test_the_envelope_is_strict():
    raw = octets("D10")
    assert reason_of(b"") is Reason.GARBAGE
    assert reason_of(raw[1:]) is Reason.GARBAGE
    assert reason_of(raw[:-1]) is Reason.TRUNCATED
    assert reason_of(raw[:7]) is Reason.TRUNCATED
    assert reason_of(raw + b"x") is Reason.TRUNCATED
    assert reason_of(raw + raw) is Reason.LENGTH
    assert reason_of(b"\n1BC1" + b"1" + raw[6:]) is Reason.GARBAGE
    assert reason_of(b"\n" + b"0" * 8192) is Reason.OVERSIZE


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'"NULL"0000#1234[]', (None, None)),
        (b'"NULL"0000L#1234[]', (None, "")),
        (b'"NULL"0000R0#1234[]', ("0", None)),
        (b'"NULL"0000RL#1234[]', ("", "")),
    ],
)
def test_a_missing_or_empty_route_is_let_through(body, expected):
    frame = decode(wrap(body))
    assert (frame.receiver, frame.line) == expected
    assert encode(frame) == wrap(body)


def test_nul_after_the_frame_and_a_lower_case_crc_are_let_through():
    raw = octets("D11")
    assert decode(raw + b"\0\0").seq == "0001"
    assert decode(raw[:1] + raw[1:5].lower() + raw[5:]).seq == "0001"


def test_a_wrong_clock_costs_no_alarm():
    frame = decode(wrap(b'"SIA-DCS"0001L0#1234[#1234|NQA001]_99:99:99,13-45-1970'))
    assert frame.timestamp == "99:99:99,13-45-1970"
    assert frame.time is None


def test_a_sequence_in_hex_is_kept_for_the_echo():
    assert decode(wrap(b'"SIA-DCS"00fFL0#1234[#1234|NQA001]')).seq == "00fF"


@pytest.mark.parametrize("text", ["kök", "k€k", "\x81"])
@pytest.mark.parametrize("charset", ["utf-8", "cp1252", "latin-1"])
def test_free_text_of_any_edition_comes_back_in_the_same_octets(text, charset):
    try:
        raw = wrap(b'"SIA-DCS"0001L0#1234[#1234|NQA001][I' + text.encode(charset) + b"]")
    except UnicodeEncodeError:
        assert (text, charset) in {("\x81", "cp1252"), ("k€k", "latin-1")}
        return
    assert encode(decode(raw)) == raw


@pytest.mark.parametrize("account", ["0043", "043", "000", "00000000000000AB", "abC"])
def test_an_account_keeps_its_zeros_and_its_case(account):
    frame = Frame("NULL", "0000", account, receiver="0", line="0")
    assert decode(encode(frame)).account == account


@pytest.mark.parametrize(
    "frame",
    [
        Frame("null", "0000", "1234"),
        Frame("NULL", "1", "1234"),
        Frame("NULL", "0000", None),
        Frame("NULL", "0000", "12"),
        Frame("NULL", "0000", "0x12"),
        Frame("NULL", "0000", "1234", receiver="1234567"),
        Frame("NULL", "0000", "1234", line="G"),
        Frame("NULL", "0000", "1234", data="a]b"),
        Frame("NULL", "0000", "1234", data="a\rb"),
        Frame("NULL", "0000", "1234", xdata=(("I", "a]b"),)),
        Frame("NULL", "0000", "1234", xdata=(("II", "a"),)),
        Frame("NULL", "0000", "1234", timestamp="\r"),
        Frame("NULL", "0000", "1234", encrypted=True, cipher="00"),
        Frame("NULL", "0000", "1234", data="x" * MAX_BODY),
        Frame("NULL", "0000", "1234", data="€", charset="latin-1"),
    ],
)
def test_we_do_not_send_what_the_grammar_cannot_hold(frame):
    with pytest.raises(FrameError):
        encode(frame)


def test_the_longest_frame_there_can_be():
    empty = len(encode(Frame("NULL", "0000", "1234"))) - 10
    frame = Frame("NULL", "0000", "1234", data="x" * (MAX_BODY - empty))
    raw = encode(frame)
    assert raw[5:9] == b"0FFF"
    assert decode(raw) == frame


def test_times_are_utc_and_need_a_zone():
    at = datetime(2026, 1, 2, 10, 0, 0, tzinfo=UTC)
    assert format_time(at) == "10:00:00,01-02-2026"
    assert parse_time(format_time(at)) == at
    with pytest.raises(ValueError, match="time zone"):
        format_time(datetime(2026, 1, 2))


def test_sequences_wrap_past_9999_to_1():
    assert [sequence(0), sequence(17), sequence(9999)] == ["0000", "0017", "9999"]
    assert [next_sequence(0), next_sequence(17), next_sequence(9999)] == [1, 18, 1]
    with pytest.raises(ValueError, match="0 to 9999"):
        sequence(10_000)


hexadecimal = "0123456789ABCDEFabcdef"
printable = st.text(st.characters(exclude_characters="]\r", exclude_categories=["Cs"]), max_size=80)
routes = st.none() | st.text(hexadecimal, max_size=6)
frames = st.builds(
    Frame,
    token=st.sampled_from(["SIA-DCS", "ADM-CID", "NULL", "ACK", "DUH", "RSP", "XNM", "SCN-S8"]),
    seq=st.integers(0, 9999).map(sequence),
    account=st.text(hexadecimal, min_size=3, max_size=16),
    receiver=routes,
    line=routes,
    data=printable,
    xdata=st.lists(st.tuples(st.sampled_from("ACHIJLMXYZ"), printable), max_size=4).map(tuple),
    timestamp=st.none() | st.datetimes(timezones=st.just(UTC)).map(format_time),
    crc_form=st.sampled_from(CrcForm),
)


@settings(deadline=None)
@given(frames)
def test_what_is_written_is_read_back(frame):
    raw = encode(frame)
    assert decode(raw) == frame
    assert encode(decode(raw)) == raw


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_octets_give_a_frame_or_a_reason(raw):
    try:
        decode(raw)
    except FrameError as error:
        assert error.reason in Reason


@settings(deadline=None)
@given(frames, st.data())
def test_one_flipped_bit_never_gives_another_frame(frame, data):
    raw = bytearray(encode(frame))
    at = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[at // 8] ^= 1 << at % 8
    try:
        survivor = decode(bytes(raw))
    except FrameError:
        return
    # Only the case of a hex digit in the envelope may change without a frame being lost.
    assert survivor == frame
