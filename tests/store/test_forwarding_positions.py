"""Where a unit is follows its alarm to the centre that has the case: in every protocol's own form, as news of the press
that the centre knows, never as another alarm, never where it may not go, and never in an alarm's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fleet.registry import searches
from fleet.registry import store as registry
from fleet.settings import Settings
from fleet.store.pool import make_pool
from livlina.centre_receive_dc09 import Dc09Receiver
from protocols.centre.alarm import Action, Alarm
from protocols.centre.document import read_alarm
from protocols.centre.sia_dc09.receiver import AlarmReceived, Event, Verdict
from protocols.wire import messages
from tests.centre_house import House, forwarding
from tests.centres import PASSWORD, SIGNING, Receiving, dc09_centre, http_centre, scaip_centre, sos_centre
from tests.database import FreshDatabase
from tests.fleet_server import CoapUnit, Scene, alarm, run, served
from tests.ports import free_port

PLACE = (57.7088700, 11.9745600)
PATIENCE_S = 180.0
TOLD = "SELECT count(*) FROM position_outbox WHERE delivered_at IS NOT NULL"
ACCEPTED = "SELECT count(*) FROM outbox WHERE delivered_at IS NOT NULL"


def position(seq: int, about: int | None = 1, place: tuple[float, float] = PLACE) -> messages.Event:
    data = {1: round(place[0] * 1e7), 2: round(place[1] * 1e7), 3: 7, 4: 12, 5: 3}
    named = {} if about is None else {"about_boot": 1, "about_seq": about}
    return messages.Event(boot=1, seq=seq, kind=messages.EVENT_POSITION, data=data, age=2, **named)


@asynccontextmanager
async def fleet(
    database: FreshDatabase, folder: Path, unit_type: str = "personal", units: int = 5
) -> AsyncIterator[tuple[Scene, House, CoapUnit]]:
    """The front doors with units 1..``units``, each of a municipality of its own, and a house that has its centres."""
    async with served(database, folder / "fleet", units=units) as scene:
        async with make_pool(database.app_url, "registry", size=1) as pool, pool.connection() as connection:
            for number in range(2, units + 1):
                await registry.add_municipality(connection, number, f"M{number}")
        scene.change(f"UPDATE units SET municipality_id = unit_id, unit_type = '{unit_type}'")
        scene.change("UPDATE unit_keys SET municipality_id = unit_id")
        settings = Settings(data=folder / "data", database_url=database.app_url, owner_url=database.owner_url)
        door = await CoapUnit.open(scene)
        try:
            yield scene, House(database, settings, folder), door
        finally:
            door.close()


async def say(scene: Scene, door: CoapUnit, unit: int, message: messages.Message) -> None:
    """The unit says it, and has the receipt."""
    sender = scene.units[unit - 1]
    assert sender.items(await door.ask(sender.seal(message))) == [(message.boot, message.seq, 1)]


def told_to(centre: Receiving) -> list[Any]:
    """What is for a person, and no probe."""
    return [event for event in centre.found if type(event).__name__ == "AlarmReceived"]


def test_every_protocol_tells_the_place_as_news_of_the_press_and_of_no_other_alarm(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def work() -> None:
        async with (
            fleet(database, tmp_path, units=6) as (scene, here, door), dc09_centre() as dcs, dc09_centre() as cid,
            scaip_centre() as scaip, sos_centre() as sos, http_centre() as hook, forwarding(here),
        ):  # fmt: skip
            await here.add("D", f"127.0.0.1:{dcs.port}", 1, "dc09")
            await here.add("C", f"127.0.0.1:{cid.port}", 2, "dc09", options=["form=ADM-CID"])
            await here.add("S", f"127.0.0.1:{scaip.port}", 3, "scaip")
            await here.add("A", f"127.0.0.1:{sos.port}", 4, "sosaccess", PASSWORD, options=["transport=tcp"])
            await here.add("W", f"http://127.0.0.1:{hook.port}/in", 5, "webhook", SIGNING)
            await here.add("J", str(tmp_path / "alarms.jsonl"), 6, "jsonl")
            for unit in range(1, 7):
                await say(scene, door, unit, alarm(1))
            await here.until(ACCEPTED, 6, PATIENCE_S)
            for unit in range(1, 7):
                await say(scene, door, unit, position(2))
            await here.until(TOLD, 6, PATIENCE_S)
            lines = [
                line for file in sorted(tmp_path.glob("alarms-*.jsonl")) for line in file.read_bytes().split(b"\n")
            ]
            posts = [(headers["idempotency-key"], body) for headers, body in hook.found if b'"kind"' not in body]
            heard: dict[str, list[Alarm]] = {
                "D": dcs.alarms(), "C": cid.alarms(), "S": scaip.alarms(), "A": sos.alarms(),
                "W": [read_alarm(body) for _, body in posts], "J": [read_alarm(line) for line in lines if line],
            }  # fmt: skip
            for unit, (name, (first, second)) in enumerate(heard.items(), 1):
                reference = f"{unit:08x}-1-1"
                assert first.action is Action.NEW and first.where.geo is None, name
                assert first.correlation.reference == second.correlation.reference == reference, name
                assert first.correlation.incident_id == second.correlation.incident_id, name
                assert second.where.geo is not None, name
                assert (second.where.geo.lat, second.where.geo.lon) == pytest.approx(PLACE, abs=0.0002), name
            # SOS Access has no word for news: there the reference says that it is the same alarm.
            said = [second.action for _, second in heard.values()]
            assert said == [Action.STATUS, Action.STATUS, Action.INFO, Action.NEW, Action.INFO, Action.INFO]
            assert [event.duplicate for event in told_to(sos)] == [False, True]
            assert "#00000002|6120 " in told_to(cid)[1].frame.data and "|O" in told_to(dcs)[1].frame.data
            assert posts[0][0] == "00000005-1-1" and posts[1][0] == "00000005-1-1-position-1-2"
            for unit, name in ((5, "W"), (6, "J")):
                [(at,)] = here.rows("SELECT received_at FROM case_positions WHERE unit_id = %s", [unit])
                where = heard[name][1].where.geo
                assert where is not None and where.fixed_at == at - timedelta(seconds=5)
                assert len({one.id for one in heard[name]}) == 2, "a message of its own"
            numbers = [event.frame.seq for event in (*told_to(dcs), *told_to(cid))]
            assert len(set(numbers)) == 4, "no position has the number of an alarm"
            for table in ("cases", "outbox"):
                assert here.rows(f"SELECT count(*) FROM {table}") == [(6,)]
            # A cell is no place, and stands in the way of none.
            cell = messages.Event(
                boot=1, seq=3, kind=messages.EVENT_POSITION, data={6: 99, 7: 5}, about_boot=1, about_seq=1
            )
            await say(scene, door, 1, cell)
            assert here.rows("SELECT boot, seq FROM case_positions WHERE unit_id = 1") == [(1, 2)]
            audited = "SELECT count(*) FROM audit_records WHERE action = 'position.told'"
            assert here.rows(audited) == [(6,)]

    run(work())


def test_a_centre_that_lets_positions_lie_gets_alarms_all_the_same(database: FreshDatabase, tmp_path: Path) -> None:
    heard: list[Action] = []

    async def took(event: Event) -> Verdict:
        if not isinstance(event, AlarmReceived):
            return event.verdict
        heard.extend(one.action for one in event.alarms)
        if event.alarms[0].action is not Action.NEW:
            await asyncio.get_running_loop().create_future()  # no answer at all
        return event.verdict

    async def work() -> None:
        receiver = Dc09Receiver(took)
        port = await receiver.listen("127.0.0.1", free_port(), "tcp", None)
        serving = asyncio.ensure_future(receiver.run())
        async with fleet(database, tmp_path) as (scene, here, door), forwarding(here):
            for unit in range(1, 6):
                await here.add("D", f"127.0.0.1:{port}", unit, "dc09")
            # It comes before its press does, as after an outage: nothing is told that no centre knows of.
            await say(scene, door, 1, position(2))
            await say(scene, door, 1, alarm(1))
            await here.until("SELECT count(*) FROM position_outbox WHERE attempts > 0", 1, PATIENCE_S)
            for unit in range(2, 6):
                await say(scene, door, unit, alarm(1))
            await here.until(ACCEPTED, 5, PATIENCE_S)
            assert heard[0] is Action.NEW and heard.count(Action.NEW) == 5
            assert here.rows(TOLD) == [(0,)]
            await here.until("SELECT count(*) FROM position_outbox WHERE last_outcome = 'no answer'", 1, PATIENCE_S)
            assert here.rows("SELECT DISTINCT state FROM centre_health") == [("good",)], "it says nothing of the centre"
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    run(work())


def test_a_tracker_is_told_of_in_its_search_alone_and_nobody_else_who_may_not(
    database: FreshDatabase, tmp_path: Path
) -> None:
    """1 is searched for; 2 is not; 3's search is over; 4 is a social alarm; 5's municipality keeps positions."""

    async def search(here: House, unit: int, *, over: bool) -> None:
        async with make_pool(here.database.app_url, "registry", size=1) as pool:
            now = datetime.now(UTC)
            (case,) = here.rows("SELECT case_id FROM cases WHERE unit_id = %s", [unit])[0]
            async with pool.connection() as connection:
                number = await searches.start_search(
                    connection, case=case, reason="not home", consent="daughter", lasts=timedelta(hours=1),
                    actor="person:1", at=now - timedelta(minutes=1),
                )  # fmt: skip
                if over:
                    await searches.end_search(connection, number, "person:1", now)

    async def work() -> None:
        async with fleet(database, tmp_path, "tracker") as (scene, here, door), http_centre() as hook:
            scene.change("UPDATE units SET unit_type = 'social' WHERE unit_id = 4")
            scene.change("UPDATE units SET unit_type = 'personal' WHERE unit_id = 5")
            scene.change("UPDATE municipalities SET positions_to_centres = false WHERE municipality_id = 5")
            for unit in range(1, 6):
                await here.add("W", f"http://127.0.0.1:{hook.port}/in", unit, "webhook", SIGNING)
            async with forwarding(here):
                for unit in range(1, 6):
                    await say(scene, door, unit, alarm(1))
                await here.until(ACCEPTED, 5, PATIENCE_S)
                await search(here, 3, over=True)
                for unit in (2, 3, 4, 5):
                    await say(scene, door, unit, position(2, 1 if unit == 5 else None))
                await search(here, 1, over=False)
                await say(scene, door, 1, position(2, None, (57.7, 11.9)))
                await here.until(TOLD, 1, PATIENCE_S)
                # That round has looked at all of them. The controls: allowed now, and told.
                assert here.rows("SELECT unit_id FROM position_outbox") == [(1,)]
                scene.change("UPDATE municipalities SET positions_to_centres = true WHERE municipality_id = 5")
                await here.until(TOLD, 2, PATIENCE_S)
                assert sorted(here.rows("SELECT unit_id FROM position_outbox")) == [(1,), (5,)]
                # A centre that is not to hear positions.
                await here.add(
                    "W", f"http://127.0.0.1:{hook.port}/in", 1, "webhook", options=["positions=no"]
                )  # fmt: skip
                await say(scene, door, 1, position(3, None))
                await say(scene, door, 5, position(3, 1))
                await here.until("SELECT count(*) FROM case_positions WHERE ended_at IS NOT NULL", 2, PATIENCE_S)
                assert here.rows("SELECT count(*) FROM position_outbox") == [(2,)]
            told = [read_alarm(body) for _, body in hook.found if b'"INFO"' in body]
            assert sorted(one.transmitter.id for one in told) == ["00000001", "00000005"]
            kinds = here.rows(
                "SELECT DISTINCT data_type FROM information_schema.columns "
                "WHERE table_name IN ('case_positions', 'position_outbox') AND column_name <> 'last_outcome'"
            )
            assert sorted(kinds) == [("bigint",), ("integer",), ("timestamp with time zone",)], "no coordinate fits in"

    run(work())
