"""CoAP for any input: the codec against aiocoap's, and both ends over a network that loses, doubles and reorders."""

import aiocoap
from aiocoap.error import UnparsableMessage
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.wire import coap
from protocols.wire.coap_client import Client
from protocols.wire.coap_server import Server

OPTIONS = st.lists(
    st.tuples(st.one_of(st.integers(0, 300), st.integers(0, 65535)), st.binary(max_size=300)), max_size=4
).map(lambda options: sorted(options, key=lambda option: option[0]))
CODES = st.sampled_from([1, 2, 3, 4, 0x1F, 0x41, 0x44, 0x45, 0x80, 0x84, 0xA0, 0xA3])
# Bytes that look like CoAP more often than noise does.
LIKELY = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda first, code, rest: bytes([first, code]) + rest,
        st.integers(0x40, 0x7F),
        st.sampled_from([0, 1, 2, 0x44]),
        st.binary(max_size=40),
    ),
)


@given(st.integers(0, 3), CODES, st.integers(0, 65535), st.binary(max_size=8), OPTIONS, st.binary(max_size=50))
def test_what_is_encoded_is_decoded(
    kind: int, code: int, mid: int, token: bytes, options: list[tuple[int, bytes]], payload: bytes
) -> None:
    data = coap.encode(kind, code, mid, token, options, payload)
    found = coap.decode(data, limit=2000)
    assert (found.type, found.code, found.mid, found.token) == (kind, code, mid, token)
    assert (list(found.options), found.payload) == (options, payload)


@given(LIKELY)
@settings(max_examples=500)
def test_what_is_decoded_has_one_form_and_nothing_else_is_raised(data: bytes) -> None:
    try:
        found = coap.decode(data)
    except coap.CoapError as error:
        assert error.reason
        return
    assert coap.encode(found.type, found.code, found.mid, found.token, found.options, found.payload) == data


@given(LIKELY)
@settings(max_examples=500)
def test_aiocoap_reads_the_same_message(data: bytes) -> None:
    """What we accept aiocoap accepts, with the same fields. The other way round we are stricter."""
    try:
        found = coap.decode(data)
    except coap.CoapError:
        return
    try:
        oracle = aiocoap.Message.decode(data)
    except (UnparsableMessage, UnicodeDecodeError):
        # aiocoap decodes text options while it parses; to us a path is bytes that are compared.
        assert any(number in (3, 8, 11, 15, 20, 35, 39) for number, _ in found.options)
        return
    assert (int(oracle.mtype), int(oracle.code), oracle.mid) == (found.type, found.code, found.mid)
    assert (oracle.token, oracle.payload) == (found.token, found.payload)
    assert sorted(int(option.number) for option in oracle.opt.option_list()) == [number for number, _ in found.options]


@given(st.lists(st.tuples(LIKELY, st.integers(0, 3), st.integers(0, 3000), st.sampled_from("rsn")), max_size=60))
def test_the_server_stays_bounded_and_never_amplifies(steps: list[tuple[bytes, int, int, str]]) -> None:
    server = Server(0, exchanges=4)
    now = 0
    for data, peer, pause, decision in steps:
        actions = server.datagram(data, peer, now)
        assert sum(len(action[2]) for action in actions if action[0] == "send") <= max(len(data), 4)
        for action in actions:
            assert action[0] in ("send", "request", "refused")
            if action[0] == "request" and decision == "r":
                assert len(server.respond(action[1], coap.CHANGED, b"", now)) == 1
            elif action[0] == "request" and decision == "s":
                server.silence(action[1])
        assert len(server) <= 4
        now += pause
        server.timeout(now)
        due = server.next_wakeup(now)
        assert due is None or due > now
    server.timeout(now + coap.EXCHANGE_LIFETIME)
    assert len(server) == 0


@given(st.lists(LIKELY, max_size=60))
def test_the_client_survives_anything(datagrams: list[bytes]) -> None:
    client = Client(0, 0)
    client.request("u", b"frame", 0)
    for data in datagrams:
        for action in client.datagram(data, 0):
            assert action[0] in ("send", "response", "stray", "pushed", "failed", "refused")


# One letter per datagram: passes, is lost, passes twice, or is held back until the next one.
FATES = st.lists(st.sampled_from("pldh"), max_size=30)


class Network:
    def __init__(self, fates: list[str]) -> None:
        self.fates = fates
        self.held: list[bytes] = []

    def carry(self, data: bytes) -> list[bytes]:
        fate = self.fates.pop(0) if self.fates else "p"
        if fate == "l":
            return []
        if fate == "h":
            self.held.append(data)
            return []
        ready = [data, data] if fate == "d" else [data]
        ready += self.held
        self.held = []
        return ready


def exchange(up: list[str], down: list[str], random: int, commit: int) -> tuple[int, int]:
    """One request over such a network, with a commit that takes so many ms: how many responses and failures came."""
    client, server = Client(7, 7), Server(9)
    upward, downward = Network(up), Network(down)
    token, actions = client.request("u", b"frame", 0, random)
    to_server = [action[1] for action in actions]
    to_client: list[bytes] = []
    due: list[tuple[int, int]] = []
    responses = failures = now = 0
    committed = False
    while True:
        for data in [ready for sent in to_server for ready in upward.carry(sent)]:
            for action in server.datagram(data, "unit", now):
                if action[0] == "request":
                    due.append((now + commit, action[1]))
                else:
                    to_client.append(action[2])
        for at, number in [entry for entry in due if entry[0] <= now]:
            due.remove((at, number))
            committed = True
            to_client += [action[2] for action in server.respond(number, coap.CHANGED, b"receipt", now)]
        to_server = []
        for data in [ready for sent in to_client for ready in downward.carry(sent)]:
            for action in client.datagram(data, now):
                if action[0] == "send":
                    to_server.append(action[1])
                elif action[0] == "response":
                    assert committed
                    assert action == ("response", token, coap.CHANGED, b"receipt")
                    responses += 1
                elif action[0] == "failed":
                    failures += 1
                else:
                    assert action == ("stray", b"receipt")
        to_client = []
        if to_server:
            continue
        times = [client.next_wakeup(now), server.next_wakeup(now), *[at for at, _ in due]]
        wakeups = [time for time in times if time is not None]
        if not wakeups:
            assert len(server) == 0
            return responses, failures
        now = max(now, min(wakeups))
        for action in client.timeout(now):
            if action[0] == "send":
                to_server.append(action[1])
            else:
                failures += 1
        to_client += [action[2] for action in server.timeout(now)]


@given(FATES, FATES, st.integers(0, 1000), st.sampled_from([0, 900, 1100, 5000, 20000]))
def test_a_response_arrives_at_most_once_and_only_after_the_commit(
    up: list[str], down: list[str], random: int, commit: int
) -> None:
    """Every datagram may be lost, doubled or delayed. Every exchange ends once; without losses by its response."""
    whole = not {"l", "h"} & set(up + down)
    responses, failures = exchange(up, down, random, commit)
    assert responses + failures == 1
    assert responses == 1 or not whole


def test_a_network_that_loses_everything() -> None:
    """The negative control: with every request or every answer lost there is no response to count."""
    assert exchange(["l"] * 99, [], 0, 0) == (0, 1)
    assert exchange([], ["l"] * 99, 0, 0) == (0, 1)
    assert exchange(["l"] * 4, ["l"] * 0, 0, 0) == (1, 0)
