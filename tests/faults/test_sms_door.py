"""The SMS door: frames in every spelling, 200 after the commit, strangers outside, receipts within their bounds."""

from __future__ import annotations

import asyncio
import base64
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from fleet.ingest import sms_door, sms_gateways, sms_receipts
from fleet.ingest.run import Ingest
from fleet.store.embedded_postgres import EmbeddedPostgres
from protocols.wire import messages
from tests.database import FreshDatabase
from tests.faults.test_bad_frames import bad_frames, everything
from tests.fleet_server import CoapUnit, Unit, alarm, heartbeat, run, served
from tests.sms_gateway import SmsOperator, add_gateway, hook_client, sms_operator

NUMBER = "+46700000001"
OTHER_NUMBER = "+46700000002"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def post(
    client: httpx.AsyncClient, token: str, text: str, *, gateway: str = "one", **more: Any
) -> httpx.Response:
    body = {"from": NUMBER, "text": text} | more
    return await client.post(f"/hooks/sms/{gateway}", headers=bearer(token), json=body)


def items(unit: Unit, body: dict[str, Any]) -> list[tuple[int, int, int]]:
    return unit.items(bytes.fromhex(body["data"]))


def test_a_frame_counts_however_the_gateway_spells_it(database: FreshDatabase, tmp_path: Path) -> None:
    def wrapped(text: str) -> str:
        return "\r\n".join(text[start : start + 20] for start in range(0, len(text), 20)) + "\n"

    spellings = [
        lambda frame: frame.hex(), lambda frame: frame.hex().upper(), lambda frame: " " + wrapped(frame.hex()),
        lambda frame: base64.urlsafe_b64encode(frame).decode(),
        lambda frame: base64.urlsafe_b64encode(frame).decode().rstrip("="),
        lambda frame: wrapped(base64.urlsafe_b64encode(frame).decode()),
        lambda frame: base64.b64encode(frame).decode(),
    ]  # fmt: skip

    async def work() -> None:
        async with served(database, tmp_path, hooks=True) as scene, hook_client(scene) as client:
            token = await add_gateway(scene)
            for seq, spell in enumerate(spellings, 1):
                key = "data" if seq % 2 else "text"
                frame = spell(scene.unit.seal(alarm(seq, bearer=messages.BEARER_SMS)))
                answer = await client.post("/hooks/sms/one", headers=bearer(token), json={key: frame, "id": seq})
                assert (answer.status_code, answer.json()) == (200, {"accepted": True})
            assert scene.presses() == [(1, 1, seq) for seq in range(1, len(spellings) + 1)]
            assert scene.rows("SELECT DISTINCT transport, bearer FROM presses") == [("sms", 5)]
            answer = await post(client, token, scene.unit.seal(heartbeat(50)).hex())
            assert answer.json() == {"accepted": True} and scene.value("SELECT transport FROM readings") == "sms"

    run(work())


def test_a_replay_changes_nothing(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path, hooks=True) as scene, hook_client(scene) as client:
            token = await add_gateway(scene)
            frame = scene.unit.seal(alarm(1)).hex()
            await post(client, token, frame)
            await scene.until(lambda: scene.value("SELECT counter_high FROM unit_keys WHERE unit_id = 1") == 1)
            before = everything(scene)
            for _ in range(5):
                assert (await post(client, token, frame)).json() == {"accepted": True}
            assert everything(scene) == before

    run(work())


def test_strangers_stay_outside_and_are_counted(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path, hooks=True) as scene, hook_client(scene) as client:
            token = await add_gateway(scene)
            other = await add_gateway(scene, "two")
            frame = {"text": scene.unit.seal(alarm(1)).hex()}
            refused = [
                ("one", {}), ("one", {"Authorization": "Bearer"}), ("one", bearer(token[:-1])),
                ("one", bearer(token + "x")),
                ("one", bearer(other)), ("nobody", bearer(token)), ("one", {"Authorization": f"Basic {token}"}),
                ("one", bearer(token.swapcase())), ("ONE", bearer(token)),
            ]  # fmt: skip
            for gateway, headers in refused:
                answer = await client.post(f"/hooks/sms/{gateway}", headers=headers, json=frame)
                assert answer.status_code == 401, (gateway, headers)
                assert token not in answer.text
            assert scene.dropped("sms", "unauthenticated") == len(refused)
            assert scene.presses() == []
            assert (await client.get("/hooks/sms/one", headers=bearer(token))).status_code == 405
            assert (await client.post("/operators", headers=bearer(token), json={})).status_code == 404
            assert (await post(client, token, frame["text"])).json() == {"accepted": True}, "the control"
            assert scene.value("SELECT count(*) FROM sms_gateways WHERE token_hash = %s", token.encode()) == 0

    run(work())


def test_strangers_cost_no_query_each(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path, hooks=True) as scene, hook_client(scene) as client:
            token = await add_gateway(scene)
            await post(client, token, scene.unit.seal(alarm(1)).hex())
            asked = "SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_user_tables WHERE relname = 'sms_gateways'"
            before = scene.value(asked)
            limits = httpx.Limits(max_connections=20)
            host, port = scene.ingest.hooks_address
            async with httpx.AsyncClient(base_url=f"http://{host}:{port}", limits=limits, timeout=60) as flood:
                await asyncio.gather(*(post(flood, secrets.token_urlsafe(32), "83") for _ in range(300)))
            assert scene.dropped("sms", "unauthenticated") == 300
            assert scene.value(asked) - before < 60

    run(work())


def test_a_removed_gateway_is_out(database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sms_gateways, "REFRESH_S", 0.05)

    async def work() -> None:
        async with served(database, tmp_path, hooks=True) as scene, hook_client(scene) as client:
            token = await add_gateway(scene)
            assert (await post(client, token, scene.unit.seal(alarm(1)).hex())).status_code == 200
            scene.change("DELETE FROM sms_gateways")
            async with asyncio.timeout(60):
                while (await post(client, token, scene.unit.seal(alarm(1)).hex())).status_code != 401:
                    pass

    run(work())


def test_a_refused_frame_is_no_fault_of_the_gateway(database: FreshDatabase, tmp_path: Path) -> None:
    """200 with accepted false: another try would be refused as well, so the gateway shall not make one."""

    async def work() -> None:
        async with served(database, tmp_path, hooks=True) as scene, hook_client(scene) as client:
            token = await add_gateway(scene)
            before = everything(scene)
            stranger = Unit(4242, bytes(16)).seal(alarm(1))
            frames = bad_frames(scene.unit) | {"unknown unit": (stranger, "unknown_unit")}
            for name, (frame, reason) in frames.items():
                expected = {"accepted": False, "reason": reason if frame[:1] == b"\x83" else "not_a_frame"}
                answer = await post(client, token, frame.hex() or ".")
                assert (answer.status_code, answer.json()) == (200, expected), name
            for text in ("Hej! Ring mig", "STOP", "#REBOOT#1234", "83", "g0"):
                answer = await post(client, token, text)
                assert answer.status_code == 200 and answer.json()["accepted"] is False
            assert everything(scene) == before and scene.presses() == []
            assert (await post(client, token, scene.unit.seal(alarm(1)).hex())).json() == {"accepted": True}

    run(work())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"text=83", 400), (b"[]", 400), (b'{"text": 5}', 400), (b'{"from": "+46"}', 400),
        (b"[" * 4000, 400), (b'{"text": "' + b"8" * sms_door.LONGEST_BODY + b'"}', 413),
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_refused(database: FreshDatabase, tmp_path: Path, body: bytes, status: int) -> None:
    async def work() -> None:
        async with served(database, tmp_path, hooks=True) as scene, hook_client(scene) as client:
            token = await add_gateway(scene)
            answer = await client.post("/hooks/sms/one", headers=bearer(token), content=body)
            assert answer.status_code == status and answer.headers["content-type"] == "application/problem+json"
            assert (await post(client, token, scene.unit.seal(alarm(1)).hex())).status_code == 200

    run(work())


def test_200_comes_after_the_commit(database: FreshDatabase, tmp_path: Path) -> None:
    """The control is the early acknowledgement, which no setting reaches: there the answer comes before."""

    async def work() -> None:
        for acknowledge, early in (("before_commit", True), ("after_commit", False)):
            folder = tmp_path / acknowledge
            async with served(database, folder, units=0, hooks=True, acknowledge=acknowledge) as scene:
                unit = await scene.add_unit(7 + early, certificate=False)
                async with hook_client(scene) as client:
                    token = await add_gateway(scene, acknowledge.replace("_", "-"))
                    gateway = acknowledge.replace("_", "-")
                    await post(client, token, unit.seal(heartbeat(1)).hex(), gateway=gateway)
                    blocker = await psycopg.AsyncConnection.connect(database.owner_url)
                    await blocker.execute("LOCK TABLE presses IN ACCESS EXCLUSIVE MODE")
                    asked = asyncio.create_task(post(client, token, unit.seal(alarm(2)).hex(), gateway=gateway))
                    await asyncio.wait([asked], timeout=1 if not early else 20)
                    assert asked.done() is early
                    await blocker.close()
                    assert (await asked).json() == {"accepted": True}

    run(work())


def test_without_the_database_the_gateway_is_told_to_come_again(
    database: FreshDatabase, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    async def work() -> None:
        async with served(database, tmp_path, hooks=True) as scene, hook_client(scene) as client:
            token = await add_gateway(scene)
            await post(client, token, scene.unit.seal(heartbeat(1)).hex())
            frame = scene.unit.seal(alarm(2)).hex()
            postgres.kill()
            while postgres.poll() is None:
                await asyncio.sleep(0.01)
            answer = await post(client, token, frame)
            assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
            assert await asyncio.to_thread(postgres.restart_if_dead)
            while (answer := await post(client, token, frame)).status_code != 200:
                assert answer.status_code == 503
            assert answer.json() == {"accepted": True} and scene.presses() == [(1, 1, 2)]

    run(work())


def test_no_command_goes_by_sms(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with sms_operator() as operator, served(database, tmp_path, hooks=True) as scene:
            token = await add_gateway(scene, send_url=operator.url)
            scene.change(
                "INSERT INTO unit_commands (unit_id, number, municipality_id, kind, actor, queued_at) "
                "VALUES (1, 1, 1, 3, 'test', now())"
            )
            async with hook_client(scene) as client:
                await post(client, token, scene.unit.seal(alarm(1)).hex())
                await post(client, token, scene.unit.seal(heartbeat(2)).hex())
                assert items(scene.unit, (await operator.next())[1]) == [(1, 1, 1)]
            await scene.until(lambda: scene.value("SELECT seq FROM unit_states") == 2)
            assert scene.value("SELECT sends FROM unit_commands") == 0 and operator.sent.empty()
            door = await CoapUnit.open(scene)
            await door.ask(scene.unit.seal(heartbeat(3)))
            await scene.until(lambda: scene.value("SELECT sends FROM unit_commands") == 1)
            door.close()

    run(work())


def test_stages_come_back_by_sms_joined_and_within_the_minute(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with sms_operator() as operator, served(database, tmp_path, hooks=True) as scene:
            token = await add_gateway(scene, send_url=operator.url, send_secret="let-us-in")
            await asyncio.wait_for(scene.ingest.listening.wait(), 60)
            async with hook_client(scene) as client:
                await post(client, token, scene.unit.seal(alarm(1)).hex())
                authorization, body = await operator.next()
                assert (authorization, body["to"]) == ("Bearer let-us-in", NUMBER)
                assert items(scene.unit, body) == [(1, 1, 1)]
                accept = "UPDATE presses SET accepted_at = now()"
                scene.change(f"WITH a AS ({accept}) SELECT pg_notify('livlina_stages', '00000001')")
                assert items(scene.unit, (await operator.next())[1]) == [(1, 1, 2)]
                await scene.take_cases()
                assert items(scene.unit, (await operator.next())[1]) == [(1, 1, 3)]
                for seq in range(2, 20):
                    await post(client, token, scene.unit.seal(alarm(seq)).hex())
                await post(client, token, scene.units[1].seal(alarm(1)).hex(), **{"from": OTHER_NUMBER})
                body = (await operator.next())[1]
                assert body["to"] == OTHER_NUMBER, "three a minute and unit: the first one waits, others do not"
                await scene.until(lambda: scene.ingest.counters["sms_receipts"] == 4)
                assert operator.sent.empty()
                pace = scene.ingest._sms_receipts._pace
                assert len(pace._units[1].waiting) == 18

    run(work())


def test_only_presses_are_answered_by_sms_and_no_recording_is(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with sms_operator() as operator, served(database, tmp_path, hooks=True) as scene:
            token = await add_gateway(scene, send_url=operator.url)
            door = await CoapUnit.open(scene)
            recorded = scene.unit.seal(alarm(1))
            await door.ask(recorded)
            await scene.until(lambda: scene.value("SELECT counter_high FROM unit_keys WHERE unit_id = 1") == 1)
            async with hook_client(scene) as client:
                for _ in range(3):  # somebody plays it again from his own telephone
                    await post(client, token, recorded.hex(), **{"from": OTHER_NUMBER})
                await post(client, token, scene.unit.seal(heartbeat(2)).hex())
                await post(client, token, scene.unit.seal(messages.Query(open=[(1, 1)])).hex())
                await post(client, token, scene.units[1].seal(alarm(1)).hex(), **{"from": "Telia"})
                await post(client, token, scene.unit.seal(alarm(3)).hex())
                authorization, body = await operator.next()
                assert (authorization, body["to"]) == ("", NUMBER) and items(scene.unit, body) == [(1, 3, 1)]
                assert operator.sent.empty()
            door.close()

    run(work())


def test_a_dead_gateway_holds_nobody_up(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One gateway hangs, one refuses, one is not there: every press is stored and answered, the good one delivers."""
    monkeypatch.setattr(sms_receipts, "PATIENCE_S", 0.3)
    monkeypatch.setattr(sms_receipts, "PAUSES_S", (0.05, 0.05))

    async def work() -> None:
        async with sms_operator() as good, sms_operator() as hanging, sms_operator() as refusing:
            hanging.hangs, refusing.status = True, 500
            gone = SmsOperator()
            async with served(database, tmp_path, units=4, hooks=True) as scene, hook_client(scene) as client:
                operators = {"hanging": hanging, "refusing": refusing, "gone": gone, "good": good}
                tokens = {name: await add_gateway(scene, name, send_url=one.url) for name, one in operators.items()}
                for (name, token), unit in zip(tokens.items(), scene.units, strict=True):
                    for seq in range(1, 4):
                        answer = await post(client, token, unit.seal(alarm(seq)).hex(), gateway=name)
                        assert answer.json() == {"accepted": True}
                for _ in range(3):
                    await good.next()
                assert len(scene.presses()) == 12
                await scene.until(lambda: scene.dropped("sms", "receipt_not_sent") > 0)
                await scene.until(lambda: not scene.ingest._sms_receipts._under_way.total())
                assert refusing.asked == 3 * 3, "three tries a receipt, three receipts a minute"
                assert scene.dropped("sms", "receipt_not_sent") == 9

    run(work())


def test_receipts_under_way_are_bounded(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sms_receipts, "MOST_UNDER_WAY", 3)

    async def work() -> None:
        async with sms_operator() as operator, served(database, tmp_path, units=8, hooks=True) as scene:
            operator.hangs = True
            token = await add_gateway(scene, send_url=operator.url)
            async with hook_client(scene) as client:
                for unit in scene.units:
                    await post(client, token, unit.seal(alarm(1)).hex())
            await scene.until(lambda: scene.dropped("sms", "receipt_queue_full") == 5)
            assert len(scene.presses()) == 8 and operator.asked <= 3

    run(work())


def test_the_door_is_shut_without_its_setting(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            assert scene.ingest.hooks_address == ("", 0)

    run(work())


def test_a_taken_port_is_said(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path, hooks=True) as scene, sms_operator() as operator:
            settings = replace(scene.settings, hooks_port=operator.port)
            second = Ingest(settings, database.app_url, scene.box)
            with pytest.raises(OSError, match="SMS hooks cannot listen"):
                await second.start()

    run(work())
