"""Sender and receiver: what counts as delivered, what is answered, and what a repeat is."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.centre.alarm import Action, Alarm, Category, Correlation, Source, Transmitter
from protocols.centre.sia_dc09 import (
    AlarmReceived,
    Bad,
    ClockNak,
    Closed,
    CrcForm,
    Delivered,
    Frame,
    Heartbeat,
    NoAnswer,
    Reason,
    Receiver,
    Refused,
    Seen,
    Sender,
    SenderError,
    Unexpected,
    Verdict,
    alarm_frame,
    decode,
    encode,
    poll,
)
from protocols.centre.sia_dc09.receiver import dedupe_key

AT = datetime(2026, 1, 2, 10, 0, 0, tzinfo=UTC)


def press(reference="0000002a-3-17"):
    return Alarm(
        id="1",
        received_at=AT,
        source=Source("fleet", "mqtt"),
        transmitter=Transmitter("0000002a"),
        action=Action.NEW,
        category=Category.PERSONAL_HELP,
        correlation=Correlation(reference=reference),
    )


ALARM = alarm_frame(press(), 17, "0000002A")


def waiting(frame=ALARM):
    sender = Sender(ack_timeout_s=4.0)
    sender.send(frame, 100.0)
    return sender


def answer(token="ACK", seq="0017", account="0000002A", **more):
    return encode(Frame(token, seq, account, "0", "0", **more))


def receiver(seen=None):
    ids = count(1)
    return Receiver(Seen() if seen is None else seen, lambda: f"id{next(ids)}", peer="192.0.2.1:4000")


def events_of(machine, octets, now=0.0):
    machine.received(octets)
    found = []
    while (event := machine.next_event(now, AT)) is not None:
        found.append(event)
    return found


def test_an_ack_with_the_same_sequence_and_account_delivers():
    assert waiting().received(answer(), 101.0) == [Delivered("0017", "0000002A", ALARM)]
    assert waiting().received(answer("RSP", data="x"), 101.0) == [Delivered("0017", "0000002A", ALARM)]
    assert waiting().received(answer(crc_form=CrcForm.BINARY), 101.0) == [Delivered("0017", "0000002A", ALARM)]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (answer(seq="0018"), "other-sequence"),
        (answer(seq="0000"), "other-sequence"),
        (answer(account="2A0"), "other-account"),
        (answer(account="0000002a"), "other-account"),
        (answer("DUH", seq="0018"), "other-sequence"),
        (answer("NULL"), "not-an-answer"),
        (encode(ALARM), "not-an-answer"),
        (b'"NAX"', "garbage"),
        (b"\n\r", None),
        (answer().replace(b"#", b"$"), "crc"),
    ],
)
def test_nothing_else_delivers_and_the_wait_goes_on(octets, reason):
    sender = waiting()
    assert sender.received(octets, 101.0) == ([] if reason is None else [Unexpected(reason)])
    assert sender.in_flight == ALARM
    assert sender.received(answer(), 102.0) == [Delivered("0017", "0000002A", ALARM)]


def test_duh_and_nak_end_the_wait_and_leave_the_connection_usable():
    sender = waiting()
    assert sender.received(answer("DUH"), 101.0) == [Refused("0017", "0000002A")]
    sender.send(alarm_frame(press(), 17, "0000002A", minimal=True), 101.0)
    nak = encode(Frame("NAK", "0000", None, "0", "0", timestamp="10:00:00,01-02-2026"))
    assert sender.received(nak, 102.0) == [ClockNak("0017", "0000002A", AT)]
    assert sender.usable
    assert sender.next_wakeup(102.0) is None


def test_silence_spends_the_connection_and_a_late_ack_is_nobodys():
    sender = waiting()
    assert sender.next_wakeup(100.0) == 104.0
    assert sender.timeout(103.9) == []
    assert sender.timeout(104.0) == [NoAnswer("0017", "0000002A")]
    assert sender.timeout(200.0) == []
    assert sender.received(answer(), 105.0) == [Unexpected("unasked")]
    with pytest.raises(SenderError, match="spent"):
        sender.send(ALARM, 105.0)


def test_a_close_says_whether_a_message_was_on_the_way():
    assert waiting().closed(101.0) == [Closed("0017", "0000002A")]
    idle = Sender()
    assert idle.closed(0.0) == [Closed()]
    assert idle.closed(1.0) == []


def test_one_message_at_a_time():
    with pytest.raises(SenderError, match="in flight"):
        waiting().send(ALARM, 100.0)


def test_one_ack_delivers_one_message():
    sender = waiting()
    assert sender.received(answer() * 2, 101.0) == [Delivered("0017", "0000002A", ALARM), Unexpected("unasked")]


def test_a_link_test_is_delivered_like_anything_else():
    assert waiting(poll("1234")).received(answer(seq="0000", account="1234"), 101.0) == [
        Delivered("0000", "1234", poll("1234"))
    ]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40) | st.just(answer()) | st.just(answer(seq="0018")), max_size=10))
def test_a_sender_delivers_once_at_most_whatever_comes(portions):
    sender = waiting()
    outcomes = [outcome for portion in portions for outcome in sender.received(portion, 101.0)]
    assert sum(isinstance(outcome, Delivered) for outcome in outcomes) <= 1
    assert (sender.in_flight is None) == any(isinstance(o, Delivered | Refused | ClockNak) for o in outcomes)


def test_a_receiver_says_what_came():
    (event,) = events_of(receiver(), encode(ALARM))
    assert isinstance(event, AlarmReceived)
    assert not event.duplicate
    (alarm,) = event.alarms
    assert (alarm.id, alarm.received_at, alarm.source.peer) == ("id1", AT, "192.0.2.1:4000")
    assert alarm.correlation.dedupe_key == event.key
    assert isinstance(events_of(receiver(), encode(poll("1234")))[0], Heartbeat)


@pytest.mark.parametrize("crc_form", list(CrcForm))
@pytest.mark.parametrize(("receiver_number", "line"), [("0", "0"), (None, "0"), ("", ""), (None, None), ("F3", "77")])
def test_an_answer_echoes_the_question(receiver_number, line, crc_form):
    machine = receiver()
    asked = Frame("SIA-DCS", "00fF", "0043", receiver_number, line, "#0043|NQA1", crc_form=crc_form)
    (event,) = events_of(machine, encode(asked))
    for verdict in (Verdict.ACK, Verdict.DUH):
        said = decode(machine.answer(event, verdict, 0.0, AT))
        assert said == Frame(verdict.value, "00fF", "0043", receiver_number, line, crc_form=crc_form)


def test_nak_tells_the_time_and_silence_tells_nothing():
    machine = receiver()
    (event,) = events_of(machine, encode(ALARM))
    assert machine.answer(event, Verdict.NAK, 0.0, AT)[9:] == b'"NAK"0000R0L0A0[]_10:00:00,01-02-2026\r'
    assert machine.answer(event, Verdict.SILENT, 0.0, AT) == b""


def test_a_wrong_crc_or_length_gets_no_answer_whatever_the_caller_wants():
    good = encode(ALARM)
    for bad, reason in ((good.replace(b"|", b"!"), Reason.CRC), (good.replace(b"R0L0", b"R0L00"), Reason.LENGTH)):
        machine = receiver()
        (event,) = events_of(machine, bad)
        assert isinstance(event, Bad)
        assert event.reason is reason
        for verdict in Verdict:
            assert machine.answer(event, verdict, 0.0, AT) == b""


@pytest.mark.parametrize(
    "frame",
    [
        Frame("SIA-PUD", "0001", "1234", "0", "0", "#1234|1101 01 001"),
        Frame("SIA-DCS", "0001", "1234", "0", "0", ""),
        Frame("SIA-DCS", "0001", "1234", "0", "0", encrypted=True, cipher="00" * 16),
    ],
)
def test_what_cannot_be_processed_gets_duh_and_never_ack(frame):
    machine = receiver()
    (event,) = events_of(machine, encode(frame))
    assert isinstance(event, Bad)
    assert decode(machine.answer(event, Verdict.DUH, 0.0, AT)).token == "DUH"
    with pytest.raises(ValueError, match="cannot be acknowledged"):
        machine.answer(event, Verdict.ACK, 0.0, AT)


@pytest.mark.parametrize("token", ["ACK", "NAK", "DUH", "RSP"])
def test_an_answer_is_never_answered(token):
    machine = receiver()
    account = None if token == "NAK" else "1234"
    (event,) = events_of(machine, encode(Frame(token, "0001", account, "0", "0")))
    assert machine.answer(event, Verdict.DUH, 0.0, AT) == b""


def test_a_repeat_is_known_only_once_the_first_was_stored():
    seen, other = Seen(), receiver()
    machine = receiver(seen)
    machine.received(encode(ALARM) * 3)
    first = machine.next_event(0.0, AT)
    second = machine.next_event(0.0, AT)
    assert not second.duplicate
    machine.answer(second, Verdict.ACK, 0.0, AT)
    assert machine.next_event(0.0, AT).duplicate
    assert events_of(receiver(seen), encode(ALARM))[0].duplicate
    assert not events_of(other, encode(ALARM))[0].duplicate
    assert first.key == second.key


def test_a_repeat_with_another_time_is_the_same_message_and_another_text_is_not():
    seen = Seen()
    machine = receiver(seen)
    keys = {
        events_of(machine, encode(Frame("SIA-DCS", "0001", "1234", "0", "0", data, timestamp=time)))[0].key
        for data, time in (("#1234|NQA1", None), ("#1234|NQA1", "10:00:00,01-02-2026"), ("#1234|NQA2", None))
    }
    assert len(keys) == 2


def test_every_part_of_a_messages_identity_counts():
    base = Frame("SIA-DCS", "0001", "1234", "0", "0", "#1234|NQA1", (("I", "text"),))
    others = [
        {"seq": "0002"},
        {"account": "01234"},
        {"receiver": "1"},
        {"line": "1"},
        {"receiver": None},
        {"token": "ADM-CID"},
        {"data": "#1234|NQA2"},
        {"xdata": (("I", "other"),)},
        {"xdata": ()},
        {"receiver": "1", "line": None},
        {"receiver": None, "line": "1"},
    ]
    keys = {dedupe_key(replace(base, **change)) for change in [{}, *others]}
    assert len(keys) == len(others) + 1
    assert dedupe_key(replace(base, timestamp="10:00:00,01-02-2026", crc_form=CrcForm.BINARY)) in keys


def test_the_table_of_seen_messages_is_bounded_in_number_and_in_age():
    seen = Seen(capacity=3, window_s=60.0)
    for number in range(5):
        seen.add(str(number), float(number))
    assert len(seen) == 3
    assert not seen.holds("1", 4.0)
    assert seen.holds("4", 64.0)
    assert not seen.holds("4", 64.1)


def test_a_stream_that_ends_inside_a_frame_is_reported():
    machine = receiver()
    assert events_of(machine, encode(ALARM)[:30]) == []
    assert machine.pending == 30
    machine.closed()
    assert machine.next_event(0.0, AT).reason is Reason.TRUNCATED


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9999), st.text("0123456789abcdef-", min_size=1, max_size=20)), max_size=12))
def test_the_two_machines_understand_each_other(presses):
    sender, machine = Sender(), receiver()
    stored = []
    for seq, reference in presses:
        octets = sender.send(alarm_frame(press(reference), seq, "0000002A"), 0.0)
        (event,) = events_of(machine, octets)
        stored.append(event.alarms[0].correlation.reference)
        (outcome,) = sender.received(machine.answer(event, Verdict.ACK, 0.0, AT), 0.0)
        assert isinstance(outcome, Delivered)
    assert stored == [reference for _, reference in presses]
