"""Events to subscribers: in order, signed, once each, whatever the receiver answers; and nobody else's."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fleet.registry.secret_box import SecretBox
from fleet.subscriptions.decide import is_pattern, pause_after, wanted
from fleet.subscriptions.run import Subscriptions
from tests.database import FreshDatabase
from tests.evidence_house import EvidenceHouse, as_owner, evidence_house
from tests.fleet_server import run

SECRET = "the secret of both"
BOX = SecretBox(bytes(range(32)))


@dataclass
class Receiver:
    """A real HTTP receiver that knows a genuine signature from another one, and can be told to fail."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    forged: int = 0


@contextmanager
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            at, _, mac = self.headers["Livlina-Signature"].partition(",v1=")
            wanted_mac = hmac.new(SECRET.encode(), at[2:].encode() + b"." + body, hashlib.sha256).hexdigest()
            status = made.answers.pop(0) if made.answers else 204
            if not hmac.compare_digest(mac, wanted_mac):
                made.forged += 1
            made.keys.append(self.headers["Idempotency-Key"])
            if status < 300:
                made.events.append(json.loads(body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/events"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def subscribe(house: EvidenceHouse, url: str, events: list[str], municipality: int = 1) -> int:
    async with as_owner(house) as owner:
        row = await (
            await owner.execute(
                "INSERT INTO webhook_subscriptions (municipality_id, url, events, made_at, made_by, next_try_at) "
                "VALUES (%s, %s, %s, now(), 'person:1', '2020-01-01') RETURNING subscription_id AS id",
                [municipality, url, events],
            )
        ).fetchone()
        assert row is not None
        sealed = BOX.seal_for_centre(SECRET.encode(), row["id"], "subscription")
        await owner.execute(
            "UPDATE webhook_subscriptions SET sealed = %s WHERE subscription_id = %s", [sealed, row["id"]]
        )
        await owner.commit()
    return int(row["id"])


async def until_written(house: EvidenceHouse) -> None:
    """What was received is noted as told, too: who is stopped in between tells it again, with the same key."""
    async with asyncio.timeout(60), as_owner(house) as owner:
        while True:
            row = await (
                await owner.execute(
                    "SELECT bool_and(s.position >= (SELECT max(a.position) FROM audit_chain a "
                    "WHERE a.municipality_id = s.municipality_id)) AS all_told FROM webhook_subscriptions s"
                )
            ).fetchone()
            await owner.commit()
            if row is not None and row["all_told"]:
                return
            await asyncio.sleep(0.05)


async def until(house: EvidenceHouse, there: Receiver, count: int) -> None:
    async with asyncio.timeout(60):
        while len(there.events) < count:
            async with as_owner(house) as owner:  # what waits for a pause is due at once
                await owner.execute("UPDATE webhook_subscriptions SET next_try_at = '2020-01-01' WHERE attempts > 0")
                await owner.commit()
            await asyncio.sleep(0.05)


def test_events_come_in_order_signed_and_once(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        with receiver() as there, receiver() as foreign:
            async with evidence_house(database, tmp_path) as house:
                await subscribe(house, there.url, ["case.*", "unit.assigned"])
                await subscribe(house, foreign.url, ["case.*"], municipality=2)
                there.answers += [500, 429, 204, 503]
                part = Subscriptions(database.app_url, BOX)
                await part.start()
                try:
                    await house.act(9)
                    case = await house.alarm(1, 7)
                    await house.act(10, municipality=2)
                    await house.chain()
                    await until(house, there, 5)
                finally:
                    await part.stop()
                types = [event["type"] for event in there.events]
                assert sorted(types) == sorted(
                    ["unit.assigned", "case.opened", "case.taken", "case.closed", "case.delivered"]
                )
                order = [int(event["id"][4:]) for event in there.events]
                assert order == sorted(order) and len(set(order)) == len(order)
                assert there.events[types.index("case.opened")]["subject"] == f"case:{case}"
                assert {event["municipality"] for event in there.events} == {1}
                assert there.forged == 0 and len(there.keys) == 5 + 3, "each failure was repeated with its key"
                assert len(set(there.keys)) == 5
                assert foreign.events == [], "nobody is told of another municipality"

    run(work())


def test_who_goes_on_after_a_restart_repeats_nothing(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        with receiver() as there:
            async with evidence_house(database, tmp_path) as house:
                await subscribe(house, there.url, ["unit.*"])
                for count in (3, 6):
                    for number in range(3):
                        await house.act(number)
                    await house.chain()
                    part = Subscriptions(database.app_url, BOX)
                    await part.start()
                    try:
                        await until(house, there, count)
                        await until_written(house)
                    finally:
                        await part.stop()
                assert len(there.keys) == len(set(there.keys)) == 6

    run(work())


def test_what_can_be_asked_for() -> None:
    assert is_pattern("case.*") and is_pattern("unit.revoke")
    assert not any(
        is_pattern(text) for text in ("*", "person.*", "case", "case.", "token.made", "recipient.opened", "")
    )
    assert wanted("case.taken", ["case.*"]) and wanted("unit.revoke", ["unit.revoke"])
    assert not wanted("person.role_granted", ["person.*", "case.*"]) and not wanted(None, ["case.*"])
    assert [pause_after(n) for n in (1, 2, 3, 99)] == [1.0, 2.0, 4.0, 3600.0]
