"""The CoAP pipe's socket on real UDP: a server that has moved is found again."""

import asyncio
import gc
import socket

from firmware.ports import own, own_udp, sockets
from firmware.ports.clock import Clock
from protocols.wire.coap_client import Client


def server(port):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    one.setblocking(False)
    return one


def ports():
    """Two free ports of loopback, bound."""
    made = []
    port = 19500  # below what other tests draw from
    while len(made) < 2:
        try:
            made.append((server(port), port))
        except OSError:
            pass
        port += 1
    return made


def never():
    return False


def piped(clock, host, port, on_frame=lambda pipe, frame: None):
    """A pipe over a network that somebody else has brought up."""
    network = own.OwnNetwork(None, clock, never)
    return own_udp.CoapPipe("coap", network, host, port, Client(1, 1), lambda bound: 0, on_frame)


def heard(one):
    try:
        return one.recv(1024)
    except OSError:
        return None


def test_a_name_that_means_another_server_now_is_asked_again():
    (old, first), (new, second) = ports()
    where = [first]
    resolve = sockets.resolve
    sockets.resolve = lambda host, port, kind: resolve("127.0.0.1", where[0], kind)
    clock = Clock()
    pipe = piped(clock, "fleet.test", 1)
    pipe.deaf_ms = 100

    async def scenario():
        running = asyncio.create_task(pipe.run())
        pipe.send("a", b"one", True)
        while not heard(old):
            await asyncio.sleep_ms(1)
        where[0] = second
        for _ in range(2000):
            pipe.timeout(clock.now())
            pipe.send("a", b"two", True)
            await asyncio.sleep_ms(5)
            if heard(new):
                running.cancel()
                return
        raise AssertionError("the server that has moved was never asked")

    asyncio.run(scenario())
    sockets.resolve = resolve


def test_what_is_abandoned_is_repeated_no_more():
    (far, port), (other, _) = ports()
    other.close()
    clock = Clock()
    pipe = piped(clock, "127.0.0.1", port)
    pipe.send("a", b"one", True)
    pipe.send("b", b"two", True)
    assert pipe.next_wakeup(clock.now()) is not None
    for _ in range(2):
        assert heard(far), "both have gone once"
    pipe.abandon()
    # A whole day later: not even a socket that hears nothing is renewed for what nobody repeats.
    pipe.timeout(clock.now() + 86400000)
    assert not heard(far)
    pipe.send("a", b"three", True)
    assert b"three" in heard(far), "and what is sent anew goes"
    far.close()


def in_pieces():
    """Fill the heap with small pieces, and give most of them back, never three neighbours."""
    gc.collect()
    held = [None] * 6000
    count = 0
    try:
        while count < len(held):
            held[count] = bytearray(200)
            count += 1
    except MemoryError:
        pass
    # The first ones lie wherever there was a hole.
    for i in range(count // 2, count):
        if i % 3:
            held[i] = None
    gc.collect()
    return held


def test_a_datagram_is_heard_in_a_heap_that_has_no_kilobyte_in_one_piece():
    (far, port), (spare, _) = ports()
    spare.close()
    clock = Clock()
    answers = []
    pipe = piped(clock, "127.0.0.1", port, lambda *one: answers.append(one[1]))

    async def scenario():
        running = asyncio.create_task(pipe.run())
        await asyncio.sleep_ms(20)
        pipe.send(1, b"frame", True)
        await asyncio.sleep_ms(20)
        datagram, peer = far.recvfrom(1024)
        token = datagram[4 : 4 + (datagram[0] & 15)]
        answer = bytes([0x60 | len(token), 0x44]) + datagram[2:4] + token + b"\xffreceipt"
        kept = in_pieces()
        try:
            bytearray(1024)
            fits = True
        except MemoryError:
            fits = False
        assert not fits and gc.mem_free() > 2048, "the heap is as it must be for this test"
        far.sendto(answer, peer)
        for _ in range(20):
            await asyncio.sleep_ms(5)
            if answers:
                break
        del kept
        assert answers == [b"receipt"]
        running.cancel()

    asyncio.run(scenario())


def test_two_datagrams_that_have_come_together_are_two():
    (far, port), (spare, _) = ports()
    spare.close()
    answers = []
    pipe = piped(Clock(), "127.0.0.1", port, lambda *one: answers.append(one[1]))

    async def scenario():
        running = asyncio.create_task(pipe.run())
        await asyncio.sleep_ms(20)
        pipe.send(1, b"frame", True)
        await asyncio.sleep_ms(20)
        _, peer = far.recvfrom(1024)
        for number in range(3):
            # NON POST to "d", as a receipt that nobody has asked for comes.
            far.sendto(b"\x50\x02\x00" + bytes([number + 1]) + b"\xb1d\xff" + bytes([number]), peer)
        for _ in range(20):
            await asyncio.sleep_ms(5)
        assert answers == [b"\x00", b"\x01", b"\x02"], answers
        running.cancel()

    asyncio.run(scenario())


class Given(Clock):
    """A clock that can be put forward."""

    more = 0

    def now(self):
        return Clock.now(self) + self.more


def test_what_goes_out_as_a_socket_is_given_up_is_answered_to_the_next_one():
    """The link is there again, or nothing was heard for so long: in the same turn a press goes."""
    (far, port), (spare, _) = ports()
    spare.close()
    clock = Given()
    answers = []
    pipe = piped(clock, "127.0.0.1", port, lambda *one: answers.append(one[1]))

    async def answered(give_up):
        """Whether what is sent in the turn in which this happens is answered to somebody."""
        pipe.send("a", b"before", True)
        await asyncio.sleep_ms(20)
        while heard(far):
            pass
        answers.clear()
        give_up()
        pipe.send("b", b"press", True)
        pipe.timeout(clock.now())
        await asyncio.sleep_ms(20)
        _, peer = far.recvfrom(1024)
        far.sendto(b"\x50\x02\x00\x01\xb1d\xff" + bytes([clock.now() & 0xFF]), peer)
        for _ in range(20):
            await asyncio.sleep_ms(5)
        return len(answers) == 1

    async def scenario():
        running = asyncio.create_task(pipe.run())
        await asyncio.sleep_ms(20)
        assert await answered(lambda: None), "the control"
        assert await answered(pipe.renew), "the network is there again"
        assert await answered(lambda: setattr(clock, "more", clock.more + pipe.deaf_ms)), "deaf"
        running.cancel()

    asyncio.run(scenario())
