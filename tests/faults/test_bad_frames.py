"""Bad input on both transports: dropped, counted by reason, nothing written but a counter, nobody else harmed."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import pytest

from fleet.ingest import mqtt_door
from fleet.registry.directory import Aead
from protocols.wire import coap, messages, seal
from protocols.wire.messages import Receipt
from provisioning.ca import CertificateAuthority
from tests.database import FreshDatabase
from tests.fleet_server import CoapUnit, Scene, Unit, alarm, heartbeat, run, served, sha256
from tests.paho_unit import PahoUnit


def bad_frames(unit: Unit) -> dict[str, tuple[bytes, str]]:
    """name -> (frame, the reason it is counted under)."""
    good = unit.seal(alarm(900))
    down_key, _ = seal.derive(sha256, unit.secret, unit.kid, seal.DOWN)
    _, up_iv = seal.derive(sha256, unit.secret, unit.kid, seal.UP)
    assert up_iv is not None

    return {
        "empty": (b"", "truncated"),
        "truncated": (good[: len(good) // 2], "truncated"),
        "oversized": (good + bytes(seal.MAX_FRAME), "oversize"),
        "trailing": (good + b"\x00", "cbor"),
        "bit-flipped": (good[:-1] + bytes([good[-1] ^ 1]), "tag"),
        "wrong key": (Unit(unit.number, secrets.token_bytes(16)).seal(alarm(900)), "tag"),
        "key of the other direction": (
            seal.seal_up(Aead(down_key), up_iv, unit.kid, 900, alarm(900).encode()), "tag",
        ),
        "unknown generation": (Unit(unit.number, unit.secret, generation=9).seal(alarm(900)), "key_generation"),
        "wrong direction": (unit.seal_down(Receipt(items=[(1, 1, 3)], time=0)), "direction"),
        "a receipt sent up": (unit.seal(Receipt(items=[(1, 1, 3)], time=0)), "message_type"),
        "no message": (unit.seal(b"\x01\x02"), "not_a_message"),
        "plain": (alarm(900).encode(), "not_cose"),
        "json": (b'{"alarm": true}', "not_cose"),
    }  # fmt: skip


def everything(scene: Scene) -> dict[str, Any]:
    """All that the database holds, except counters of what was dropped or noticed, and the database's mark."""
    tables = scene.rows(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' "
        "AND c.relname NOT IN ('ingest_drops', 'database_mark', 'security_notices')"
    )
    return {
        name: scene.rows(f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name} t")
        for (name,) in tables
    }


async def counted(scene: Scene, transport: str, expected: dict[str, int]) -> None:
    """The counters say so, in memory and in the database."""
    found = lambda: dict(  # noqa: E731
        scene.rows("SELECT reason, dropped::int FROM ingest_drops WHERE transport = %s", transport)
    )
    await scene.until(lambda: found() == expected, f"{expected}")
    assert {reason: scene.dropped(transport, reason) for reason in expected} == expected


def tally(frames: dict[str, tuple[bytes, str]]) -> dict[str, int]:
    reasons = [reason for _, reason in frames.values()]
    return {reason: reasons.count(reason) for reason in reasons}


def test_bad_frames_by_coap_are_dropped_in_silence(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            one, other = scene.units
            door = await CoapUnit.open(scene)
            await door.ask(one.seal(heartbeat(1)))
            frames = bad_frames(one) | {"unknown unit": (Unit(4242, bytes(16)).seal(alarm(900)), "unknown_unit")}
            before = everything(scene)
            for frame, _ in frames.values():
                door.send(frame)
            await counted(scene, "coap", tally(frames))
            assert everything(scene) == before
            assert door.received.empty(), "a refused frame gets silence"
            assert other.items(await door.ask(other.seal(alarm(1)))) == [(1, 1, 1)]
            assert one.items(await door.ask(one.seal(alarm(2)))) == [(1, 2, 1)]
            assert scene.presses() == [(1, 1, 2), (2, 1, 1)]
            door.close()

    run(work())


def test_no_flipped_bit_passes(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            good = scene.unit.seal(alarm(1))
            for bit in range(len(good) * 8):
                spoilt = bytearray(good)
                spoilt[bit // 8] ^= 1 << bit % 8
                door.send(bytes(spoilt))
                if bit % 64 == 0:
                    await asyncio.sleep(0)
            dropped = lambda: sum(v for k, v in scene.ingest.counters.items() if k.startswith("dropped."))  # noqa: E731
            await scene.until(lambda: dropped() == len(good) * 8)
            assert scene.presses() == [] and door.received.empty()
            assert scene.unit.items(await door.ask(good)) == [(1, 1, 1)], "the control: the frame itself is good"
            door.close()

    run(work())


def test_malformed_coap_is_counted_and_the_door_stays_open(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            good = scene.unit.seal(alarm(1))
            for raw in (b"\x40", b"\x80\x02\x00\x01", secrets.token_bytes(900), b"\x40\x02\x00\x01\xff"):
                door.send_raw(raw)
            door.send_raw(door.datagram(good, "elsewhere"))
            dropped = lambda: sum(v for k, v in scene.ingest.counters.items() if k.startswith("dropped.coap"))  # noqa: E731
            await scene.until(lambda: dropped() == 5)
            answers = [(await door.next()).code for _ in range(2)]
            assert answers == [coap.EMPTY, coap.NOT_FOUND]
            assert scene.unit.items(await door.ask(good)) == [(1, 1, 1)]
            door.close()

    run(work())


def test_bad_frames_by_mqtt_get_an_acknowledgement_and_no_receipt(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            one, other = scene.units
            mine, theirs = PahoUnit(scene, one), PahoUnit(scene, other)
            await mine.open()
            await theirs.open()
            frames = bad_frames(one) | {"another unit's": (other.seal(alarm(900)), "channel_mismatch")}
            before = everything(scene)
            for frame, _ in frames.values():
                mid = mine.publish(frame)
                assert await mine.wait(mine.acked) == mid
            await counted(scene, "mqtt", tally(frames))
            assert everything(scene) == before
            assert mine.messages.empty()
            assert other.items(await theirs.ask(other.seal(alarm(1)))) == [(1, 1, 1)]
            assert one.items(await mine.ask(one.seal(alarm(2)))) == [(1, 2, 1)], "the same connection goes on"
            await mine.close()
            await theirs.close()

    run(work())


@pytest.mark.parametrize("topic", ["u/00000002/up", "u/00000001/down", "u/00000001/up/x", "anything"])
def test_a_foreign_topic_ends_the_connection(database: FreshDatabase, tmp_path: Path, topic: str) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            for attempt in ("publish", "subscribe"):
                client = PahoUnit(scene, scene.unit)
                await client.open()
                if attempt == "publish":
                    client.publish(scene.unit.seal(alarm(1)), topic)
                else:
                    client.client.subscribe("u/+/down" if topic.endswith("/down") else topic)
                await client.wait(client.closed)
                await client.close()
            assert scene.dropped("mqtt", "foreign_topic") == 2
            assert scene.presses() == []

    run(work())


def test_only_our_certificates_get_in_and_only_as_their_unit(database: FreshDatabase, tmp_path: Path) -> None:
    async def refused(scene: Scene, client: PahoUnit) -> None:
        """In TLS 1.3 a client learns of its refusal only after its own side of the handshake is done."""
        try:
            await asyncio.to_thread(client.client.connect, *scene.ingest.mqtt_address)
        except OSError:
            return
        client.client.loop_start()
        await client.wait(client.closed)
        assert client.connected.empty() or client.connected.get_nowait()[1] != 0
        await client.close()

    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            one, other = scene.units
            without = PahoUnit(scene, one)
            without.trust(certificate=False)
            await refused(scene, without)

            foreign = Unit(one.number, one.secret)
            foreign.certificate = CertificateAuthority.create(tmp_path / "foreign").issue_unit(one.number)
            stranger = PahoUnit(scene, foreign)
            stranger.trust()
            await refused(scene, stranger)

            unregistered = Unit(one.number, one.secret)
            unregistered.certificate = scene.authority.issue_unit(one.number)
            assert (await PahoUnit(scene, unregistered).connect())[1] == 135  # not authorised

            assert (await PahoUnit(scene, one, client_id=other.name).connect())[1] == 133  # client id rejected

            scene.change("UPDATE unit_certificates SET revoked_at = now() WHERE unit_id = %s", other.number)
            assert (await PahoUnit(scene, other).connect())[1] == 135

            good = PahoUnit(scene, one)
            assert (await good.connect())[1] == 0, "the control: the right certificate gets in"
            await good.close()
            names = ("tls_no_certificate", "tls_foreign_certificate", "certificate_refused", "client_id")
            assert {name: scene.dropped("mqtt", name) for name in names} == dict(zip(names, (1, 1, 2, 1), strict=True))

    run(work())


REVOKE = (
    "WITH r AS (UPDATE units SET state = 'revoked' WHERE unit_id = 1) SELECT pg_notify('livlina_units', '00000001')"
)


@pytest.mark.parametrize("notified", [True, False])
def test_a_revoked_unit_is_out_on_both_transports(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notified: bool
) -> None:
    """At once with the notification; where that is lost, by looking again (every 20 s, here sooner)."""
    monkeypatch.setattr(mqtt_door, "RECHECK_S", 600 if notified else 0.2)

    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            one, other = scene.units
            mine, theirs = PahoUnit(scene, one), PahoUnit(scene, other)
            await mine.open()
            await theirs.open()
            await asyncio.wait_for(scene.ingest.listening.wait(), 60)
            scene.change(REVOKE if notified else "UPDATE units SET state = 'revoked' WHERE unit_id = 1")
            await mine.wait(mine.closed)
            again = PahoUnit(scene, one)
            assert (await again.connect())[1] == 135
            if notified:
                door = await CoapUnit.open(scene)
                door.send(one.seal(alarm(1)))
                await scene.until(lambda: scene.dropped("coap", "revoked") == 1)
                door.close()
            assert other.items(await theirs.ask(other.seal(alarm(1)))) == [(1, 1, 1)]
            assert scene.presses() == [(2, 1, 1)]
            for client in (mine, theirs, again):
                await client.close()

    run(work())


@pytest.mark.parametrize("transport", ["coap", "mqtt"])
def test_a_replayed_frame_gets_the_same_receipt_and_no_new_row(
    database: FreshDatabase, tmp_path: Path, transport: str
) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            unit = scene.unit
            client: CoapUnit | PahoUnit
            if transport == "coap":
                client = await CoapUnit.open(scene)
            else:
                client = PahoUnit(scene, unit)
                await client.open()
            frames = [unit.seal(alarm(1)), unit.seal(heartbeat(2)), unit.seal(messages.Event(boot=1, seq=3, kind=2))]
            first = [unit.items(await client.ask(frame)) for frame in frames]
            assert first == [[(1, 1, 1)], [(1, 2, 1)], [(1, 3, 1)]]
            state = "SELECT counter_high, (SELECT count(*) FROM readings) FROM unit_keys WHERE unit_id = 1"
            await scene.until(lambda: scene.rows(state) == [(3, 1)])
            before = everything(scene)
            for _ in range(3):
                assert [unit.items(await client.ask(frame)) for frame in frames] == first
            assert everything(scene) == before
            if isinstance(client, PahoUnit):
                await client.close()
            else:
                client.close()

    run(work())
