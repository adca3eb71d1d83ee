"""Whose datagrams come to a CoAP door: processes of one server share a configured port, and nobody shares port 0's."""

import socket

import pytest

from fleet.ingest.coap_door import bind
from tests.ports import free_port


def test_a_port_of_its_own_is_shared_with_nobody():
    with bind("127.0.0.1", 0) as door, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", door.getsockname()[1])


def test_processes_of_one_server_share_the_configured_port():
    port = free_port(socket.SOCK_DGRAM)
    with bind("127.0.0.1", port) as one, bind("127.0.0.1", port) as other:
        assert one.getsockname() == other.getsockname()
