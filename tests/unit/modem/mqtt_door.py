"""An MQTT door as the fleet's: TLS with the unit's certificate, on the wire's own server machine."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any

from far_server import Fleet

from protocols.wire import mqtt_server
from provisioning.ca import CertificateAuthority
from tests.ports import free_port

NAME = "fleet.test"


class MqttDoor:
    """Answers every publish with the fleet's receipt on the unit's `down` topic. `connections` that were made."""

    def __init__(self, fleet: Fleet, authority: CertificateAuthority, folder: Path, name: str = NAME) -> None:
        certificate, key = authority.issue_server([name])
        (folder / "server.pem").write_bytes(certificate + key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "server.pem")
        self.context.load_verify_locations(cadata=authority.ca_pem.decode())
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.fleet = fleet
        self.port = free_port()
        self.connections = 0
        self._tasks: set[Any] = set()

    async def open(self) -> MqttDoor:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.context)
        return self

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        machine = mqtt_server.Server(now())
        try:
            while data := await reader.read(4096):
                if self._carry_out(machine, writer, machine.feed(data, now())):
                    return
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    def _carry_out(self, machine: Any, writer: asyncio.StreamWriter, actions: list[Any]) -> bool:
        closed = False
        for action in actions:
            if action[0] == "send":
                writer.write(action[1])
            elif action[0] == "connect":
                self.connections += 1
                closed |= self._carry_out(machine, writer, machine.accept(False, now()))
            elif action[0] == "subscribe":
                closed |= self._carry_out(machine, writer, machine.suback(action[1], [1], now()))
            elif action[0] == "publish":
                closed |= self._carry_out(machine, writer, machine.puback(action[1], now()))
                topic = f"u/{machine.client_id}/down"
                push = machine.publish(topic, self.fleet.answer(action[3]))
                closed |= self._carry_out(machine, writer, push)
            elif action[0] == "closed":
                closed = True
        return closed


def now() -> int:
    return int(time.monotonic() * 1000)
