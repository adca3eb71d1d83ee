"""What proves that a press is new: late datagrams, recordings of what is over, a database out of a backup, keys that
have ended; each beside a control that shows what the protection is worth."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fleet.ingest import commands, freshness
from fleet.ingest.database_mark import FILE
from fleet.ingest.notices import REPEATED, STALE, Notices
from fleet.ingest.paths_seen import trust_keys
from fleet.registry import keys
from fleet.store.pool import Connection, make_pool
from protocols.wire import messages
from tests.database import FreshDatabase
from tests.fleet_server import CoapUnit, Scene, Unit, alarm, heartbeat, run, served, settled

UNPROVEN = ["freshness_unproven"]


async def acting(scene: Scene, act: Callable[[Connection], Awaitable[Any]], duty: Any = "registry") -> Any:
    async with make_pool(scene.database.app_url, duty, size=1) as pool, pool.connection() as connection:
        return await act(connection)


def marks(scene: Scene, seq: int) -> object:
    return scene.value("SELECT marks FROM presses WHERE seq = %s", seq)


def states(scene: Scene) -> list[tuple[Any, ...]]:
    return scene.rows("SELECT state, outcome FROM cases ORDER BY case_id")


async def challenge_at(door: CoapUnit, unit: Unit) -> messages.Command:
    """The next command. Stages of an earlier press may be pushed before it."""
    command: messages.Message = messages.Receipt(items=[])
    while isinstance(command, messages.Receipt):
        command = unit.open_down((await settled(door.pushes.get())).payload)
    assert isinstance(command, messages.Command)
    assert command.kind == messages.COMMAND_CHALLENGE and command.args is not None
    return command


def reply(challenge: messages.Command, seq: int, state: int) -> messages.Answer:
    assert challenge.args is not None
    data = {1: challenge.args[1], 2: state}
    return messages.Answer(boot=1, seq=seq, number=challenge.number, result=0, data=data)


def seen(seq: int, at: float) -> messages.Heartbeat:
    """A heartbeat that tells of a server time."""
    return messages.Heartbeat(boot=1, seq=seq, next_due=300, echo=int(at))


@pytest.mark.parametrize(("behind", "expected"), [(1, []), (freshness.WINDOW - 1, []), (freshness.WINDOW, UNPROVEN)])
def test_a_press_that_was_overtaken_is_late_and_not_doubted(
    database: FreshDatabase, tmp_path: Path, behind: int, expected: list[str]
) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            overtaken = unit.seal(alarm(1), counter=40 - behind)
            await door.ask(unit.seal(heartbeat(2), counter=40))
            await door.ask(overtaken)
            assert marks(scene, 1) == expected
            door.close()

    run(work())


@pytest.mark.parametrize(
    ("taken", "expected"), [(False, (["replay"], ("closed", "replay"))), (True, ([], ("taken", None)))]
)
def test_a_recording_of_what_is_over_closes_its_case_and_one_that_was_taken_here_stays(
    database: FreshDatabase, tmp_path: Path, taken: bool, expected: object
) -> None:
    """*Over* is said of a press that a person has taken. If we know of that, the case is genuine and is left alone."""

    async def work() -> object:
        async with served(database, tmp_path) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            old = unit.seal(alarm(1), counter=5)
            await door.ask(unit.seal(heartbeat(100), counter=80))
            await door.ask(old)
            challenge = await challenge_at(door, unit)
            if taken:
                await scene.take_cases()
            await door.ask(unit.seal(reply(challenge, 200, 2), counter=85))
            await scene.until(lambda: marks(scene, 1) != UNPROVEN)
            door.close()
            return marks(scene, 1), states(scene)[-1]

    assert run(work()) == expected


def test_a_unit_that_has_lost_its_memory_cannot_deny(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door, context = scene.unit, await CoapUnit.open(scene), secrets.token_bytes(8)
            await door.ask(unit.seal(heartbeat(1), counter=90))
            await door.ask(unit.seal(alarm(2), counter=5))
            challenge = await challenge_at(door, unit)
            await door.ask(unit.seal(reply(challenge, 3, 0), counter=0, context=context))
            assert scene.value("SELECT count(*) FROM unit_commands WHERE answered_at IS NOT NULL") == 1
            assert scene.value("SELECT count(*) FROM case_effects") == 0
            assert states(scene) == [("open", None)] and marks(scene, 2) == UNPROVEN, "a person decides"
            await door.ask(unit.seal(alarm(4), counter=6))
            again = await challenge_at(door, unit)
            cannot_tell = messages.Answer(boot=1, seq=5, number=again.number, result=messages.RESULT_NOT_NOW)
            await door.ask(unit.seal(cannot_tell, counter=91))
            assert scene.value("SELECT count(*) FROM unit_commands WHERE answered_at IS NOT NULL") == 2
            assert scene.value("SELECT count(*) FROM case_effects") == 0
            assert states(scene) == [("open", None)] and marks(scene, 4) == UNPROVEN, "nor one without its journal"
            door.close()

    run(work())


def test_a_challenge_goes_to_the_unit_too_and_a_recorder_cannot_open_it(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door, thief = scene.unit, await CoapUnit.open(scene), await CoapUnit.open(scene)
            await door.ask(unit.seal(heartbeat(1), counter=90))
            await thief.ask(unit.seal(alarm(2), counter=5))
            challenge = await challenge_at(door, unit)
            sent = await settled(thief.pushes.get())
            assert challenge.args is not None and challenge.args[1] not in sent.payload
            await door.ask(unit.seal(reply(challenge, 3, 0), counter=91))
            await scene.until(lambda: states(scene) == [("closed", "replay")])
            door.close()
            thief.close()

    run(work())


def _set_back(scene: Scene) -> None:
    """What a restore leaves: everything since the backup is gone, and the number beside the database is greater."""
    with psycopg.connect(scene.database.owner_url) as connection:
        connection.execute("UPDATE unit_keys SET counter_high = 10 WHERE unit_id = 1")
        connection.execute("UPDATE database_mark SET mark = 0")


def test_after_a_restore_a_recording_opens_only_a_marked_case_and_the_unit_is_believed_again(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door, thief = scene.unit, await CoapUnit.open(scene), await CoapUnit.open(scene)
            lost = unit.seal(alarm(1), counter=50)
            await door.ask(unit.seal(heartbeat(2), counter=10))
            await scene.until((tmp_path / FILE).exists)
            _set_back(scene)
            await scene.restart()
            await thief.ask(lost)
            assert marks(scene, 1) == UNPROVEN, "its counter is above all that the database knows"
            await door.ask(unit.seal(seen(60, datetime.now(UTC).timestamp() + 2), counter=60))
            challenge = await challenge_at(door, unit)
            await door.ask(unit.seal(reply(challenge, 61, 2), counter=62))
            await scene.until(lambda: states(scene) == [("closed", "replay")])
            await door.ask(unit.seal(alarm(80), counter=63))
            assert marks(scene, 80) == [], "it has proven that it speaks now"
            await thief.ask(unit.seal(alarm(69), counter=59))
            assert marks(scene, 69) == UNPROVEN, "what was sealed before is not late but old"
            door.close()
            thief.close()

    run(work())


def test_a_server_time_after_the_restore_proves_a_unit(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            now = datetime.now(UTC)
            assert await acting(scene, lambda c: keys.doubt_all(c, now)) == 2
            await door.ask(unit.seal(seen(1, now.timestamp() - 60), counter=20))
            await door.ask(unit.seal(alarm(2), counter=21))
            assert marks(scene, 2) == UNPROVEN
            await door.ask(unit.seal(seen(3, now.timestamp() + 2), counter=22))
            await door.ask(unit.seal(alarm(4), counter=23))
            assert marks(scene, 4) == []
            door.close()

    run(work())


def test_a_new_generation_ends_the_one_before_at_its_first_use(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            secret, box = secrets.token_bytes(16), scene.box
            act = lambda c: keys.add_generation(c, box, 1, secret, "console:test", datetime.now(UTC))  # noqa: E731
            await asyncio.wait_for(scene.ingest.listening.wait(), 60)
            assert await acting(scene, act) == 2
            assert unit.items(await door.ask(unit.seal(heartbeat(1)))) == [(1, 1, 1)], "the old one until then"
            renewed = Unit(1, secret, 2)
            forged = Unit(1, secrets.token_bytes(16), 2)
            door.send(forged.seal(heartbeat(2)))
            assert unit.items(await door.ask(unit.seal(heartbeat(3)))) == [(1, 3, 1)], "a forgery ends nothing"
            assert renewed.items(await door.ask(renewed.seal(heartbeat(4)))) == [(1, 4, 1)]
            refused = scene.ingest.counters.get("dropped.coap.key_generation", 0)
            for seq in range(5, 25):
                door.send(unit.seal(alarm(seq)))
            await scene.until(lambda: scene.ingest.counters.get("dropped.coap.key_generation", 0) == refused + 20)
            assert scene.value("SELECT count(*) FROM presses") == 0
            ended = scene.rows("SELECT generation, ended_at IS NOT NULL FROM unit_keys WHERE unit_id = 1 ORDER BY 1")
            assert ended == [(1, True), (2, False)]
            door.close()

    run(work())


def test_without_the_comparison_a_restore_goes_unnoticed(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the same recording opens an unmarked case."""
    monkeypatch.setattr("fleet.ingest.database_mark.doubt_all", _nothing)

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            lost = scene.unit.seal(alarm(1), counter=50)
            door = await CoapUnit.open(scene)
            await door.ask(scene.unit.seal(heartbeat(2), counter=10))
            await door.ask(lost)
            assert marks(scene, 1) == []
            door.close()

    run(work())


async def _nothing(connection: Connection, at: datetime) -> int:
    return 0


def test_no_order_can_be_queued_as_a_second_challenge(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            args = {1: bytes(8), 2: 1, 3: 1}
            about = {"about": (1, 1), "at": datetime.now(UTC)}
            await acting(scene, lambda c: commands.queue(c, 1, 1, args, "test", **about))
            with pytest.raises(commands.CommandError):
                await acting(scene, lambda c: commands.queue(c, 1, 1, args, "test", **about))

    run(work())


def notices(scene: Scene) -> list[tuple[Any, ...]]:
    return scene.rows("SELECT unit_id, stale, unproven, repeated, moved FROM security_notices ORDER BY hour, unit_id")


def test_what_looks_like_somebody_else_is_one_notice_a_unit_and_hour(database: FreshDatabase, tmp_path: Path) -> None:
    now = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)

    async def work() -> None:
        async with served(database, tmp_path, clock=lambda: now) as scene:
            unit, other, door = *scene.units, await CoapUnit.open(scene)
            recorded = unit.seal(heartbeat(1), counter=90)
            await door.ask(recorded)
            await door.ask(recorded)
            await door.ask(other.seal(heartbeat(1)))
            door.send(unit.seal(heartbeat(2), counter=3))
            await scene.until(lambda: scene.dropped("coap", "stale_counter") == 1)
            for _ in range(3):
                await door.ask(unit.seal(alarm(3), counter=4))
            for seq, (imei, card) in enumerate([(1, 1), (1, 1), (2, 1), (2, 7)], 10):
                status = {19: bytes([0x35, imei] + [0] * 6), 8: bytes([0x89, card] + [0] * 8)}
                await door.ask(unit.seal(heartbeat(seq, status=status), counter=90 + seq))
            await scene.ingest.stop()
            assert notices(scene) == [(1, 1, 1, 3, 2)], "and none about the other unit, or a datagram that came twice"
            await scene.restart()
            door.close()

    run(work())


@pytest.mark.parametrize("flushes", [(), (0,), (0, 1), (0, 1, 2)], ids=["at the end", "once", "twice", "each time"])
def test_a_notice_says_the_same_whenever_it_was_written(
    database: FreshDatabase, tmp_path: Path, flushes: tuple[int, ...]
) -> None:
    """Repetitions that came in a later second than the rest of their hour once stayed in memory, unwritten."""
    clock = [datetime(2026, 3, 1, 12, 5, tzinfo=UTC)]

    async def work() -> None:
        async with served(database, tmp_path) as scene, make_pool(database.app_url, "ingest", size=1) as pool:
            notices_of = Notices(pool, lambda: clock[0])
            for moment, what in enumerate((STALE, REPEATED, REPEATED)):
                notices_of.count(1, 1, what)
                if moment in flushes:
                    await notices_of.flush()
            await notices_of.flush()
            assert notices(scene) == [(1, 1, 0, 2, 0)]
            clock[0] += timedelta(hours=1)
            notices_of.count(1, 1, REPEATED)
            await notices_of.flush()
            assert len(notices(scene)) == 1, "a new hour begins with few again"

    run(work())


OWN_MODEM, OTHER_MODEM = (bytes([0x35, modem] + [0] * 6) for modem in (1, 2))
NOBODY_ELSE = "SELECT false AS shared, false AS behind WHERE %(unit_id)s::bigint > 0 AND %(at)s IS NOT NULL"


@pytest.mark.parametrize(
    ("looked_away", "state", "expected"),
    [
        (False, 0, (UNPROVEN, ("open", None))),
        (False, 1, (UNPROVEN, ("open", None))),
        (True, 0, (["replay"], ("closed", "replay"))),
    ],
    ids=["a denial", "a confirmation", "control: a denial that is believed"],
)
def test_where_two_modems_speak_with_one_key_a_press_is_marked_and_no_answer_silences_it(
    database: FreshDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    looked_away: bool,
    state: int,
    expected: object,
) -> None:
    """Whoever has read the key out of a unit can deny the unit's own alarm with it, or vouch for his."""
    if looked_away:
        monkeypatch.setitem(commands.SQL, "in_doubt", NOBODY_ELSE)

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            for seq, modem in ((1, OWN_MODEM), (2, OTHER_MODEM)):
                beat = messages.Heartbeat(boot=1, seq=seq, next_due=300, status={messages.STATUS_IMEI: modem})
                await door.ask(unit.seal(beat))
            assert unit.items(await door.ask(unit.seal(alarm(3)))) == [(1, 3, 1)], "it is heard as ever"
            assert (marks(scene, 3), states(scene)) == (UNPROVEN, [("open", None)])
            await acting(
                scene,
                lambda c: commands.challenge_unproven(c, None, at=datetime.now(UTC), random=secrets.token_bytes),
                "ingest",
            )
            await door.ask(unit.seal(heartbeat(4)))
            await door.ask(unit.seal(reply(await challenge_at(door, unit), 5, state)))
            await scene.until(lambda: scene.value("SELECT count(*) FROM unit_commands WHERE answered_at IS NOT NULL"))
            if looked_away:
                await scene.until(lambda: states(scene) == [("closed", "replay")])
            else:
                assert scene.value("SELECT count(*) FROM case_effects") == 0
            assert (marks(scene, 3), states(scene)[0]) == expected
            await acting(scene, trust_keys, "ingest")
            assert scene.value("SELECT count(*) FROM unit_keys WHERE shared_since IS NOT NULL") == 1
            scene.change("UPDATE technician_tasks SET closed_at = now(), closed_by = 'somebody'")
            await acting(scene, trust_keys, "ingest")
            await door.ask(unit.seal(alarm(6)))
            assert marks(scene, 6) == [], "somebody has looked at the unit"
            door.close()

    run(work())


def test_a_denial_does_not_count_while_frames_come_that_are_behind(database: FreshDatabase, tmp_path: Path) -> None:
    """A clone has pushed the counter far ahead: the unit's own frames are behind, and the clone denies its press."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit, door = scene.unit, await CoapUnit.open(scene)
            await door.ask(unit.seal(heartbeat(1), counter=5))
            await door.ask(unit.seal(heartbeat(900), counter=10_000))
            door.send(unit.seal(heartbeat(2), counter=6))
            await scene.until(lambda: scene.value("SELECT sum(stale) FROM security_notices"))
            await door.ask(unit.seal(alarm(3), counter=7))
            assert marks(scene, 3) == UNPROVEN
            await door.ask(unit.seal(reply(await challenge_at(door, unit), 901, 0), counter=10_001))
            await scene.until(lambda: scene.value("SELECT count(*) FROM unit_commands WHERE answered_at IS NOT NULL"))
            assert scene.value("SELECT count(*) FROM case_effects") == 0
            assert (marks(scene, 3), states(scene)) == (UNPROVEN, [("open", None)]), "a person decides"
            door.close()

    run(work())
