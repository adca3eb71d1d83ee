"""Sender and receiver against each other: what delivers, what does not, repeats, losses, strangers, passwords."""

import hashlib
import heapq
import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.centre.alarm import Outcome
from protocols.centre.scaip import (
    AlarmReceived,
    Bad,
    Call,
    Closed,
    Credentials,
    Delivered,
    Dialect,
    Failed,
    Flow,
    Guard,
    Heartbeat,
    Received,
    Receiver,
    Refused,
    ReplySettled,
    Request,
    Response,
    Sender,
    SenderError,
    Transmit,
    Unexpected,
    encode,
    heartbeat,
)
from protocols.centre.scaip.sip_message import Headers, SipRequest, SipResponse, parse, serialize
from protocols.centre.sia_dc09.receiver import Seen

AT = datetime(2026, 1, 2, tzinfo=UTC)
UNIT = ("10.0.0.2", 40_000)
CENTRE = ("10.0.0.1", 5060)
CID = "10149471"
ALARM = Request(ref="r0001", cid=CID, dty="3", stc="10", crd=("no-voice:",))


def tokens(seed):
    numbers = itertools.count()
    return lambda: hashlib.sha256(f"{seed} {next(numbers)}".encode()).hexdigest()[:24]


class Line:
    """Both machines on one simulated network. `fate(octets)` gives the delays of a packet's copies: none loses it."""

    def __init__(self, transport="udp", fate=lambda octets: (0.01,), answers=True, status=0, **more):
        sending = {name: more.pop(name) for name in ("credentials", "patience_s", "trusted", "domain") if name in more}
        self.sender = Sender(tokens("s"), "sip:arc@10.0.0.1", **sending)
        self.seen = Seen()
        self.receiver = Receiver(tokens("r"), self.seen, tokens("id"), **more)
        self.there = Flow(transport, UNIT, CENTRE)
        self.back = Flow(transport, CENTRE, UNIT)
        self.fate, self.answers, self.status, self.call = fate, answers, status, Call(("tel:1",))
        self.now, self.queue, self.count = 0.0, [], itertools.count()
        self.results, self.found, self.stored, self.wires = [], [], [], []

    def send(self, request=ALARM):
        self._go(self.sender.send(request, encode(request), self.there, self.now), to_centre=True)

    def run(self, until=60.0):
        while True:
            times = [self.queue[0][0]] if self.queue else []
            times += [due for due in (self.sender.next_wakeup(), self.receiver.next_wakeup()) if due is not None]
            if not times or min(times) > until:
                self.now = until
                return self.results
            self.now = max(self.now, min(times))
            if self.queue and self.queue[0][0] <= self.now:
                _, _, to_centre, octets = heapq.heappop(self.queue)
                self._came(to_centre, octets)
            self._sender(self.sender.wake(self.now))
            self._receiver(self.receiver.wake(self.now, AT))

    def _came(self, to_centre, octets):
        if to_centre:
            self._receiver(self.receiver.handle(Received(self.back, octets), self.now, AT))
        else:
            self._sender(self.sender.handle(Received(self.there, octets), self.now))

    def _sender(self, outcome):
        wires, results = outcome
        self.results += [(self.now, result) for result in results]
        self._go(wires, to_centre=True)

    def _receiver(self, outcome):
        wires, found = outcome
        self._go(wires, to_centre=False)
        for event in found:
            self.found.append(event)
            if isinstance(event, ReplySettled) or not self.answers:
                continue
            if isinstance(event, AlarmReceived) and not event.duplicate:
                self.stored.append(event.request)
            status = event.status if isinstance(event, Bad) else self.status
            self._go(self.receiver.answer(event, status, self.now, call=self.call), to_centre=False)

    def _go(self, wires, *, to_centre):
        for wire in wires:
            assert isinstance(wire, Transmit)
            self.wires.append((self.now, to_centre, wire))
            for delay in self.fate(wire.octets):
                heapq.heappush(self.queue, (self.now + delay, next(self.count), to_centre, wire.octets))

    def kinds(self):
        return [type(result) for _, result in self.results]


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("dialect", Dialect)
def test_an_alarm_is_delivered(transport, dialect):
    line = Line(transport)
    line.send(replace(ALARM, dialect=dialect, crd=()))
    (_, result), *_ = line.run()
    assert isinstance(result, Delivered)
    assert (result.ref, result.reply.voice.number) == ("r0001", "tel:1")
    assert [request.ref for request in line.stored] == ["r0001"]
    carried = [type(parse(wire.octets)) for _, to_centre, wire in line.wires if not to_centre]
    assert carried == ([SipResponse, SipRequest] if dialect is Dialect.A else [SipResponse])
    assert line.sender.next_wakeup() is None


def test_a_heartbeat_is_delivered_and_reaches_nobody():
    line = Line()
    line.send(heartbeat(CID, "p1"))
    line.run()
    assert line.kinds() == [Delivered]
    assert [type(event) for event in line.found] == [Heartbeat, ReplySettled]
    assert line.stored == []


def test_a_call_is_only_named_where_one_is_wanted():
    line = Line()
    line.send(ALARM)
    line.run()
    assert line.results[0][1].reply.voice is None


def test_a_bare_200_delivers_nothing_and_the_patience_is_4_s():
    line = Line(answers=False)
    line.send()
    line.run()
    ((when, result),) = line.results
    assert (when, type(result), result.reply.native_code, result.reply.outcome) == (
        4.0, Failed, "sip 200", Outcome.RETRY_OTHER,
    )  # fmt: skip


def test_silence_is_known_after_the_patience_and_nothing_is_repeated_after_it():
    line = Line(fate=lambda octets: ())
    line.send()
    line.run(200.0)
    ((when, result),) = line.results
    assert (when, type(result), result.reply.native_code) == (4.0, Failed, "silence")
    assert [now for now, _, _ in line.wires] == [0.0, 0.5, 1.5, 3.5]


def test_a_lost_reply_is_repeated_by_the_centre_until_it_is_heard():
    lost = iter([False] * 2 + [True] * 2 + [False] * 100)
    line = Line(fate=lambda octets: () if next(lost) else (0.01,))
    line.send()
    line.run()
    assert line.kinds() == [Delivered]
    assert len(line.stored) == 1


def test_a_repeat_with_the_same_ref_is_answered_again_and_not_stored_again():
    line = Line(answers=False, patience_s=4.0)
    line.send()
    line.run(10.0)
    line.answers = True
    line.send()
    line.run(20.0)
    line.send()
    line.run(30.0)
    assert line.kinds() == [Failed, Delivered, Delivered]
    assert [event.duplicate for event in line.found if isinstance(event, AlarmReceived)] == [False, False, True]
    assert len(line.stored) == 1


def test_an_alarm_that_was_not_accepted_is_no_duplicate_later():
    """The control of the promise: only status 0 remembers."""
    line = Line(status=6)
    line.send()
    line.run(10.0)
    line.status = 0
    line.send()
    line.run(20.0)
    assert line.kinds() == [Failed, Delivered]
    assert len(line.stored) == 2


def test_another_alarm_under_an_old_ref_is_no_duplicate():
    line = Line()
    line.send()
    line.run(10.0)
    line.send(replace(ALARM, dty="5", stc="9"))
    line.run(20.0)
    assert len(line.stored) == 2


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [
        (4, Failed, Outcome.RETRY_OTHER), (5, Failed, Outcome.RETRY_OTHER), (6, Failed, Outcome.RETRY_OTHER),
        (99, Failed, Outcome.RETRY_OTHER),
        (1, Refused, Outcome.REJECT_PERMANENT), (7, Refused, Outcome.REJECT_PERMANENT),
    ],
)  # fmt: skip
def test_a_status_other_than_0(status, kind, outcome):
    line = Line(status=status)
    line.send()
    line.run()
    ((when, result),) = line.results
    assert (type(result), result.reply.outcome) == (kind, outcome)
    assert when < 0.1


def test_a_device_that_speaks_for_another_is_refused():
    line = Line()
    line.send()
    octets = line.wires[0][2].octets.replace(b"sip:10149471@", b"sip:99@")
    line.queue.clear()
    line._came(True, octets)
    assert [(event.status, event.message) for event in line.found if isinstance(event, Bad)] == [
        (3, "From names another user than cid")
    ]
    open_line = Line(from_is_cid=False)
    open_line._came(True, octets)
    assert len(open_line.stored) == 1


@pytest.mark.parametrize("password", ["secret", "other", None])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_password_lets_in_and_its_absence_does_not(password, transport):
    guard = Guard("centre", b"k" * 32, {CID: "secret"}.get)
    credentials = None if password is None else Credentials(CID, password)
    line = Line(transport, guard=guard, credentials=credentials)
    for number in range(3):
        line.send(replace(ALARM, ref=f"r{number}"))
        line.run(line.now + 5.0)
    if password == "secret":
        assert line.kinds() == [Delivered] * 3
        assert [event.alarm.source.authenticated for event in line.found if isinstance(event, AlarmReceived)] == [
            "digest"
        ] * 3
        assert len([wire for _, to_centre, wire in line.wires if to_centre and wire.octets.startswith(b"MESSAGE")]) == 4
    else:
        assert [result.reply.outcome for _, result in line.results] == [Outcome.AUTH] * 3
        assert line.stored == []


def test_the_password_of_another_unit_does_not_let_in():
    guard = Guard("centre", b"k" * 32, {"99": "secret"}.get)
    line = Line(guard=guard, credentials=Credentials("99", "secret"))
    line.send()
    line.run()
    assert line.kinds() == [Refused]
    assert line.stored == []


def test_a_reference_in_flight_is_not_sent_twice_and_others_are_their_own():
    line = Line()
    line.send()
    with pytest.raises(SenderError):
        line.send()
    for number in range(20):
        line.send(replace(ALARM, ref=f"n{number}"))
    line.run()
    assert sorted(result.ref for _, result in line.results) == sorted(
        ["r0001", *(f"n{number}" for number in range(20))]
    )


BRANCHES = itertools.count()


def reply_from(flow, response, sender):
    """A MESSAGE with a reply, from any flow."""
    headers = Headers([
        ("Via", f"SIP/2.0/UDP {flow.remote[0]}:9;branch=z9hG4bKz{next(BRANCHES)};rport"), ("From", "<sip:arc@h>;tag=1"),
        ("To", "<sip:1@h>"), ("Call-ID", "z"), ("CSeq", "1 MESSAGE"), ("Content-Type", "application/scaip+xml"),
    ])  # fmt: skip
    octets = serialize(SipRequest("MESSAGE", "sip:1@h", headers, encode(response)))
    wires, results = sender.handle(Received(flow, octets), 1.0)
    return parse(wires[0].octets).status, results


def test_a_reply_is_believed_from_the_centre_only():
    sender = Sender(tokens("s"), "sip:arc@10.0.0.1", trusted=frozenset({"10.0.0.7"}))
    sender.send(ALARM, encode(ALARM), Flow("udp", UNIT, CENTRE), 0.0)
    yes = Response("r0001", "0")
    assert reply_from(Flow("udp", UNIT, ("10.9.9.9", 5060)), yes, sender) == (403, [Unexpected("stranger")])
    assert reply_from(Flow("udp", UNIT, CENTRE), Response("other", "0"), sender) == (200, [Unexpected("unasked")])
    assert reply_from(Flow("udp", UNIT, CENTRE), Response("R0001", "0"), sender)[1] == [Unexpected("unasked")]
    status, (result,) = reply_from(Flow("udp", UNIT, ("10.0.0.7", 999)), yes, sender)
    assert (status, type(result)) == (200, Delivered)


def test_a_reply_in_clear_does_not_answer_an_alarm_that_went_by_tls():
    sender = Sender(tokens("s"), "sip:arc@10.0.0.1")
    sender.send(ALARM, encode(ALARM), Flow("tls", UNIT, CENTRE), 0.0)
    assert reply_from(Flow("udp", UNIT, CENTRE), Response("r0001", "0"), sender) == (403, [Unexpected("stranger")])
    assert isinstance(reply_from(Flow("tls", UNIT, CENTRE), Response("r0001", "0"), sender)[1][0], Delivered)


def test_a_reply_before_the_200_counts_and_a_late_one_does_no_harm():
    sender = Sender(tokens("s"), "sip:arc@10.0.0.1")
    flow = Flow("udp", UNIT, CENTRE)
    (sent,) = sender.send(ALARM, encode(ALARM), flow, 0.0)
    assert isinstance(reply_from(flow, Response("r0001", "0"), sender)[1][0], Delivered)
    request = parse(sent.octets)
    copied = [(name, request.headers.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq")]
    late = serialize(SipResponse(200, "OK", Headers(copied)))
    assert sender.handle(Received(flow, late), 1.0) == ([], [])
    assert sender.wake(100.0) == ([], [])


@pytest.mark.parametrize(
    ("status", "kind"), [(503, Failed), (408, Failed), (404, Failed), (413, Refused), (415, Refused), (403, Refused)]
)
def test_a_sip_error_is_known_at_once(status, kind):
    sender = Sender(tokens("s"), "sip:arc@10.0.0.1")
    flow = Flow("udp", UNIT, CENTRE)
    (sent,) = sender.send(ALARM, encode(ALARM), flow, 0.0)
    request = parse(sent.octets)
    copied = [(name, request.headers.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq")]
    _, (result,) = sender.handle(Received(flow, serialize(SipResponse(status, "x", Headers(copied)))), 0.1)
    assert (type(result), result.reply.native_code) == (kind, f"sip {status}")


def test_a_lost_connection_fails_at_once():
    sender = Sender(tokens("s"), "sip:arc@10.0.0.1")
    flow = Flow("tcp", UNIT, CENTRE)
    sender.send(ALARM, encode(ALARM), flow, 0.0)
    _, (result,) = sender.handle(Closed(flow), 0.1)
    assert (type(result), result.reply.native_code, sender.in_flight) == (Failed, "transport", 0)


def test_a_bad_message_is_never_accepted():
    line = Line()
    line.send()
    octets = line.wires[0][2].octets.replace(b"<dty>3</dty>", b"<dxx>3</dxx>")
    _, (bad,) = line.receiver.handle(Received(line.back, octets), 0.0, AT)
    assert (bad.status, bad.ref) == (7, "r0001")
    with pytest.raises(ValueError, match="cannot be accepted"):
        line.receiver.answer(bad, 0, 0.0)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(1, 8))
def test_on_any_network_nothing_is_delivered_that_is_not_stored_and_nothing_is_stored_twice(data, count):
    """Packets are lost, doubled and overtaken; every message ends, and each that was delivered was stored once."""

    def fate(octets):
        return data.draw(st.lists(st.sampled_from([0.01, 0.3, 0.8, 2.0, 6.0]), max_size=2))

    line = Line(fate=fate)
    for number in range(count):
        line.send(replace(ALARM, ref=f"n{number}"))
    line.run(120.0)
    ends = [result for _, result in line.results if not isinstance(result, Unexpected)]
    assert sorted(result.ref for result in ends) == sorted(f"n{number}" for number in range(count))
    assert all(when <= 4.0 for when, result in line.results if not isinstance(result, Unexpected))
    stored = [request.ref for request in line.stored]
    assert len(stored) == len(set(stored))
    assert {result.ref for result in ends if isinstance(result, Delivered)} <= set(stored)
    assert line.sender.in_flight == 0
    assert line.sender.next_wakeup() is None
