"""Ports for servers of tests."""

from __future__ import annotations

import os
import random
import socket
from collections import deque

from fleet.store import embedded_postgres
from sim import house

ALL = range(20000, 32768)
"""Below the ephemeral range, so that no outgoing connection takes one between two starts."""
_lately: deque[int] = deque(maxlen=100)


def share(worker: int, workers: int) -> range:
    """The ports of one of several processes that run tests side by side; nobody else's."""
    size = len(ALL) // workers
    return ALL[worker * size : (worker + 1) * size]


def _own() -> range:
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return ALL
    # A worker that has died is replaced by one with the next number.
    slots = 2 * int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    return share(int(worker.removeprefix("gw")) % slots, slots)


def parts(own: range) -> tuple[range, range, range]:
    """For databases, for houses, and for what tests start themselves: none knows what another has handed out and
    nobody has bound yet."""
    third = len(own) // 3
    return own[:third], own[third : 2 * third], own[2 * third :]


def keep_to_own_share() -> None:
    """Houses and databases of this process take their ports from its share, too."""
    embedded_postgres.PORTS, house.PORTS, _ = parts(_own())


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A free loopback port that was not handed out lately, for who has it may be down for a moment or not up yet.

    A connection that only lingers does not make a port taken.
    """
    mine = parts(_own())[2]
    for port in random.sample(mine, len(mine)):
        if port in _lately:
            continue
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _lately.append(port)
            return port
    raise AssertionError("no free port between 20000 and 32767")
