"""The CoAP pipe's socket on real UDP: a server that has moved is found again."""

import asyncio
import socket

from firmware.ports import sockets, udp
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
    port = 23500
    while len(made) < 2:
        try:
            made.append((server(port), port))
        except OSError:
            pass
        port += 1
    return made


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
    udp.DEAF_MS = 100
    clock = Clock()
    pipe = udp.CoapPipe("coap", "fleet.test", 1, Client(1, 1), clock, lambda bound: 0, lambda pipe, frame: None)

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
