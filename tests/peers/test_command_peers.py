"""Commands and challenges reach clients that are not ours: aiocoap's server side as the unit's own end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiocoap
from aiocoap import resource

from protocols.wire import messages
from tests.database import FreshDatabase
from tests.fleet_server import PATIENCE_S, Scene, alarm, heartbeat, run, served
from tests.ports import free_port


class AioUnit:
    """A unit on aiocoap: posts to u, and has a resource d where pushes arrive."""

    def __init__(self, scene: Scene, context: aiocoap.Context, pushed: asyncio.Queue[bytes]) -> None:
        self._scene, self._context, self._pushed = scene, context, pushed

    @classmethod
    async def open(cls, scene: Scene) -> AioUnit:
        pushed: asyncio.Queue[bytes] = asyncio.Queue()

        class Down(resource.Resource):
            async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
                pushed.put_nowait(request.payload)
                return aiocoap.Message(code=aiocoap.CHANGED, no_response=26)

        site = resource.Site()
        site.add_resource(["d"], Down())
        return cls(scene, await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", free_port())), pushed)

    async def ask(self, frame: bytes) -> bytes:
        host, port = self._scene.ingest.coap_address
        request = aiocoap.Message(code=aiocoap.POST, uri=f"coap://{host}:{port}/u", payload=frame)
        async with asyncio.timeout(PATIENCE_S):
            answer = await self._context.request(request).response
        assert answer.code == aiocoap.CHANGED
        payload: bytes = answer.payload
        return payload

    async def command(self) -> messages.Command:
        async with asyncio.timeout(PATIENCE_S):
            return self._scene.unit.command(await self._pushed.get())

    async def close(self) -> None:
        await self._context.shutdown()


def test_a_press_is_challenged_and_proven_over_aiocoap(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, client = scene.unit, await AioUnit.open(scene)
            overtaken = unit.seal(alarm(1), counter=4)
            assert unit.items(await client.ask(unit.seal(heartbeat(2), counter=25))) == [(1, 2, 1)]
            assert unit.items(await client.ask(overtaken)) == [(1, 1, 1)]
            challenge = await client.command()
            assert challenge.kind == messages.COMMAND_CHALLENGE and challenge.args is not None
            said = messages.Answer(boot=1, seq=3, number=challenge.number, result=0, data={1: challenge.args[1], 2: 1})
            assert unit.items(await client.ask(unit.seal(said, counter=26))) == [(1, 3, 1)]
            await scene.until(lambda: scene.rows("SELECT marks FROM presses") == [([],)])
            await client.close()

    run(work())
