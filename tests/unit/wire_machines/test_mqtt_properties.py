"""MQTT for any input: cuts never matter, noise never raises, and the two ends agree."""

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocols.wire import mqtt
from protocols.wire.mqtt_client import Client
from protocols.wire.mqtt_server import Server

UNIT = "0000002a"
UP = "u/0000002a/up"
DOWN = "u/0000002a/down"

TOPICS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0+#"), min_size=1, max_size=20)
FILTERS = st.lists(st.tuples(TOPICS, st.integers(0, 2)), min_size=1, max_size=3)
PACKETS = st.one_of(
    st.builds(mqtt.publish, TOPICS, st.binary(max_size=200), st.just(1), st.integers(1, 9), st.booleans()),
    st.builds(mqtt.publish, TOPICS, st.binary(max_size=200), st.just(0), st.just(0)),
    st.builds(lambda number: mqtt.ack(mqtt.PUBACK, number), st.integers(1, 5)),
    st.builds(mqtt.subscribe, st.integers(10, 20), FILTERS),
    st.just(mqtt.packet(mqtt.PINGREQ, b"")),
    st.just(mqtt.packet(mqtt.DISCONNECT, b"")),
    st.binary(min_size=1, max_size=10),
)  # fmt: skip


def joined(actions: list[tuple[Any, ...]]) -> bytes:
    return b"".join(action[1] for action in actions if action[0] == "send")


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def answered(server: Server, parts: list[bytes]) -> list[tuple[Any, ...]]:
    """Everything the server says when what waits is answered, in its order, once the server stops reading."""
    said: list[tuple[Any, ...]] = []
    waiting: list[tuple[Any, ...]] = []

    def hear(actions: list[tuple[Any, ...]]) -> None:
        for action in actions:
            said.append(action)
            if action[0] == "connect":
                hear(server.accept(False, 0))
            elif action[0] in ("publish", "subscribe"):
                waiting.append(action)

    for part in parts:
        hear(server.feed(part, 0))
        while server.paused and server.open:
            action = waiting.pop(0)
            hear(server.puback(action[1], 0) if action[0] == "publish" else server.suback(action[1], [0], 0))
    return said


@given(st.lists(PACKETS, max_size=12), st.lists(st.integers(0, 5000), max_size=20))
def test_cuts_do_not_matter_to_the_server(packets: list[bytes], cuts: list[int]) -> None:
    stream = mqtt.connect(UNIT, 60, False) + b"".join(packets)
    whole = answered(Server(0, inflight=3), [stream])
    assert answered(Server(0, inflight=3), pieces(stream, cuts)) == whole


@given(st.lists(PACKETS, max_size=12), st.lists(st.integers(0, 5000), max_size=20))
def test_cuts_do_not_matter_to_the_client(packets: list[bytes], cuts: list[int]) -> None:
    stream = mqtt.connack(False, 0) + b"".join(packets)
    said = []
    for parts in ([stream], pieces(stream, cuts)):
        client = Client(UNIT)
        client.connect(0)
        said.append([action for part in parts for action in client.feed(part, 0)])
    assert said[0] == said[1]


@given(st.lists(st.binary(max_size=30), max_size=10), st.booleans())
@settings(max_examples=300)
def test_noise_only_closes(parts: list[bytes], opened: bool) -> None:
    server, client = Server(0), Client(UNIT)
    client.connect(0)
    if opened:
        server.feed(mqtt.connect(UNIT, 60, False), 0)
        server.accept(False, 0)
        client.feed(mqtt.connack(False, 0), 0)
    for part in parts:
        for machine in (server, client):
            for action in machine.feed(part, 0):
                assert action[0] in (
                    "send", "closed", "publish", "subscribe", "unsubscribe", "disconnect",
                    "connect", "message", "acked", "subscribed", "connected",
                )  # fmt: skip


@given(st.binary(max_size=8))
@settings(max_examples=1000)
def test_text_is_what_python_calls_utf_8(data: bytes) -> None:
    try:
        expected: str | None = data.decode("utf-8", "strict")
    except UnicodeDecodeError:
        expected = None
    if expected is not None and "\0" in expected:
        expected = None
    try:
        assert mqtt.text(data) == expected
    except mqtt.MqttError:
        assert expected is None


@given(st.integers(0, 0x0FFFFF))
def test_lengths_both_ways(length: int) -> None:
    reader = mqtt.Reader(cap=0x0FFFFF)
    reader.feed(mqtt.packet(mqtt.PUBLISH, bytes(length)))
    taken = reader.take()
    assert taken is not None and len(taken[1]) == length
    assert reader.take() is None


def test_the_server_publishes_more_than_65535_times() -> None:
    server = Server(0)
    server.feed(mqtt.connect(UNIT, 60, False), 0)
    server.accept(False, 0)
    server.publish(DOWN, b"stuck")
    ids = []
    for _ in range(65536):
        data = joined(server.publish(DOWN, b"receipt"))
        ids.append(mqtt.parse_publish(data[0], data[2:])[0])
        server.feed(mqtt.ack(mqtt.PUBACK, ids[-1]), 0)
    assert ids == [*range(2, 65536), 2, 3]


class Session(RuleBasedStateMachine):
    """A client and the connections it makes, over a link that cuts the stream anywhere and breaks at any time.

    What is promised: every publish is seen by the server before it is acknowledged to the client, what is not
    acknowledged is offered again on the next connection, and no two publishes in flight share a packet id."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.client = Client(UNIT, 30, [(DOWN, 1)], packet_id=65530)
        self.server: Server | None = None
        self.upward = b""
        self.downward = b""
        self.payloads: dict[int, bytes] = {}
        self.seen: set[bytes] = set()
        self.committed: set[bytes] = set()
        self.waiting: dict[int, bytes] = {}
        self.count = 0

    def up(self, actions: list[tuple[Any, ...]]) -> None:
        self.upward += joined(actions)
        for action in actions:
            if action[0] == "acked":
                assert self.payloads.pop(action[1]) in self.committed
            elif action[0] == "closed":
                self.broken()

    def down(self, actions: list[tuple[Any, ...]]) -> None:
        assert self.server is not None
        for action in actions:
            if action[0] == "send":
                self.downward += action[1]
            elif action[0] == "connect":
                assert action[1] == UNIT
                self.down(self.server.accept(False, self.now))
            elif action[0] == "publish":
                self.seen.add(action[3])
                self.waiting[action[1]] = action[3]
            elif action[0] == "subscribe":
                self.down(self.server.suback(action[1], [1], self.now))
            else:
                raise AssertionError(action)

    def broken(self) -> None:
        self.server = None
        self.upward = self.downward = b""
        self.waiting = {}

    @rule()
    def connect(self) -> None:
        if self.server is None:
            self.server = Server(self.now, inflight=4)
            self.up(self.client.connect(self.now))

    @rule()
    def break_link(self) -> None:
        if self.server is not None:
            self.up(self.client.lost())

    @rule()
    def publish(self) -> None:
        payload = b"frame %d" % self.count
        self.count += 1
        packet_id, actions = self.client.publish(UP, payload, self.now)
        assert 1 <= packet_id <= 65535 and packet_id not in self.client.unacked()[:-1]
        self.payloads[packet_id] = payload
        self.payloads = {number: self.payloads[number] for number in self.client.unacked()}
        self.up(actions)

    @rule(share=st.integers(1, 100))
    def carry_up(self, share: int) -> None:
        if self.server is not None:
            size = max(1, len(self.upward) * share // 100)
            data, self.upward = self.upward[:size], self.upward[size:]
            self.down(self.server.feed(data, self.now))

    @rule(share=st.integers(1, 100))
    def carry_down(self, share: int) -> None:
        if self.server is not None:
            size = max(1, len(self.downward) * share // 100)
            data, self.downward = self.downward[:size], self.downward[size:]
            self.up(self.client.feed(data, self.now))

    @rule(which=st.integers(0, 100))
    def commit(self, which: int) -> None:
        if self.server is not None and self.waiting:
            packet_id = sorted(self.waiting)[which % len(self.waiting)]
            self.committed.add(self.waiting.pop(packet_id))
            self.down(self.server.puback(packet_id, self.now))

    @rule()
    def receipt(self) -> None:
        if self.server is not None and self.server.open:
            self.down(self.server.publish(DOWN, b"receipt"))

    @rule(pause=st.integers(0, 40000))
    def wait(self, pause: int) -> None:
        self.now += pause
        self.up(self.client.timeout(self.now))
        due = self.client.next_wakeup(self.now)
        assert due is None or due > self.now

    @invariant()
    def nothing_is_forgotten(self) -> None:
        assert sorted(self.payloads) == sorted(self.client.unacked())
        assert self.server is None or self.server.pending <= 4

    def teardown(self) -> None:
        """With a link that holds, everything still unacknowledged becomes acknowledged."""
        if self.server is not None:
            self.up(self.client.lost())
        self.connect()
        for _ in range(60):
            self.carry_up(100)
            self.commit(0)
            self.carry_down(100)
        assert self.client.unacked() == []
        assert self.committed <= self.seen


TestSession = Session.TestCase
