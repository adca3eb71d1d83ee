"""SIPp as an alarm centre that says *taken* by SCAIP: the case and its press are taken, once.

That a real unit then has a receipt which says so is in `tests/journeys/test_taken_at_the_centre.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet.alarms import store as alarms
from fleet.alarms.model import PressKey
from fleet.forwarding.centre_options import OPTIONS, OptionError
from fleet.forwarding.taken_sip import TakenSip
from fleet.store.pool import make_pool
from livlina.centre import new_token, read_centre
from livlina.installation import open_secret_box
from protocols.centre.scaip.read_alarm import wire_reference
from tests.centre_house import OWED, House, forwarding, house
from tests.centres import scaip_centre
from tests.database import FreshDatabase
from tests.ports import free_port
from tests.sip_programs import kamailio, no_complaint, server_context
from tests.taken_reports import further_reply, information, report

REFERENCE = "00000001-1-1"
NORTH = "North"


@asynccontextmanager
async def told(database: FreshDatabase, folder: Path) -> AsyncIterator[tuple[House, TakenSip, str]]:
    """Unit 1's press has been told to North by SCAIP; its token."""
    async with house(database, folder) as here, scaip_centre() as centre:
        added = await here.add(NORTH, f"127.0.0.1:{centre.port}", 1, "scaip", reports_taken="protocol")
        async with forwarding(here):
            await here.press(1, 1)
            await here.until(OWED, 0)
        door = TakenSip(database.app_url, open_secret_box(here.settings), here.clock, port=free_port())
        await door.start()
        try:
            yield here, door, added["token"]
        finally:
            await door.stop()


async def say(
    folder: Path, door: TakenSip, body: str, password: str, *, status: int = 200, name: str = "c", way: str = "udp"
) -> int:
    """What SIPp ends with: 0 where it met what its scenario expects."""
    return await report(folder, door.addresses[way], NORTH, body, password, status=status, name=name, way=way)


def case(here: House) -> tuple[Any, ...]:
    return here.rows("SELECT state, taken_by FROM cases")[0]


async def stage(here: House) -> int:
    async with make_pool(here.database.app_url, "ingest", size=1) as pool, pool.connection() as connection:
        return (await alarms.stages(connection, [PressKey(1, 1, 1)]))[0].stage


@pytest.mark.parametrize(
    ("body", "operator"),
    [
        (information(wire_reference(REFERENCE)), "7"),
        (information("x1", ite=f"ref {REFERENCE}: 7", stc=13), "7"),
        (further_reply(wire_reference(REFERENCE)), "by Anna"),
    ],
)
def test_a_centres_word_takes_the_case_and_the_press_once(
    database: FreshDatabase, tmp_path: Path, body: str, operator: str
) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, door, token):
            assert await stage(here) == 2
            for name in ("first", "again"):
                assert await say(tmp_path, door, body, token, name=name) == 0
            assert case(here) == ("taken", f"centre {NORTH} {operator}")
            assert await stage(here) == 3
            assert here.rows("SELECT count(*) FROM case_log WHERE change = 'taken'") == [(1,)]
            no_complaint(tmp_path)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (information(wire_reference(REFERENCE), stc=10), "a status that says nothing of a person"),
        (information(wire_reference(REFERENCE), mty="ME"), "an alarm, which is not for this end"),
        (information(wire_reference("00000002-1-1")), "an alarm that it was never told"),
        (information("x1", ite="ref 00000002-1-1: 7"), "the same by its whole name"),
        (further_reply(wire_reference(REFERENCE), ste="OK"), "a repeat of the reply"),
    ],
)
def test_what_says_nothing_of_a_person_or_of_another_alarm_takes_nothing(
    database: FreshDatabase, tmp_path: Path, body: str, why: str
) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, door, token):
            assert await say(tmp_path, door, body, token) == 0, why
            assert case(here)[0] == "open"

    asyncio.run(run())


def test_without_the_centres_password_nobody_is_believed(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, door, token):
            body = information(wire_reference(REFERENCE))
            assert await say(tmp_path, door, body, "another", status=401) == 0
            assert case(here)[0] == "open"
            fresh = await asyncio.to_thread(new_token, here.settings, NORTH)
            assert fresh["token"] != token
            assert await say(tmp_path, door, body, token, status=200, name="old") == 0, (
                "the old one counts some seconds"
            )

    asyncio.run(run())


def test_who_comes_second_is_told_to_send_nobody(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, door, token):
            async with make_pool(database.app_url, "forward", size=1) as pool, pool.connection() as connection:
                ((number,),) = here.rows("SELECT case_id FROM cases")
                await alarms.take_case(connection, number, "anna")
            late = further_reply(wire_reference(REFERENCE))
            assert await say(tmp_path, door, late, token, status=410) == 0
            assert case(here) == ("taken", "anna")

    asyncio.run(run())


def test_a_centre_that_reports_otherwise_is_not_believed_by_protocol(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, door, token):
            await here.until("SELECT 1", 1)
            here_body = further_reply(wire_reference(REFERENCE))
            assert await say(tmp_path, door, further_reply("nobody"), token, status=404) == 0
            here.rows("UPDATE centres SET reports_taken = 'none' RETURNING 1")
            assert await say(tmp_path, door, here_body, token, status=403, name="d") == 0
            assert case(here)[0] == "open"

    asyncio.run(run())


def test_over_tcp_the_word_is_the_same(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, door, token):
            assert await say(tmp_path, door, information(wire_reference(REFERENCE)), token, way="tcp") == 0
            assert case(here) == ("taken", f"centre {NORTH} 7")

    asyncio.run(run())


def test_over_tls_the_word_is_the_same(database: FreshDatabase, tmp_path: Path) -> None:
    """SIPp has no TLS: Kamailio, between it and us, verifies our certificate and carries what it says."""

    async def run() -> None:
        async with told(database, tmp_path) as (here, _, token):
            door = TakenSip(
                database.app_url, open_secret_box(here.settings), here.clock, tls_port=0, tls=server_context(tmp_path)
            )
            await door.start()
            assert set(door.addresses) == {"tls"}
            host, port = door.addresses["tls"]
            ours = f"sip:{host}:{port};transport=tls"
            entry = free_port()
            try:
                async with kamailio(tmp_path, entry, free_port(), ours, ours):
                    body = information(wire_reference(REFERENCE))
                    assert await report(tmp_path, ("127.0.0.1", entry), NORTH, body, token, user="arc") == 0
                    assert case(here) == ("taken", f"centre {NORTH} 7")
            finally:
                await door.stop()

    asyncio.run(run())


def test_without_a_port_the_door_is_shut(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with house(database, tmp_path) as here:
            shut = TakenSip(database.app_url, open_secret_box(here.settings), here.clock)
            await shut.start()
            assert shut.addresses == {}
            await shut.stop()

    asyncio.run(run())


@pytest.mark.parametrize("protocol", sorted(set(OPTIONS) - {"scaip"}))
def test_a_protocol_without_a_word_for_it_cannot_be_declared_so(protocol: str, tmp_path: Path) -> None:
    to = {"webhook": "https://centre.example/in", "jsonl": str(tmp_path / "a.jsonl")}.get(protocol, "127.0.0.1:9")
    with pytest.raises(
        OptionError, match=f"{protocol} has no word for taken, scaip has; choose console, webhook or none"
    ):
        read_centre("A", to, [1], protocol=protocol, reports_taken="protocol")
