"""What no unit may believe: every kind is ignored, counted, and told in the next heartbeat; nothing else happens."""

import asyncio
import os

import cryptolib

from firmware import main
from firmware.ports.flash import Flash
from firmware.ports.mqtt import MqttPipe
from protocols.wire import cbor, ccm, messages, seal
from protocols.wire.mqtt_client import Client

SECRET = bytes(range(16))
UNIT = 42


def sha256(data):
    import hashlib

    return hashlib.sha256(data).digest()


class Desk:
    """A whole unit on its flash; what it would send is caught before it is sealed. Nothing runs by itself."""

    def __init__(self):
        os.chdir(os.getenv("TEST_FLASH"))
        flash = Flash()
        for name in os.listdir():
            os.remove(name)
        flash.replace("identity.cbor", cbor.encode({1: UNIT, 2: 1, 3: SECRET}))
        flash.replace("config.cbor", cbor.encode({1: 1, 2: 300, 3: ["coap"], 4: [["127.0.0.1", 9]]}))
        flash.replace("counters", cbor.encode({1: 0, 2: 0}))
        self.driver = main.build(flash, 0)
        self.pipe = self.driver.pipes["coap"]
        self.nonce = 0
        self.orders = []
        carry_out = self.driver._carry_out

        def noted(actions):
            self.orders += actions
            carry_out(actions)

        self.driver._carry_out = noted
        self.driver.feed(("pipe", "coap", True))

    def sealed(self, plain, secret=SECRET, direction=seal.DOWN):
        key, iv = seal.derive(sha256, secret, seal.kid(UNIT, 1), direction)
        machine = ccm.Ccm(cryptolib.aes(key, 1).encrypt)
        self.nonce += 1
        if direction == seal.UP:
            return seal.seal_up(machine, iv, seal.kid(UNIT, 1), self.nonce, plain)
        return seal.seal_down(machine, self.nonce.to_bytes(13, "big"), plain)

    def heartbeat(self):
        """What the next heartbeat says."""
        self.orders = []
        self.driver.feed(("heartbeat", False))
        for order in self.orders:
            if order[0] == "send" and isinstance(order[3], messages.Heartbeat):
                return order[3]
        raise AssertionError("no heartbeat")

    def refuses(self, frame, pipe=0, answered=None):
        """How many refusals the heartbeat tells of after this frame; nothing else may have happened."""
        before = self.heartbeat().refused
        self.orders = []
        self.driver.on_frame(self.pipe if pipe == 0 else pipe, frame)
        told = [one[3].result for one in self.orders if one[0] == "send" and isinstance(one[3], messages.Answer)]
        assert told == ([] if answered is None else [answered])
        assert [one for one in self.orders if one[0] in ("lamp", "reboot", "cellular")] == []
        return self.heartbeat().refused - before


def command(number, kind, args=None):
    return messages.Command(number=number, kind=kind, args=args).encode()


def test_a_forged_frame():
    desk = Desk()
    receipt = messages.Receipt(items=[(1, 1, 3)], time=1).encode()
    assert desk.refuses(desk.sealed(receipt, bytes(16))) == 1
    good = desk.sealed(receipt)
    for place in range(len(good)):
        changed = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        desk.driver.on_frame(desk.pipe, changed)
    assert desk.heartbeat().refused == min(255, 1 + len(good))


def test_a_frame_of_the_wrong_direction():
    desk = Desk()
    assert desk.refuses(desk.sealed(messages.Alarm(boot=1, seq=1).encode(), direction=seal.UP)) == 1
    assert desk.refuses(desk.sealed(messages.Alarm(boot=1, seq=1).encode())) == 1


def test_what_is_no_frame_or_too_long_or_cut():
    desk = Desk()
    good = desk.sealed(messages.Receipt(items=[], time=1).encode())
    for wrong in (b"", b"\x00", b"hello", bytes(513), good + b"\x00", good[:-1], b"\x83" + bytes(700)):
        assert desk.refuses(wrong) == 1, wrong
    assert desk.refuses(good) == 0, "the control: a genuine one is no refusal"


def test_a_datagram_that_is_no_coap_or_longer_than_any_is_told_too():
    desk = Desk()
    for count, datagram in enumerate(
        (b"", b"\x00", b"hello there", b"\xff" * 60, b"\x60\x45\x00\x01\xff" + bytes(700))
    ):
        before = desk.heartbeat().refused
        desk.pipe._taken(datagram)
        assert desk.heartbeat().refused == before + 1, count
    assert desk.pipe.refused == 5
    desk.pipe._taken(b"\x60\x00\x00\x01")
    assert desk.heartbeat().refused == 5, "the control: an acknowledgement that nobody waits for is no bad input"


class Line:
    """A connection on which the server says this, piece by piece, and then hangs up."""

    def __init__(self, pieces):
        self.pieces = pieces

    async def read(self):
        return self.pieces.pop(0) if self.pieces else b""

    def write(self, data):
        pass

    def close(self):
        pass


def test_bytes_that_are_no_mqtt_and_a_packet_longer_than_any_are_told_too():
    desk = Desk()
    pipe = MqttPipe(
        "mqtt", ("", 0, ""), Client("1"), None, "u/1/up", desk.driver._clock, lambda n: 0, 0, desk.driver.on_frame,
        lambda one: None, lambda: False, None,
    )  # fmt: skip

    def served(*pieces):
        """How many refusals a connection has brought on which the server has said this."""

        async def connected():
            pipe._stream = Line([b"\x20\x02\x00\x00"] + list(pieces))
            pipe._client.connect(0)

        before = desk.heartbeat().refused
        pipe._connect = connected
        pipe._over = False
        asyncio.run(pipe._serve())
        return desk.heartbeat().refused - before

    assert served(b"\xf0\x00") == 1, "no packet of a server"
    assert served(b"\x30\xff\xff\x7f") == 1, "two megabytes"
    assert served(b"\x30\x05\x00\x01u\x83\x00") == 1, "a frame that does not open, as on any way"
    assert pipe.refused == 2
    assert served() == 0, "the control: a server that hangs up"
    assert served(b"\xd0\x00") == 0, "and one that says that it lives"


def test_a_genuine_frame_that_holds_no_message_of_ours():
    desk = Desk()
    for plain in (b"", b"\xff", cbor.encode({0: 0x24}), cbor.encode({0: 0x14}), cbor.encode({0: 0x14, 3: [[1, 1]]})):
        assert desk.refuses(desk.sealed(plain)) == 1, plain


class Told:
    """The modem's part and the supervisor, as far as they are told of receipts."""

    def __init__(self, driver):
        self.receipts = 0
        self.clocks = []
        self.proofs = 0
        driver.cellular = self
        driver._over_modem.append("coap")
        driver._supervisor.receipt = self.receipt

    def tell(self, event):
        self.receipts += event == ("receipt",)
        if event[0] == "clock":
            self.clocks.append(event[1])

    def receipt(self):
        self.proofs += 1


def test_a_replayed_receipt_changes_nothing_and_a_replayed_command_is_answered_and_not_obeyed():
    desk = Desk()
    told = Told(desk.driver)
    # This one answers the third heartbeat, which waits then; the other is of an earlier boot and long ago.
    frame = desk.sealed(messages.Receipt(items=[(1, 3, 1)], time=100000).encode())
    old = desk.sealed(messages.Receipt(items=[(0, 7, 3)], time=1000).encode())
    assert desk.refuses(old) == 0 and (told.receipts, told.proofs) == (0, 0), "what time it is is not known yet"
    assert desk.refuses(frame) == 0 and (told.receipts, told.proofs) == (1, 1)
    assert desk.refuses(frame) == 0 and (told.receipts, told.proofs) == (1, 1), "doubled on the way"
    assert desk.refuses(frame, None) == 0 and (told.receipts, told.proofs) == (1, 1), "nor by SMS"
    assert desk.refuses(old) == 1 and desk.refuses(old, None) == 1
    assert (told.receipts, told.proofs) == (1, 1)
    newer = desk.sealed(messages.Receipt(items=[], time=100001).encode())
    assert desk.refuses(newer, None) == 0 and (told.receipts, told.proofs) == (2, 2)
    assert told.clocks == [100000, 100001], "nor does it set back the governor's clock"
    order = desk.sealed(command(5, messages.COMMAND_HEARTBEAT, {1: 60}))
    older = desk.sealed(command(4, messages.COMMAND_HEARTBEAT, {1: 30}))
    assert desk.refuses(order, answered=0) == 0
    assert desk.driver.unit.interval() == 60
    assert desk.refuses(order, answered=0) == 0
    assert desk.refuses(older) == 1
    assert desk.driver.unit.interval() == 60


def test_an_unknown_command_is_answered_and_counted():
    desk = Desk()
    assert desk.refuses(desk.sealed(command(1, 77)), answered=messages.RESULT_UNKNOWN_KIND) == 1
    assert desk.refuses(desk.sealed(command(2, messages.COMMAND_CHALLENGE)), answered=2) == 1
    assert desk.refuses(desk.sealed(command(3, messages.COMMAND_STATUS)), answered=0) == 0


def test_a_command_by_sms_is_refused_and_a_receipt_by_sms_is_one():
    desk = Desk()
    assert desk.refuses(desk.sealed(command(1, messages.COMMAND_HEARTBEAT, {1: 60})), None) == 1
    assert desk.driver.unit.interval() == 300
    assert desk.refuses(desk.sealed(messages.Receipt(items=[(1, 1, 1)], time=1).encode()), None) == 0
    assert desk.refuses(desk.sealed(command(1, messages.COMMAND_HEARTBEAT, {1: 60})), answered=0) == 0, "by a pipe"


def test_sms_that_are_no_frame_only_wake_and_not_without_end():
    desk = Desk()
    desk.heartbeat()
    desk.orders = []
    for _ in range(50):
        desk.driver.on_cellular(("wake",))
    made = [one[2] for one in desk.orders if one[0] == "send" and isinstance(one[3], messages.Heartbeat)]
    assert len(made) <= 1


def test_an_sms_with_a_frame_that_is_no_receipt_wakes_like_any_other():
    forged = Desk().sealed(messages.Receipt(items=[(1, 1, 3)], time=1).encode(), bytes(16))
    for frame, pipe, wakes in ((forged, None, 1), (forged, 0, 0)):
        desk = Desk()
        desk.heartbeat()
        desk.orders = []
        for _ in range(5):
            desk.driver.on_frame(desk.pipe if pipe == 0 else pipe, frame)
        made = [one[3] for one in desk.orders if one[0] == "send" and isinstance(one[3], messages.Heartbeat)]
        assert len(made) == wakes, "once a minute by SMS, never by a pipe: a forged frame there is one of many"
        assert [one.refused for one in made] == [1] * wakes
