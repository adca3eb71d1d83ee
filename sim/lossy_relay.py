"""A datagram path that loses: between units and one server, each unit with an address of its own towards the server.

    python -m sim.lossy_relay --listen HOST:PORT --to HOST:PORT --loss 0.2 --seed 1

Prints "listening" when it does; counts what it carried and lost on standard output, as JSON, when its input ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import select
import socket
import sys
from collections import Counter

LONGEST = 2048
BUFFER = 4 * 1024 * 1024
_IN_A_ROW = 64


class Relay:
    """`loss` of datagrams, each way and independently. Attributes: `counts`."""

    def __init__(self, listen: tuple[str, int], to: tuple[str, int], loss: float, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._to = to
        self._loss = loss
        self._random = random.Random(seed)
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._front.setblocking(False)
        self._front.bind(listen)
        self._poll = select.epoll()
        self._poll.register(self._front, select.EPOLLIN)
        self._poll.register(0, select.EPOLLIN)
        self._backs: dict[tuple[str, int], socket.socket] = {}
        self._peers: dict[int, tuple[socket.socket, tuple[str, int]]] = {}

    def run(self) -> None:
        """Until standard input ends."""
        while True:
            for fd, _ in self._poll.poll():
                if fd == 0:
                    return
                if fd == self._front.fileno():
                    self._up()
                else:
                    self._down(fd)

    def _lost(self, way: str) -> bool:
        lost = self._random.random() < self._loss
        self.counts[f"{way}_lost" if lost else way] += 1
        return lost

    def _up(self) -> None:
        for _ in range(_IN_A_ROW):
            try:
                data, peer = self._front.recvfrom(LONGEST)
            except BlockingIOError:
                return
            back = self._backs.get(peer)
            if back is None:
                back = self._backs[peer] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                back.setblocking(False)
                back.connect(self._to)
                self._peers[back.fileno()] = (back, peer)
                self._poll.register(back, select.EPOLLIN)
            if not self._lost("up"):
                self._send(back, data, None)

    def _down(self, fd: int) -> None:
        back, peer = self._peers[fd]
        try:
            data = back.recv(LONGEST)
        except (BlockingIOError, ConnectionRefusedError):
            return
        if not self._lost("down"):
            self._send(self._front, data, peer)

    def _send(self, through: socket.socket, data: bytes, peer: tuple[str, int] | None) -> None:
        try:
            if peer is None:
                through.send(data)
            else:
                through.sendto(data, peer)
        except (BlockingIOError, ConnectionRefusedError):
            # A full buffer, or a server that is not there at the moment: lost like any other.
            self.counts["refused"] += 1


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> None:
    """Carry datagrams until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m sim.lossy_relay", description=__doc__)
    parser.add_argument("--listen", type=_address, required=True)
    parser.add_argument("--to", type=_address, required=True)
    parser.add_argument("--loss", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    relay = Relay(arguments.listen, arguments.to, arguments.loss, arguments.seed)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    relay.run()
    sys.stdout.write(json.dumps(relay.counts) + "\n")


if __name__ == "__main__":
    # Who has started it hears a Ctrl-C too, and ends it.
    with contextlib.suppress(KeyboardInterrupt):
        main()
