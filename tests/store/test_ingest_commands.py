"""Commands go out behind what a unit sends, until they are answered; a press of doubtful age is challenged once."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fleet.ingest import commands
from fleet.ingest import run as ingest_run
from protocols.wire import cbor, coap, messages
from tests.database import FreshDatabase, acting
from tests.fleet_server import PATIENCE_S, CoapUnit, Scene, Unit, alarm, heartbeat, run, served, settled
from tests.paho_unit import PahoUnit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def order(scene: Scene, kind: int, args: dict[int, Any] | None = None, *, unit: int = 1, **more: Any) -> int:
    more.setdefault("at", datetime.now(UTC))
    return await acting(scene.database, "registry", lambda c: commands.queue(c, unit, kind, args, "test", **more))


async def pushed(door: CoapUnit, unit: Unit) -> messages.Command:
    """The next command, sent NON POST to d (docs/wire.md). Stages of an earlier press may be pushed before it."""
    while True:
        message = await settled(door.pushes.get())
        assert (message.type, message.code, message.path(), message.token) == (coap.NON, coap.POST, (b"d",), b"")
        said = unit.open_down(message.payload)
        if isinstance(said, messages.Command):
            return said
        assert isinstance(said, messages.Receipt)


def answer(
    seq: int, number: int, result: int = 0, data: dict[int, Any] | None = None, boot: int = 1
) -> messages.Answer:
    return messages.Answer(boot=boot, seq=seq, number=number, result=result, data=data)


def reply_to(challenge: messages.Command, seq: int, state: int, boot: int = 1) -> messages.Answer:
    assert challenge.kind == messages.COMMAND_CHALLENGE and challenge.args is not None
    return answer(seq, challenge.number, 0, {1: challenge.args[1], 2: state}, boot)


def press_marks(scene: Scene, seq: int) -> list[str]:
    found = scene.value("SELECT marks FROM presses WHERE seq = %s", seq)
    assert isinstance(found, list)
    return found


def case(scene: Scene) -> tuple[Any, ...]:
    return scene.rows("SELECT state, outcome, marks FROM cases ORDER BY case_id")[0]


def test_a_number_is_the_milliseconds_or_one_more_than_the_last(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            ms = int(NOW.timestamp() * 1000)
            assert await order(scene, 3, at=NOW) == ms
            assert await order(scene, 3, at=NOW) == ms + 1
            assert await order(scene, 3, at=NOW - timedelta(days=1)) == ms + 2, "a clock that was set back"
            assert await order(scene, 3, at=NOW + timedelta(seconds=1)) == ms + 1000
            assert await order(scene, 3, unit=2, at=NOW) == ms, "each unit has its own"
            many = await asyncio.gather(*(order(scene, 3, unit=2, at=NOW) for _ in range(20)))
            assert sorted(many) == [ms + 1 + place for place in range(20)], "side by side, none twice"
            with pytest.raises(LookupError):
                await order(scene, 3, unit=99)
            with pytest.raises(commands.CommandError):
                await order(scene, 3, {1: b"x" * 500})
            with pytest.raises(commands.CommandError):
                await order(scene, 3, {1: 1.5})

    run(work())


def test_a_command_comes_behind_the_receipt_until_it_is_answered(database: FreshDatabase, tmp_path: Path) -> None:
    """By CoAP: behind a heartbeat, an event, an alarm and a query alike; in order of numbers, one at a time."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            first = await order(scene, messages.COMMAND_DRILL, {1: 2})
            second = await order(scene, messages.COMMAND_STATUS)
            sent = (heartbeat(1), messages.Event(boot=1, seq=2, kind=2), alarm(3), messages.Query(open=[(1, 3)]))
            for message in sent:
                assert unit.open(await door.ask(unit.seal(message))).items, "the receipt is there"
                command = await pushed(door, unit)
                assert (command.number, command.kind, command.args) == (first, 2, {1: 2})
                assert command.time is not None
            assert scene.value("SELECT sends FROM unit_commands WHERE number = %s", first) == 4
            assert unit.items(await door.ask(unit.seal(answer(4, first, 0)))) == [(1, 4, 1)]
            assert (await pushed(door, unit)).number == second, "the next one comes behind the answer"
            assert unit.items(await door.ask(unit.seal(answer(5, second, 3, {1: "later"})))) == [(1, 5, 1)]
            await door.ask(unit.seal(heartbeat(6)))
            await door.ask(unit.seal(heartbeat(7)))
            assert door.pushes.empty(), "nothing waits any more"
            kept = scene.rows("SELECT number, result, answer FROM unit_commands ORDER BY number")
            assert kept == [(first, 0, cbor.encode({})), (second, 3, cbor.encode({1: "later"}))]
            door.close()

    run(work())


def test_answers_count_once_and_for_their_own_unit(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            one, other = scene.units
            door = await CoapUnit.open(scene)
            number = await order(scene, messages.COMMAND_STATUS)
            kept = "SELECT result FROM unit_commands"
            await door.ask(other.seal(answer(1, number)))
            for wrong in (number + 1, number - 1, 2**63, 2**64 - 1):
                await door.ask(one.seal(answer(1 + wrong % 1000 + 5, wrong)))
            assert scene.rows(kept) == [(None,)]
            await door.ask(one.seal(answer(2, number, 4)))
            await door.ask(one.seal(answer(3, number, 0)))
            assert scene.rows(kept) == [(4,)], "the first one counts"
            door.close()

    run(work())


def test_a_command_that_has_expired_is_not_sent(database: FreshDatabase, tmp_path: Path) -> None:
    time = [NOW]

    async def work() -> None:
        async with served(database, tmp_path, clock=lambda: time[0]) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            search = await order(
                scene, messages.COMMAND_SEARCH, {1: 600}, at=NOW, expires_at=NOW + timedelta(minutes=10)
            )
            later = await order(scene, messages.COMMAND_STATUS, at=NOW)
            time[0] = NOW + timedelta(minutes=9)
            await door.ask(unit.seal(heartbeat(1)))
            assert (await pushed(door, unit)).number == search, "the control: it is sent before"
            time[0] = NOW + timedelta(minutes=11)
            await door.ask(unit.seal(heartbeat(2)))
            assert (await pushed(door, unit)).number == later
            door.close()

    run(work())


def test_a_command_that_is_never_answered_does_not_keep_the_next_ones_from_the_unit(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:

            async def taken() -> int:
                units = {1: True}
                waiting = await acting(
                    database, "ingest", lambda c: commands.take_waiting(c, units, at=datetime.now(UTC))
                )
                return waiting[1].number if waiting else 0

            deaf = await order(scene, 99)
            behind = await order(scene, messages.COMMAND_STATUS)
            assert [await taken() for _ in range(commands.VAIN)] == [deaf] * commands.VAIN
            assert await taken() == behind
            told = commands.Answered(1, behind, 0, {})
            await acting(database, "ingest", lambda c: commands.settle(c, [told], at=datetime.now(UTC)))
            # The unit would refuse the lower number now.
            assert await taken() == 0
            last = await order(scene, messages.COMMAND_STATUS)
            assert await taken() == last

    run(work())


def test_a_recording_draws_no_command(database: FreshDatabase, tmp_path: Path) -> None:
    """Whoever plays a heartbeat again gets its receipt again, as he must; not what waits for the unit."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door, thief = scene.unit, await CoapUnit.open(scene), await CoapUnit.open(scene)
            recorded = unit.seal(heartbeat(1))
            await door.ask(recorded)
            await asyncio.wait_for(scene.ingest.listening.wait(), PATIENCE_S)
            await order(scene, messages.COMMAND_STATUS)
            await pushed(door, unit)  # at once, to where the unit was last heard
            await thief.ask(recorded)
            assert scene.value("SELECT sends FROM unit_commands") == 1
            await door.ask(unit.seal(heartbeat(2)))
            await pushed(door, unit)
            assert thief.pushes.empty()
            door.close()
            thief.close()

    run(work())


def test_an_mqtt_unit_gets_its_command_at_once_and_again_behind_its_messages(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            await asyncio.wait_for(scene.ingest.listening.wait(), PATIENCE_S)
            unit, other = PahoUnit(scene, scene.unit), PahoUnit(scene, scene.units[1])
            await unit.open()
            await other.open()
            number = await order(scene, messages.COMMAND_SWITCH_SIM, {1: 1})
            assert scene.unit.command(await unit.receipt()).number == number, "pushed, though the unit said nothing"
            assert scene.unit.items(await unit.ask(scene.unit.seal(heartbeat(1)))) == [(1, 1, 1)]
            assert scene.unit.command(await unit.receipt()).number == number, "right behind the receipt"
            assert scene.unit.items(await unit.ask(scene.unit.seal(answer(2, number)))) == [(1, 2, 1)]
            assert scene.unit.items(await unit.ask(scene.unit.seal(heartbeat(3)))) == [(1, 3, 1)]
            assert unit.messages.empty() and other.messages.empty()
            await unit.close()
            await other.close()

    run(work())


def test_a_late_press_is_challenged_and_loses_its_mark_by_the_answer(database: FreshDatabase, tmp_path: Path) -> None:
    """A genuine press was held up on its way for long: its counter is far below the high-water mark."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            overtaken = unit.seal(alarm(1), counter=31)
            await door.ask(unit.seal(heartbeat(2), counter=42))
            assert unit.items(await door.ask(overtaken)) == [(1, 1, 1)]
            assert press_marks(scene, 1) == ["freshness_unproven"]
            challenge = await pushed(door, unit)
            assert challenge.args is not None
            assert {key: challenge.args[key] for key in (2, 3)} == {2: 1, 3: 1} and len(challenge.args[1]) == 8
            await door.ask(unit.seal(reply_to(challenge, 3, 1), counter=43))
            await scene.until(lambda: press_marks(scene, 1) == [])
            await scene.until(lambda: case(scene) == ("open", None, []))
            await door.ask(unit.seal(alarm(4), counter=44))
            assert press_marks(scene, 4) == [] and scene.value("SELECT count(*) FROM unit_commands") == 1
            door.close()

    run(work())


def test_a_unit_without_counters_proves_its_press_too(database: FreshDatabase, tmp_path: Path) -> None:
    """Lost counters: every frame has a kid context, so the challenge goes behind the press itself."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door, context = scene.unit, await CoapUnit.open(scene), secrets.token_bytes(8)
            await door.ask(unit.seal(alarm(1, boot=2**31), counter=0, context=context))
            challenge = await pushed(door, unit)
            mine = reply_to(challenge, 2, 1, boot=2**31)
            await door.ask(unit.seal(mine, counter=1, context=context))
            await scene.until(lambda: case(scene) == ("open", None, []))
            door.close()

    run(work())


def test_a_denied_press_closes_its_case_as_a_replay(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door, thief = scene.unit, await CoapUnit.open(scene), await CoapUnit.open(scene)
            never_sent = unit.seal(alarm(700), counter=5)
            await door.ask(unit.seal(heartbeat(1), counter=29))
            await thief.ask(never_sent)
            assert case(scene) == ("open", None, ["freshness_unproven"]), "alarm first, proof after"
            await door.ask(unit.seal(heartbeat(2), counter=30))
            challenge = await pushed(door, unit)
            await door.ask(unit.seal(reply_to(challenge, 3, 0), counter=31))
            await scene.until(lambda: case(scene)[:2] == ("closed", "replay"))
            assert scene.rows("SELECT closed_by FROM cases") == [("machine",)]
            assert scene.rows("SELECT change, detail->>'outcome' FROM case_log ORDER BY position DESC LIMIT 1") == [
                ("closed", "replay")
            ]
            await door.ask(unit.seal(alarm(4), counter=32))
            assert scene.value("SELECT count(*) FROM cases WHERE state = 'open'") == 1, "the next press is heard"
            door.close()
            thief.close()

    run(work())


def test_a_genuine_press_in_the_case_keeps_it_open(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            replayed = unit.seal(alarm(700), counter=5)
            await door.ask(unit.seal(alarm(1), counter=29))
            await scene.until(lambda: scene.value("SELECT max(counter_high) FROM unit_keys") == 29)
            await door.ask(replayed)
            challenge = await pushed(door, unit)
            await door.ask(unit.seal(reply_to(challenge, 3, 0), counter=31))
            await scene.until(lambda: press_marks(scene, 700) == ["replay"])
            assert scene.rows("SELECT state FROM cases") == [("open",)]
            door.close()

    run(work())


def test_wrong_and_repeated_nonces_change_nothing(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            one, other = scene.units
            door = await CoapUnit.open(scene)
            held_back = one.seal(alarm(1), counter=5)
            await door.ask(one.seal(heartbeat(2), counter=29))
            await door.ask(held_back)
            challenge = await pushed(door, one)
            assert challenge.args is not None
            nonce = challenge.args[1]
            wrong: list[dict[int, Any] | None] = [
                None, {}, {1: nonce}, {2: 1}, {1: bytes(8), 2: 0}, {1: nonce[:-1], 2: 0}, {1: nonce + b"\0", 2: 0},
                {1: nonce.hex(), 2: 0}, {1: nonce, 2: 3}, {1: nonce, 2: True}, {1: nonce, 2: -1}, {1: nonce, 2: b"0"},
            ]  # fmt: skip
            for seq, data in enumerate(wrong, 10):
                await door.ask(one.seal(answer(seq, challenge.number, 0, data), counter=seq + 20))
            await door.ask(other.seal(answer(1, challenge.number, 0, {1: nonce, 2: 0})))
            await door.ask(one.seal(answer(40, challenge.number + 1, 0, {1: nonce, 2: 0}), counter=60))
            assert scene.value("SELECT count(*) FROM case_effects") == 0
            assert case(scene) == ("open", None, ["freshness_unproven"])
            assert scene.rows("SELECT answered_at FROM unit_commands") == [(None,)]
            assert scene.value("SELECT sends FROM unit_commands") > 2, "it is asked again until it is answered rightly"
            await door.ask(one.seal(answer(50, challenge.number, 0, {1: nonce, 2: 1}), counter=70))
            await scene.until(lambda: case(scene) == ("open", None, []))
            await door.ask(one.seal(answer(51, challenge.number, 0, {1: nonce, 2: 0}), counter=71))
            await door.ask(one.seal(alarm(52), counter=72))
            assert scene.value("SELECT count(*) FROM case_effects") == 0
            assert case(scene)[:2] == ("open", None), "the nonce was used: a denial with it counts no more"
            door.close()

    run(work())


def test_without_the_comparison_of_nonces_a_wrong_one_would_count(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the test above."""
    monkeypatch.setattr("fleet.ingest.commands.hmac.compare_digest", lambda one, other: True)

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            held_back = scene.unit.seal(alarm(1), counter=5)
            await door.ask(scene.unit.seal(heartbeat(2), counter=29))
            await door.ask(held_back)
            challenge = await pushed(door, scene.unit)
            await door.ask(scene.unit.seal(answer(3, challenge.number, 0, {1: bytes(8), 2: 0}), counter=30))
            await scene.until(lambda: case(scene)[:2] == ("closed", "replay"))
            door.close()

    run(work())


def test_a_unit_that_cannot_be_challenged_keeps_the_mark(database: FreshDatabase, tmp_path: Path) -> None:
    """Older firmware says "unknown kind": the case stays as it is, and the unit is not asked again."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            held_back = unit.seal(alarm(1), counter=5)
            await door.ask(unit.seal(heartbeat(2), counter=29))
            await door.ask(held_back)
            challenge = await pushed(door, unit)
            await door.ask(unit.seal(answer(3, challenge.number, 1), counter=30))
            await door.ask(unit.seal(heartbeat(4), counter=31))
            assert door.pushes.empty() and case(scene) == ("open", None, ["freshness_unproven"])
            door.close()

    run(work())


def test_a_recorded_press_played_without_end_draws_few_challenges(database: FreshDatabase, tmp_path: Path) -> None:
    time = [NOW]

    async def work() -> None:
        async with served(database, tmp_path, clock=lambda: time[0]) as scene:
            unit, door, thief = scene.unit, await CoapUnit.open(scene), await CoapUnit.open(scene)
            recorded = unit.seal(alarm(700), counter=5)
            await door.ask(unit.seal(heartbeat(1), counter=29))
            for _ in range(20):
                await thief.ask(recorded)
            sends = "SELECT sends FROM unit_commands"
            await scene.until(lambda: scene.rows(sends) == [(1,)])
            time[0] += commands.CHALLENGES_APART
            await thief.ask(recorded)
            await scene.until(lambda: scene.rows(sends) == [(2,)])
            assert scene.value("SELECT count(*) FROM unit_commands") == 1
            door.close()
            thief.close()

    run(work())


def test_a_challenge_that_a_crash_has_swallowed_is_made_up_for(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_run, "CHALLENGES_EVERY_S", 0.05)

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            blocker = await psycopg.AsyncConnection.connect(database.owner_url)
            await blocker.execute("LOCK TABLE unit_commands IN ACCESS EXCLUSIVE MODE")
            held_back = unit.seal(alarm(1), counter=0)
            scene.change("UPDATE unit_keys SET counter_high = 9")
            await door.ask(held_back)
            await scene.ingest.stop()
            await blocker.close()
            assert scene.value("SELECT count(*) FROM unit_commands") == 0, "the server ended before it was queued"
            await scene.restart()
            await scene.until(lambda: scene.value("SELECT count(*) FROM unit_commands WHERE kind = 1") == 1)
            door.close()

    run(work())


def test_alarms_are_stored_while_commands_are_stuck(database: FreshDatabase, tmp_path: Path) -> None:
    """Decision D4: no look for a command stands between a press and its receipt."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            await door.ask(scene.unit.seal(heartbeat(1)))
            blocker = await psycopg.AsyncConnection.connect(database.owner_url)
            await blocker.execute("LOCK TABLE unit_commands, technician_tasks IN ACCESS EXCLUSIVE MODE")
            for seq in range(2, 6):
                assert scene.unit.items(await door.ask(scene.unit.seal(alarm(seq)))) == [(1, seq, 1)]
            await blocker.close()
            door.close()

    run(work())
