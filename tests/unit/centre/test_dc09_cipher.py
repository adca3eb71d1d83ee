"""Encrypted DC-09: given frames, round trips, the window, and that nothing in clear passes where there is a key."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.centre.sia_dc09 import (
    AlarmReceived,
    Bad,
    ClockNak,
    Delivered,
    Frame,
    FrameError,
    Heartbeat,
    Key,
    NoAnswer,
    Reason,
    Receiver,
    Refused,
    Seen,
    Sender,
    SenderError,
    Unexpected,
    Verdict,
    decode,
    encode,
    poll,
)
from protocols.centre.sia_dc09.cipher import in_window, open_frame, pad, seal_frame, stamped

VECTORS = {one["id"]: one for one in json.loads((Path(__file__).parent / "dc09.json").read_text())}
AT = datetime(2026, 1, 2, 10, 0, 0, tzinfo=UTC)
KEY = Key(bytes(range(16)))
OTHER = Key(bytes(range(1, 17)))
PRESS = Frame("SIA-DCS", "0007", "1234", "0", "0", "#1234|Nri1/QA001")

keys = st.sampled_from([16, 24, 32]).flatmap(lambda length: st.binary(min_size=length, max_size=length)).map(Key)
texts = st.text(st.characters(codec="utf-8", exclude_characters="]\r[|", exclude_categories=["Cs", "Cc"]), max_size=40)


def noise(seed=1):
    return random.Random(seed).randbytes


def sealed(frame=PRESS, key=KEY, at=AT):
    return seal_frame(stamped(frame, at), key, noise())


def receiver(keys=lambda account: KEY, seen=None, **options):
    numbers = count(1)
    # An empty table of repeats is false in a condition, and must stay the one that was given.
    table = Seen() if seen is None else seen
    return Receiver(table, lambda: str(next(numbers)), keys=keys, random=noise(), **options)


def judge(machine, octets, at=AT):
    machine.received(octets)
    return machine.next_event(0.0, at)


@pytest.mark.parametrize("name", ["D13", "D14"])
def test_given_frames_open(name):
    given_frame = VECTORS[name]
    frame = open_frame(decode(bytes.fromhex(given_frame["hex"])), Key.from_hex(given_frame["key"]))
    assert frame.data == given_frame["expect"]["data"]
    assert frame.encrypted
    assert frame.time == AT
    assert encode(frame) == bytes.fromhex(given_frame["hex"])


@given(keys, texts, st.lists(st.tuples(st.sampled_from("HILX"), texts), max_size=3), st.integers(0, 99))
def test_what_is_sealed_opens_to_the_same(key, text, xdata, seed):
    frame = replace(PRESS, data=f"#1234|NQA001^{text}^", xdata=tuple(xdata))
    shut = seal_frame(stamped(frame, AT), key, noise(seed))
    assert shut.data == ""
    assert text not in encode(shut).decode() or not text.strip("0123456789ABCDEF")
    opened = open_frame(decode(encode(shut)), key)
    assert (opened.data, opened.xdata, opened.time) == (frame.data, frame.xdata, AT)


@given(st.binary(min_size=0, max_size=64))
def test_a_pad_never_holds_what_ends_one(octets):
    made = pad(len(octets), lambda length: octets[:length])
    assert len(made) == len(octets)
    assert not set(made) & set(b"|[]\r\n")


def test_equal_messages_look_different():
    first, second = (seal_frame(stamped(PRESS, AT), KEY, noise(seed)) for seed in (1, 2))
    assert first.cipher[:32] != second.cipher[:32]


@given(st.binary(min_size=16, max_size=96).filter(lambda octets: len(octets) % 16 == 0))
def test_any_ciphertext_opens_or_is_refused(octets):
    frame = replace(PRESS, encrypted=True, cipher=octets.hex().upper(), data="")
    try:
        open_frame(frame, KEY)
    except FrameError as error:
        assert error.reason is Reason.CIPHER
        assert error.header is not None


def test_the_wrong_key_opens_nothing():
    with pytest.raises(FrameError, match="does not open"):
        open_frame(sealed(), OTHER)


@pytest.mark.parametrize("plain", ["]_10:00:00,01-02-2026PADPADPAD", "PAD|]_10:00:00,01-02-2026"])
def test_both_editions_of_an_empty_frame_are_read(plain):
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    text = "P" * (-len("]_10:00:00,01-02-2026") % 16) + "]_10:00:00,01-02-2026" if plain[0] == "]" else plain
    octets = text.encode()
    octets = b"P" * (-len(octets) % 16) + octets
    encryptor = Cipher(algorithms.AES(KEY.octets), modes.CBC(bytes(16))).encryptor()
    frame = Frame("NULL", "0000", "1234", None, "0", encrypted=True, cipher=encryptor.update(octets).hex())
    opened = open_frame(frame, KEY)
    assert (opened.data, opened.time) == ("", AT)


@pytest.mark.parametrize("text", ["", "00", "0" * 33, "0" * 30, "g" * 32])
def test_a_key_of_another_length_is_refused(text):
    with pytest.raises(ValueError, match="key"):
        Key.from_hex(text)


def test_a_key_never_shows_itself():
    assert repr(KEY) == "Key(128 bits)"
    assert Key.from_characters("0123456789abcdef").octets == b"0123456789abcdef"


@pytest.mark.parametrize(("seconds", "fresh"), [(0, True), (-40, True), (20, True), (-41, False), (21, False)])
def test_the_window(seconds, fresh):
    assert in_window(stamped(PRESS, AT + timedelta(seconds=seconds)), AT) is fresh


def test_a_press_is_received_and_acknowledged_under_the_key():
    machine = receiver()
    event = judge(machine, encode(sealed()))
    assert isinstance(event, AlarmReceived)
    assert event.alarms[0].source.encrypted
    assert event.alarms[0].native[0].value == "QA"
    answer = decode(machine.answer(event, event.verdict, 0.0, AT))
    assert (answer.token, answer.encrypted, answer.seq) == ("ACK", True, "0007")
    assert open_frame(answer, KEY).time == AT


def test_a_repeat_with_another_pad_and_time_is_a_repeat():
    machine = receiver(seen=Seen())
    first = judge(machine, encode(sealed()))
    machine.answer(first, Verdict.ACK, 0.0, AT)
    again = seal_frame(stamped(PRESS, AT + timedelta(seconds=5)), KEY, noise(9))
    second = judge(machine, encode(again))
    assert isinstance(second, AlarmReceived)
    assert second.duplicate


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_an_old_recording_is_told_as_such_and_gets_nak(seconds):
    machine = receiver()
    event = judge(machine, encode(sealed(at=AT + timedelta(seconds=seconds))))
    assert isinstance(event, AlarmReceived)
    assert not event.fresh
    assert event.clock_ahead_s == seconds
    answer = decode(machine.answer(event, event.verdict, 0.0, AT))
    assert (answer.token, answer.account, answer.time) == ("NAK", None, AT)


@pytest.mark.parametrize("frame", [PRESS, poll("1234")])
def test_nothing_in_clear_passes_where_there_is_a_key(frame):
    machine = receiver()
    event = judge(machine, encode(frame))
    assert isinstance(event, Bad)
    assert event.reason is Reason.CIPHER
    assert decode(machine.answer(event, event.verdict, 0.0, AT)).token == "DUH"
    # The negative control: without a key of that account the same octets are an alarm or a link test.
    assert not isinstance(judge(receiver(keys=lambda account: None), encode(frame)), Bad)


def test_an_encrypted_link_test():
    machine = receiver()
    event = judge(machine, encode(seal_frame(stamped(poll("1234"), AT), KEY, noise())))
    assert isinstance(event, Heartbeat)
    assert event.verdict is Verdict.ACK


def sender(**options):
    machine = Sender(ack_timeout_s=4.0, key=KEY, random=noise(), **options)
    return machine, machine.send(PRESS, 0.0, AT)


def test_both_ends_of_us_understand_each_other():
    machine, octets = sender()
    centre = receiver()
    event = judge(centre, octets)
    (outcome,) = machine.received(centre.answer(event, event.verdict, 0.0, AT), 1.0)
    assert isinstance(outcome, Delivered)


def test_an_acknowledgement_in_clear_delivers_nothing_where_there_is_a_key():
    machine, _ = sender()
    assert machine.received(encode(Frame("ACK", "0007", "1234", "0", "0")), 1.0) == [Unexpected("clear-answer")]
    assert machine.in_flight is not None
    # The negative control: a sender without a key takes it.
    plain = Sender()
    plain.send(PRESS, 0.0)
    assert isinstance(plain.received(encode(Frame("ACK", "0007", "1234", "0", "0")), 1.0)[0], Delivered)


def test_an_acknowledgement_under_another_key_delivers_nothing():
    machine, _ = sender()
    forged = seal_frame(stamped(Frame("ACK", "0007", "1234", "0", "0"), AT), OTHER, noise())
    assert machine.received(encode(forged), 1.0) == [Unexpected("cipher")]


def test_a_refusal_in_clear_is_believed():
    machine, _ = sender()
    assert isinstance(machine.received(encode(Frame("DUH", "0007", "1234", "0", "0")), 1.0)[0], Refused)


def test_a_wrong_clock_is_told_and_set_right():
    machine = Sender(key=KEY, random=noise())
    centre = receiver()
    event = judge(centre, machine.send(PRESS, 0.0, AT - timedelta(hours=1)))
    (outcome,) = machine.received(centre.answer(event, event.verdict, 0.0, AT), 1.0)
    assert outcome == ClockNak("0007", "1234", AT)
    event = judge(centre, machine.send(PRESS, 2.0, outcome.receiver_time))
    assert isinstance(machine.received(centre.answer(event, event.verdict, 0.0, AT), 3.0)[0], Delivered)


def test_a_time_is_needed():
    with pytest.raises(SenderError, match="time"):
        Sender(key=KEY, random=noise()).send(PRESS, 0.0)
    with pytest.raises(ValueError, match="timestamp"):
        seal_frame(PRESS, KEY, noise())
    with pytest.raises(ValueError, match="randomness"):
        Sender(key=KEY)
    with pytest.raises(ValueError, match="randomness"):
        Receiver(Seen(), str, keys=lambda account: KEY)


def test_datagrams_are_frames_and_a_lost_answer_spends_nothing():
    machine = Sender(ack_timeout_s=4.0, datagrams=True)
    octets = machine.send(PRESS, 0.0)
    assert isinstance(machine.timeout(4.0)[0], NoAnswer)
    assert machine.send(PRESS, 5.0) == octets
    # Half a frame in one datagram never joins the next one.
    assert machine.received(b'\n12340015"ACK', 5.1) == [Unexpected("truncated")]
    centre = receiver(keys=None, datagrams=True)
    event = judge(centre, octets)
    assert event.alarms[0].source.transport == "udp"
    (outcome,) = machine.received(centre.answer(event, event.verdict, 0.0, AT), 5.2)
    assert isinstance(outcome, Delivered)
