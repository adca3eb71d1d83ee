"""Ports for servers of tests."""

from __future__ import annotations

import random
import socket


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A free loopback port below the ephemeral range, so that no outgoing connection takes it between two starts.

    Drawn at random, because test files run side by side. A connection that only lingers does not make a port taken.
    """
    for port in random.sample(range(20000, 32768), 200):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port between 20000 and 32767")
