"""The loops of evidence over a real database: what is committed is chained and signed, and the head reaches others."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from fleet.clock import Handle, SystemClock
from fleet.evidence.heads import read_heads
from fleet.evidence.run import Evidence
from fleet.evidence.verify import verify
from fleet.forwarding.heads_elsewhere import HeadsElsewhere
from tests.database import FreshDatabase
from tests.evidence_house import evidence_house
from tests.fleet_server import run


class Hurried(SystemClock):
    """A minute is over in less than a second."""

    def call_later(self, seconds: float, call: Callable[[], object]) -> Handle:
        return super().call_later(seconds / 100, call)


@contextmanager
def keeper(status: int = 204) -> Iterator[tuple[str, list[bytes]]]:
    """Somebody who keeps heads; with another status, somebody who will not."""
    kept: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/heads", kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_is_committed_is_chained_signed_and_kept_elsewhere(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        with keeper() as (url, kept):
            async with evidence_house(database, tmp_path) as house:
                await house.alarm(1, 5)
                await house.act(7)
                elsewhere = HeadsElsewhere(url, None, None)
                part = Evidence(
                    database.app_url, house.key, house.heads_file, publish=elsewhere.publish, clock=Hurried()
                )
                await part.start()
                try:
                    async with asyncio.timeout(60):
                        while not kept:
                            await asyncio.sleep(0.02)
                        first = json.loads(kept[0])
                        await house.act(8)
                        while len(kept) < 2:
                            await asyncio.sleep(0.02)
                finally:
                    await part.stop()
                    await elsewhere.close()
                assert json.loads(kept[1])["position"] > first["position"]
                assert [head.position for head in read_heads(house.heads_file)] == [
                    json.loads(line)["position"] for line in kept
                ], "a head is signed where the chain has grown, and not again"
                async with house.pools["evidence"].connection() as connection:
                    found = await verify(connection, house.keys, house.elsewhere())
                assert found.ok and found.unsigned == 0 and found.entries >= 7

    run(work())


def test_a_keeper_that_refuses_or_is_away_holds_nothing_up() -> None:
    async def work() -> None:
        with keeper(500) as (url, kept):
            refused = HeadsElsewhere(url, None, None)
            await refused.publish("{}")
            await refused.close()
            assert kept == [b"{}"] and refused.sent == 0
        away = HeadsElsewhere("http://127.0.0.1:9/heads", "auditor@example.org", None)
        await away.publish("{}")
        await away.close()
        assert away.sent == 0

    run(work())
