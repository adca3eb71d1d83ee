"""The CoAP door with clients that are not ours: aiocoap and libcoap's coap-client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiocoap
import psycopg
from aiocoap import resource

from tests.database import FreshDatabase
from tests.fleet_server import PATIENCE_S, Scene, alarm, heartbeat, run, served
from tests.ports import free_port
from tests.programs import Ended, find_program, run_program


def uri(scene: Scene, path: str = "u") -> str:
    host, port = scene.ingest.coap_address
    return f"coap://{host}:{port}/{path}"


async def post(context: aiocoap.Context, scene: Scene, frame: bytes, path: str = "u") -> aiocoap.Message:
    request = aiocoap.Message(code=aiocoap.POST, uri=uri(scene, path), payload=frame)
    async with asyncio.timeout(PATIENCE_S):
        return await context.request(request).response


def test_aiocoap_gets_a_sealed_receipt(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            context = await aiocoap.Context.create_client_context()
            frame = scene.unit.seal(alarm(1))
            for _ in range(2):
                answer = await post(context, scene, frame)
                assert answer.code == aiocoap.CHANGED
                assert scene.unit.items(answer.payload) == [(1, 1, 1)]
            assert scene.presses() == [(1, 1, 1)]
            assert (await post(context, scene, frame, "other")).code == aiocoap.NOT_FOUND
            await context.shutdown()

    run(work())


def test_aiocoap_gets_a_late_receipt_as_a_separate_response(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            context = await aiocoap.Context.create_client_context()
            await post(context, scene, scene.unit.seal(heartbeat(1)))
            blocker = await psycopg.AsyncConnection.connect(database.owner_url)
            await blocker.execute("LOCK TABLE presses IN ACCESS EXCLUSIVE MODE")
            asked = asyncio.create_task(post(context, scene, scene.unit.seal(alarm(2))))
            await asyncio.wait([asked], timeout=1.5)  # longer than the door waits before it acknowledges without a word
            assert not asked.done()
            await blocker.close()
            assert scene.unit.items((await asked).payload) == [(1, 2, 1)]
            await context.shutdown()

    run(work())


def test_aiocoap_gets_pushes_where_it_sent_from(database: FreshDatabase, tmp_path: Path) -> None:
    pushed: asyncio.Queue[bytes] = asyncio.Queue()

    class Down(resource.Resource):
        async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
            pushed.put_nowait(request.payload)
            return aiocoap.Message(code=aiocoap.CHANGED, no_response=26)

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            await asyncio.wait_for(scene.ingest.listening.wait(), PATIENCE_S)
            site = resource.Site()
            site.add_resource(["d"], Down())
            context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", free_port()))
            await post(context, scene, scene.unit.seal(alarm(1)))
            scene.change("UPDATE presses SET accepted_at = now()")
            scene.change("SELECT pg_notify('livlina_stages', '00000001')")
            async with asyncio.timeout(PATIENCE_S):
                assert scene.unit.items(await pushed.get()) == [(1, 1, 2)]
            await context.shutdown()

    run(work())


async def coap_client(
    scene: Scene, frame: bytes, folder: Path, path: str = "u", wait_s: int = 5
) -> tuple[Ended, bytes]:
    """libcoap's program with a file to post; returns how it ended and the payload that came back."""
    program = find_program("coap-client", "coap-client-notls", "coap-client-openssl", "coap-client-gnutls")
    sent, came = folder / "frame", folder / "answer"
    sent.write_bytes(frame)
    came.unlink(missing_ok=True)
    ended = await run_program(
        program, "-m", "post", "-f", str(sent), "-o", str(came), "-B", str(wait_s), uri(scene, path)
    )
    return ended, came.read_bytes() if came.exists() else b""


def test_libcoap_gets_a_sealed_receipt(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            frame = scene.unit.seal(alarm(1))
            for _ in range(2):
                ended, payload = await coap_client(scene, frame, tmp_path)
                assert ended.status == 0, ended.err
                assert scene.unit.items(payload) == [(1, 1, 1)]
            assert scene.presses() == [(1, 1, 1)]

    run(work())


def test_libcoap_gets_silence_for_a_refused_frame_and_a_code_for_a_wrong_path(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            _, payload = await coap_client(scene, alarm(1).encode(), tmp_path, wait_s=1)
            assert payload == b""
            assert scene.dropped("coap", "not_cose") >= 1
            ended, _ = await coap_client(scene, scene.unit.seal(alarm(1)), tmp_path, "elsewhere")
            assert "4.04" in ended.err + ended.out.decode(errors="replace")
            assert scene.presses() == []

    run(work())
