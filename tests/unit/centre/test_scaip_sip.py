"""SIP as far as MESSAGE needs it: grammar, stream framing, transactions with their timers, digest."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.centre.scaip.sip_flow import (
    Answered,
    Closed,
    Dropped,
    Flow,
    Hangup,
    Incoming,
    Received,
    Transmit,
    Unanswered,
)
from protocols.centre.scaip.sip_message import (
    Headers,
    SipError,
    SipRequest,
    address,
    escape_user,
    parse,
    parse_uri,
    serialize,
    split_list,
    top_via,
)
from protocols.centre.scaip.sip_stream import SipStream
from tests.sip_messages import PLAIN, UDP, agent, draft, reply

TCP = Flow("tcp", ("127.0.0.1", 5060), ("127.0.0.1", 5070))


def said(actions):
    return [parse(action.octets) for action in actions if isinstance(action, Transmit)]


class TestGrammar:
    def test_compact_names_case_and_folds(self):
        octets = (
            b"MESSAGE sip:arc@127.0.0.1 SIP/2.0\r\nv : SIP / 2.0 / UDP 127.0.0.1 : 5070 ;branch=z9hG4bKx; RPORT\r\n"
            b"f: <sip:1@h>;tag=a\r\nT: <sip:arc@h>\r\ni:c1\r\ncSeQ: 1 MESSAGE\r\nS: one\r\n\t two\r\n  three\r\n"
            b"c: application/scaip+xml\r\nl: 6\r\n\r\n<mrq/>trailing"
        )
        found = parse(octets)
        assert (found.headers.get("Call-ID"), found.headers.get("subject"), found.body) == (
            "c1",
            "one two three",
            b"<mrq/>",
        )
        via = top_via(found.headers)
        assert (via.transport, via.host, via.port, via.get("rport"), via.get("branch")) == (
            "UDP", "127.0.0.1", 5070, "", "z9hG4bKx",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("old", "new", "why"),
        [
            (b"Content-Length: 6", b"Content-Length: 60", "shorter"),
            (b"Content-Length: 6", b"Content-Length: -6", "no number"),
            (b"Content-Length: 6", b"Content-Length: 6\r\nl: 5", "differently"),
            (b"Call-ID: c1\r\n", b"", "missing"),
            (b"CSeq: 1 MESSAGE", b"CSeq: 1 INVITE", "different methods"),
            (b"CSeq: 1 MESSAGE", b"CSeq: one MESSAGE", "cannot be read"),
            (b"CSeq: 1 MESSAGE", b"CSeq: 2147483648 MESSAGE", "too large"),
            (b"SIP/2.0/UDP", b"SIP/3.0/UDP", "Via"),
            (b"Max-Forwards: 70", b"Max-Forwards 70", "colon"),
            (b"Max-Forwards: 70", b"X: \0", "NUL"),
            (b"70\r\n", b"70\n", "bare"),
            (b"MESSAGE sip:arc@127.0.0.1 SIP/2.0", b"MESSAGE sip:arc@127.0.0.1 HTTP/1.1", "neither"),
            (b"MESSAGE sip:arc@127.0.0.1 SIP/2.0\r\n", b"MESSAGE sip:arc@127.0.0.1 SIP/2.0\r\n folded\r\n", "folded"),
            (b"Max-Forwards: 70\r\n", b"X: y\r\n" * 200, "headers"),
            (b"Max-Forwards: 70\r\n", b"X: " + b"y" * 20_000 + b"\r\n", "too long"),
            (b"Max-Forwards: 70\r\n", b"X: " + b"y" * 5000 + b"\r\n", "characters"),
            (b";rport", b";a=b" * 100, "Via"),
            (b"\r\n\r\n<mrq/>", b"", "does not end"),
        ],
    )
    def test_what_two_readers_could_read_differently_is_refused(self, old, new, why):
        assert PLAIN.count(old) >= 1
        with pytest.raises(SipError, match=why):
            parse(PLAIN.replace(old, new, 1))

    def test_a_body_without_a_length_is_the_rest_of_a_datagram_and_nothing_on_a_stream(self):
        without = PLAIN.replace(b"Content-Length: 6\r\n", b"")
        assert parse(without).body == b"<mrq/>"
        with pytest.raises(SipError):
            parse(without, datagram=False)

    def test_no_value_of_ours_starts_a_header(self):
        with pytest.raises(SipError):
            serialize(SipRequest("MESSAGE", "sip:a@b", Headers([("Subject", "x\r\nVia: y")])))

    def test_lists_keep_quotes_and_brackets_together(self):
        assert split_list('a, "b, c" <sip:x,y@h>;q=1, <sip:z@h>') == ["a", '"b, c" <sip:x,y@h>;q=1', "<sip:z@h>"]

    def test_addresses_and_uris(self):
        assert address('"A <b>" <sip:10@h;transport=tls>;tag=x')[0] != ""
        assert address("<sip:10@h;transport=tls>;tag=x") == ("sip:10@h;transport=tls", {"tag": "x"})
        assert address("sip:10@h;tag=x") == ("sip:10@h", {"tag": "x"})
        assert parse_uri("SIP:%31%30:pw@[::1]:5061;transport=tls").user == "10"
        assert parse_uri("tel:+461") is None
        assert parse_uri("sip:a@h:99999") is None
        assert escape_user("a b@c") == "a%20b%40c"
        assert parse_uri(f"sip:{escape_user('a b@c:ö')}@h") is not None

    @given(
        st.lists(
            st.tuples(
                st.from_regex(r"X-[A-Za-z]{1,8}", fullmatch=True), st.from_regex(r"[!-~åäö]{0,20}", fullmatch=True)
            ),
            max_size=5,
        ),
        st.binary(max_size=200),
    )
    def test_what_is_written_is_read_again(self, more, body):
        base = [field for field in parse(PLAIN).headers if field[0] != "Content-Length"]
        request = SipRequest("MESSAGE", "sip:arc@h", Headers([*base, *more]), body)
        found = parse(serialize(request))
        assert (found.body, found.headers.fields[:-1]) == (body, request.headers.fields)

    @given(st.binary(max_size=400), st.integers(0, len(PLAIN)), st.integers(0, 40))
    def test_no_octets_break_the_reader(self, junk, at, cut):
        for octets in (junk, PLAIN[:at] + junk[:20] + PLAIN[at + cut :]):
            try:
                parse(octets)
            except SipError:
                continue


class TestStream:
    @given(st.lists(st.integers(1, len(PLAIN) * 3 + 10), max_size=12))
    def test_any_portions_give_the_same_messages(self, cuts):
        octets = PLAIN + b"\r\n\r\n" + PLAIN + b"\r\n" + PLAIN
        edges = sorted({0, *(min(cut, len(octets)) for cut in cuts), len(octets)})
        stream = SipStream()
        found = [piece for start, stop in itertools.pairwise(edges) for piece in stream.feed(octets[start:stop])]
        assert [piece.strip(b"\r\n") for piece in found] == [PLAIN] * 3
        assert stream.pings == 1
        assert stream.pending == 0

    @pytest.mark.parametrize(
        "octets",
        [
            PLAIN.replace(b"Content-Length: 6", b"X: 6"),
            PLAIN.replace(b"Content-Length: 6", b"Content-Length: 99999999"),
            PLAIN.replace(b"Content-Length: 6", b"Content-Length: 6\r\nContent-Length: 7"),
            PLAIN.replace(b"Content-Length: 6", b"Content-Length: 0x6"),
            b"x" * 20_000,
            b"MESSAGE\0 x\r\n\r\n",
        ],
    )
    def test_a_length_that_lies_ends_the_stream(self, octets):
        stream = SipStream()
        assert isinstance(stream.feed(octets)[-1], SipError)
        assert stream.broken
        assert stream.feed(PLAIN) == []

    def test_the_agent_hangs_up_and_answers_a_ping(self):
        ours = agent()
        assert ours.handle(Received(TCP, b"\r\n\r\n"), 0.0) == [Transmit(TCP, b"\r\n")]
        assert Hangup(TCP) in ours.handle(Received(TCP, b"x\r\n\r\n"), 0.0)


class TestClient:
    def test_a_request_is_complete(self):
        ours = agent()
        _, (sent,) = ours.submit(draft(), UDP, 0.0)
        request = parse(sent.octets)
        via = top_via(request.headers)
        assert via.get("branch").startswith("z9hG4bK")
        assert via.get("rport") == ""
        assert (via.host, via.port, request.headers.get("Max-Forwards"), request.headers.get("CSeq")) == (
            "127.0.0.1", 5060, "70", "1 MESSAGE",
        )  # fmt: skip
        assert request.headers.get("Contact") is None
        assert len(sent.octets) < 460

    def test_timers_e_and_f_over_udp(self):
        ours = agent()
        ticket, (sent,) = ours.submit(draft(), UDP, 100.0)
        times = []
        while (due := ours.next_wakeup()) is not None:
            for action in ours.wake(due):
                times.append(due - 100.0)
                assert action in (sent, Unanswered(ticket, "timeout"))
        assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]

    def test_a_stream_repeats_nothing(self):
        ours = agent()
        ticket, _ = ours.submit(draft(), TCP, 0.0)
        assert ours.wake(31.9) == []
        assert ours.wake(32.0) == [Unanswered(ticket, "timeout")]

    def test_a_provisional_response_slows_and_a_final_one_ends(self):
        ours = agent()
        ticket, (sent,) = ours.submit(draft(), UDP, 0.0)
        assert ours.handle(Received(UDP, reply(sent.octets, 100)), 0.1) == []
        assert ours.wake(0.5) == [sent]
        assert ours.wake(4.4) == []
        assert ours.wake(4.5) == [sent]
        (found,) = ours.handle(Received(UDP, reply(sent.octets, 200)), 5.0)
        assert (type(found), found.ticket, found.response.status) == (Answered, ticket, 200)
        assert ours.handle(Received(UDP, reply(sent.octets, 200)), 5.1) == []
        assert ours.wake(40.0) == []

    def test_a_response_to_another_branch_or_number_is_not_ours(self):
        ours = agent()
        _, (sent,) = ours.submit(draft(), UDP, 0.0)
        answered = reply(sent.octets, 200)
        assert ours.handle(Received(UDP, answered.replace(b"branch=z9hG4bK", b"branch=z9hG4bKq")), 0.0) == []
        assert ours.handle(Received(UDP, answered.replace(b"CSeq: 1", b"CSeq: 2")), 0.0) == []
        assert len(ours.handle(Received(UDP, answered), 0.0)) == 1

    def test_more_than_1300_octets_go_by_tcp_and_by_udp_if_there_is_none(self):
        ours = agent()
        way = Flow("tcp", UDP.local, UDP.remote)
        ticket, (sent,) = ours.submit(draft(b"x" * 1300), UDP, 0.0)
        assert sent.flow == way
        assert b"SIP/2.0/TCP" in sent.octets
        (again,) = ours.handle(Closed(way), 0.1)
        assert again.flow == UDP
        assert b"SIP/2.0/UDP" in again.octets
        assert ours.wake(0.6) == [again]
        (found,) = ours.handle(Received(UDP, reply(again.octets, 200)), 1.0)
        assert found.ticket == ticket
        small = ours.submit(draft(b"x" * 900), UDP, 0.0)[1][0]
        assert (small.flow, len(small.octets) <= 1300) == (UDP, True)

    def test_a_lost_stream_is_told_at_once(self):
        ours = agent()
        ticket, _ = ours.submit(draft(), TCP, 0.0)
        assert ours.handle(Closed(TCP), 0.1) == [Unanswered(ticket, "transport")]

    def test_many_requests_at_once_each_get_their_own(self):
        ours = agent()
        sent = {ticket: actions[0].octets for ticket, actions in (ours.submit(draft(), UDP, 0.0) for _ in range(50))}
        for ticket, octets in reversed(sent.items()):
            (found,) = ours.handle(Received(UDP, reply(octets, 200)), 0.0)
            assert found.ticket == ticket
        assert ours.next_wakeup() is None


class TestServer:
    def came(self, ours, octets=PLAIN, flow=UDP, now=0.0):
        return ours.handle(Received(flow, octets), now)

    def test_a_repetition_gets_the_same_response_octet_for_octet_and_does_not_come_up(self):
        ours = agent()
        (incoming,) = self.came(ours)
        assert isinstance(incoming, Incoming)
        assert self.came(ours) == []
        (sent,) = ours.respond(incoming.ticket, 200, 1.0)
        assert self.came(ours, now=2.0) == [sent]
        assert self.came(ours, now=32.9) == [sent]
        ours.wake(33.0)
        assert isinstance(self.came(ours, now=33.0)[0], Incoming)

    def test_other_branches_are_other_requests(self):
        ours = agent()
        assert len({self.came(ours, PLAIN.replace(b"Kx", b"K%d" % number))[0].ticket for number in range(9)}) == 9

    def test_without_the_magic_cookie_the_old_fields_count(self):
        ours = agent()
        old = PLAIN.replace(b"z9hG4bKx", b"1")
        assert isinstance(self.came(ours, old)[0], Incoming)
        assert self.came(ours, old) == []
        assert isinstance(self.came(ours, old.replace(b"CSeq: 1", b"CSeq: 2"))[0], Incoming)

    def test_a_response_goes_back_by_rport_or_to_the_port_of_via(self):
        far = Flow("udp", ("10.0.0.1", 5060), ("10.0.0.9", 40_000))
        ours = agent()
        (incoming,) = self.came(ours, flow=far)
        (sent,) = ours.respond(incoming.ticket, 200, 0.0)
        assert sent.flow == far
        via = top_via(parse(sent.octets).headers)
        assert (via.get("rport"), via.get("received")) == ("40000", "10.0.0.9")
        (incoming,) = self.came(ours, PLAIN.replace(b";rport", b"y"), far)
        (sent,) = ours.respond(incoming.ticket, 200, 0.0)
        assert sent.flow.remote == ("10.0.0.9", 5070)
        assert top_via(parse(sent.octets).headers).get("received") == "10.0.0.9"

    def test_every_via_is_copied_in_order(self):
        ours = agent()
        octets = PLAIN.replace(
            b"Max-Forwards", b"Via: SIP/2.0/TLS b;branch=z9hG4bKb, SIP/2.0/UDP c;branch=z9hG4bKc\r\nMax-Forwards"
        )
        (incoming,) = self.came(ours, octets)
        (sent,) = ours.respond(incoming.ticket, 202, 0.0)
        response = parse(sent.octets)
        assert [via.split(";")[0] for via in response.headers.listed("via")] == [
            "SIP/2.0/UDP 127.0.0.1:5070", "SIP/2.0/TLS b", "SIP/2.0/UDP c",
        ]  # fmt: skip
        assert (response.status, response.headers.get("CSeq")) == (202, "1 MESSAGE")
        assert "tag" in address(response.headers.get("To"))[1]

    @pytest.mark.parametrize(
        ("method", "status", "header"),
        [(b"OPTIONS", 200, "Accept"), (b"INVITE", 405, "Allow"), (b"REGISTER", 405, "Allow"), (b"CANCEL", 481, None)],
    )
    def test_other_methods(self, method, status, header):
        (response,) = said(self.came(agent(), PLAIN.replace(b"MESSAGE", method)))
        assert response.status == status
        assert header is None or response.headers.get(header)

    def test_an_ack_is_never_answered(self):
        assert self.came(agent(), PLAIN.replace(b"MESSAGE", b"ACK")) == []
        assert said(self.came(agent(), PLAIN.replace(b"MESSAGE", b"ACK").replace(b"CSeq: 1", b"CSeq: x"))) == []

    @pytest.mark.parametrize(
        ("old", "new", "status"),
        [
            (b"Max-Forwards: 70", b"Require: 100rel", 420),
            (b"Max-Forwards: 70", b"Content-Encoding: gzip", 415),
            (b"MESSAGE sip:arc@127.0.0.1", b"MESSAGE tel:112", 416),
            (b"Content-Length: 6", b"Content-Length: 60", 400),
            (b"CSeq: 1 MESSAGE", b"CSeq: MESSAGE", 400),
        ],
    )
    def test_what_is_wrong_is_said(self, old, new, status):
        (sent,) = self.came(agent(), PLAIN.replace(old, new, 1))
        assert sent.octets.startswith(b"SIP/2.0 %d " % status)

    @pytest.mark.parametrize(
        "octets", [b"", b"\r\n\r\n", b"\0\0\0\0", b"\xff" * 50, PLAIN[:100], b"SIP/2.0 200 OK\r\n\r\n"]
    )
    def test_nothing_is_said_to_what_cannot_be_answered(self, octets):
        found = self.came(agent(), octets)
        assert all(isinstance(one, Dropped) for one in found)

    def test_a_response_out_of_nowhere_is_passed_over(self):
        assert self.came(agent(), reply(PLAIN, 200)) == []

    def test_memory_is_bounded(self):
        ours = agent()
        ours._server._capacity = 10
        for number in range(100):
            self.came(ours, PLAIN.replace(b"Kx", b"K%d" % number))
        assert len(ours._server._by_key) == len(ours._server._by_ticket) == 10

    def test_a_closed_stream_is_forgotten(self):
        ours = agent()
        (incoming,) = self.came(ours, flow=TCP)
        assert ours.handle(Closed(TCP), 0.0) == []
        assert ours.respond(incoming.ticket, 200, 0.0) == []
        assert not ours._server._by_key
        assert not ours._server._on_stream
