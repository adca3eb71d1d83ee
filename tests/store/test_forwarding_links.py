"""Every protocol as a way out of a real database: added by the command line's own functions, told by forwarding's
workers, with sealed secrets; what a changed centre, a changed secret and a wrong key file do."""

from __future__ import annotations

import asyncio
import logging
import secrets as random
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from fleet.forwarding.link_webhook import sign
from fleet.forwarding.links import Links
from fleet.forwarding.model import Outcome
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Duty, make_pool
from livlina.centre import list_centres, probe_centre, remove_centre
from livlina.installation import open_secret_box
from protocols.centre.alarm import Mode
from protocols.centre.document import read_alarm
from sim.fleet_clock import FastClock
from tests.centre_house import OWED, forwarding, house
from tests.centres import (
    OTHER_PASSWORD,
    PASSWORD,
    SIGNING,
    dc09_centre,
    http_centre,
    make_certificate,
    owed,
    scaip_centre,
    sos_centre,
)  # fmt: skip
from tests.database import FreshDatabase
from tests.ports import free_port

KEY = "000102030405060708090a0b0c0d0e0f"
OTHER_SIGNING = "another signing secret, as long"
START = datetime(2027, 3, 1, 9, tzinfo=UTC)


def test_presses_leave_by_every_protocol_with_certificates_keys_and_passwords(
    database: FreshDatabase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = make_certificate(tmp_path / "certificate")
    authority = tmp_path / "authority.pem"
    authority.write_text(certificate.authority)
    tls = certificate.server()

    async def run() -> None:
        async with (
            house(database, tmp_path) as here, dc09_centre("tls", key=KEY, tls=tls) as dc09,
            scaip_centre("tls", passwords={"fleet": PASSWORD}, tls=tls) as scaip, sos_centre(tls=tls) as sos,
            http_centre(certificate) as hook,
        ):  # fmt: skip
            by_authority = ["transport=tls", f"ca={authority}"]
            await here.add("D", f"localhost:{dc09.port}", 1, "dc09", KEY, options=by_authority)
            await here.add(
                "S", f"localhost:{scaip.port}", 2, "scaip", PASSWORD, options=[*by_authority, "username=fleet"]
            )
            await here.add("A", f"127.0.0.1:{sos.port}", 3, "sosaccess", PASSWORD, options=[f"pin={certificate.pin}"])
            await here.add("W", f"https://localhost:{hook.port}/in", 4, "webhook", SIGNING, options=[f"ca={authority}"])
            await here.add("J", str(tmp_path / "alarms.jsonl"), 5, "jsonl")
            async with forwarding(here):
                for unit in range(1, 6):
                    await here.press(unit, 1)
                    await here.press(unit, 2, kind=9)
                await here.until("SELECT count(*) FROM outbox WHERE delivered_at IS NOT NULL", 10)
            (file,) = tmp_path.glob("alarms-*.jsonl")
            told = {
                "D": dc09.alarms(), "S": scaip.alarms(), "A": sos.alarms(),
                "W": [read_alarm(body) for _, body in hook.found if b'"kind"' not in body],
                "J": [read_alarm(line) for line in file.read_bytes().splitlines()],
            }  # fmt: skip
            for unit, name in enumerate("DSAWJ", 1):
                modes = {one.correlation.reference: one.mode for one in told[name]}
                assert modes == {f"{unit:08x}-1-1": Mode.LIVE, f"{unit:08x}-1-2": Mode.TEST}, name
            assert here.rows("SELECT count(*) FROM button_proofs") == [(5,)]
            shown = str(await asyncio.to_thread(list_centres, here.settings))
            stored = str(here.rows("SELECT options FROM centres")) + str(here.rows("SELECT sealed FROM centre_secrets"))
            for secret in (KEY, PASSWORD, SIGNING):
                assert secret not in shown + stored + caplog.text

    with caplog.at_level(logging.DEBUG):
        asyncio.run(run())


def test_a_changed_secret_and_a_changed_address_count_within_ten_seconds(
    database: FreshDatabase, tmp_path: Path
) -> None:
    clock = FastClock(START, factor=5.0, step_s=0.05)

    def secret_of(found: tuple[dict[str, str], bytes]) -> str:
        headers, body = found
        at = int(headers["livlina-signature"].split(",")[0].removeprefix("t="))
        signed = {sign(one.encode(), at, body): one for one in (SIGNING, OTHER_SIGNING)}
        return signed[headers["livlina-signature"]]

    async def run() -> None:
        async with house(database, tmp_path, clock) as here, http_centre() as old, http_centre() as new:
            running = asyncio.create_task(clock.run())
            url = f"http://127.0.0.1:{old.port}/in"
            await here.add("W", url, 1, "webhook", SIGNING)
            async with forwarding(here):
                await here.press(1, 1)
                await here.until(OWED, 0)
                await here.add("W", url, 1, "webhook", OTHER_SIGNING)
                changed_at = clock.steady()
                while clock.steady() < changed_at + 10.5:
                    await asyncio.sleep(0.02)
                await here.press(1, 2)
                await here.until(OWED, 0)
                await here.add("W", f"http://127.0.0.1:{new.port}/in", 1, "webhook")
                changed_at = clock.steady()
                while clock.steady() < changed_at + 10.5:
                    await asyncio.sleep(0.02)
                await here.press(1, 3)
                await here.until(OWED, 0)
            alarms_of = [[one for one in hook.found if b'"kind"' not in one[1]] for hook in (old, new)]
            assert [[secret_of(one) for one in found] for found in alarms_of] == [
                [SIGNING, OTHER_SIGNING], [OTHER_SIGNING]
            ]  # fmt: skip
            running.cancel()

    asyncio.run(run())


def test_under_another_key_file_a_centre_hears_nothing_and_its_trouble_has_a_name(
    database: FreshDatabase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with house(database, tmp_path) as here, http_centre() as hook:
            await here.add("W", f"http://127.0.0.1:{hook.port}/in", 1, "webhook", SIGNING)
            for box, outcome in (
                (SecretBox(random.token_bytes(32)), Outcome.UNUSABLE),
                (open_secret_box(here.settings), Outcome.DELIVERED),
            ):
                links = Links(database.app_url, box, here.clock)
                await links.start()
                link = links.link_to(await here.centre("W"))
                assert await link.deliver(owed()) is outcome
                assert await link.probe() is outcome
                assert ("key file" in link.said) is (outcome is Outcome.UNUSABLE)
                await link.close()
                await links.stop()
            assert "does not open with this key file" in caplog.text
            assert len(hook.found) == 2

    asyncio.run(run())


def test_a_configuration_that_cannot_be_used_ends_nobody_elses_work(
    database: FreshDatabase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with house(database, tmp_path) as here, dc09_centre() as dc09:
            await here.add("broken", "127.0.0.1:9", 1, "dc09")
            await here.add("good", f"127.0.0.1:{dc09.port}", 2, "dc09")
            with psycopg.connect(database.owner_url) as connection:
                connection.execute("""UPDATE centres SET options = '{"form": 7}' WHERE name = 'broken'""")
            async with forwarding(here):
                await here.press(1, 1)
                await here.press(2, 1)
                await here.until(OWED, 1)
            assert "centre broken cannot be told anything: option form: choose one of" in caplog.text

    asyncio.run(run())


def test_a_password_that_the_centre_changed_outlives_the_process(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with house(database, tmp_path) as here, sos_centre() as sos:
            sos.issues = [OTHER_PASSWORD]
            options = ["transport=tcp", "transmitter=77", "rotate_days=30"]
            await here.add("A", f"127.0.0.1:{sos.port}", 1, "sosaccess", PASSWORD, options=options)
            sealed = here.rows("SELECT sealed FROM centre_secrets")
            kinds: list[list[str]] = []
            for step in ("probe", "deliver", "deliver"):
                links = Links(database.app_url, open_secret_box(here.settings), here.clock)
                await links.start()
                link = links.link_to(await here.centre("A"))
                found = await (link.probe() if step == "probe" else link.deliver(owed()))
                assert found is Outcome.DELIVERED
                kinds.append([kind for (kind,) in here.rows("SELECT kind FROM centre_secrets ORDER BY kind")])
                await links.stop()
            assert sos.used == [PASSWORD, PASSWORD, OTHER_PASSWORD, OTHER_PASSWORD]
            assert kinds == [["next", "secret"], ["secret"], ["secret"]]
            assert here.rows("SELECT sealed FROM centre_secrets") != sealed
            assert here.rows("SELECT rotated_at IS NOT NULL FROM centre_secrets") == [(True,)]
            # A person gives another one: what the centre had issued is of no more use.
            await here.add("A", f"127.0.0.1:{sos.port}", 1, "sosaccess", "p" * 15, options=options)
            assert here.rows("SELECT rotated_at IS NULL FROM centre_secrets") == [(True,)]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("duty", "statement", "allowed"),
    [
        ("web", "SELECT 1 FROM centre_secrets", False),
        ("ingest", "SELECT 1 FROM centre_secrets", False),
        ("login", "SELECT 1 FROM centre_secrets", False),
        ("registry", "SELECT sealed FROM centre_secrets", False),
        ("registry", "SELECT kind FROM centre_secrets", True),
        ("forward", "SELECT sealed FROM centre_secrets", True),
        ("forward", "UPDATE centre_secrets SET municipality_id = 1", False),
        ("forward", "UPDATE centres SET host = 'x'", False),
    ],
)
def test_only_forwarding_reads_what_is_sealed(
    duty: Duty, statement: str, allowed: bool, database: FreshDatabase, tmp_path: Path
) -> None:
    async def run() -> None:
        async with house(database, tmp_path) as here:
            await here.add("W", f"http://127.0.0.1:{free_port()}/in", 1, "webhook", SIGNING, reports_taken="webhook")
            pool = make_pool(database.app_url, duty, size=1)
            await pool.open()
            try:
                async with pool.connection() as connection:
                    cursor = await connection.execute(statement.encode())
                    assert allowed
                    assert len(await cursor.fetchall()) == 2
            except psycopg.errors.InsufficientPrivilege:
                assert not allowed
            finally:
                await pool.close()
            assert here.rows(
                "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = 'centre_secrets'"
            ) == [(True, True)]

    asyncio.run(run())


def test_forwarding_can_change_a_password_and_no_token(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with house(database, tmp_path) as here:
            await here.add("W", f"http://127.0.0.1:{free_port()}/in", 1, "webhook", SIGNING, reports_taken="webhook")
            async with make_pool(database.app_url, "forward", size=1) as pool, pool.connection() as connection:
                cursor = await connection.execute("UPDATE centre_secrets SET sealed = 'x' RETURNING kind")
                assert [row["kind"] for row in await cursor.fetchall()] == ["secret"]

    asyncio.run(run())


def test_a_centre_is_removed_when_nothing_leads_to_it(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with house(database, tmp_path) as here, http_centre() as hook:
            url = f"http://127.0.0.1:{hook.port}/in"
            await here.add("W", url, 1, "webhook", SIGNING)
            async with forwarding(here):
                await here.press(1, 1)
                await here.until(OWED, 0)
            with pytest.raises(ValueError, match="municipality 1 go to W"):
                await asyncio.to_thread(remove_centre, here.settings, "W")
            await here.add("D", "127.0.0.1:9", 1, "dc09")
            with pytest.raises(ValueError, match="municipality 1 go to D"):
                await asyncio.to_thread(remove_centre, here.settings, "D")
            await here.press(1, 2)  # of an open case: it is owed to the centre that has the case
            with pytest.raises(ValueError, match="still owed 1 presses"):
                await asyncio.to_thread(remove_centre, here.settings, "W")
            async with forwarding(here):
                await here.until(OWED, 0)
            await asyncio.to_thread(remove_centre, here.settings, "W")
            assert here.rows("SELECT count(*) FROM centre_secrets") == [(0,)]
            with pytest.raises(KeyError):
                await here.centre("W")
            names = [one["centre"] for one in (await asyncio.to_thread(list_centres, here.settings))["centres"]]
            assert names == ["D"]
            with pytest.raises(LookupError):
                await asyncio.to_thread(remove_centre, here.settings, "W")
            with pytest.raises(ValueError, match="needs a secret"):
                await here.add("W", url, 1, "webhook")

    asyncio.run(run())


def test_ranks_types_and_dated_routes(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with house(database, tmp_path) as here:

            def route(unit_type: str, rank: int) -> str:
                ((name,),) = here.rows(
                    "SELECT name FROM centres WHERE centre_id = livlina_route(1, %s, %s, now())", [unit_type, rank]
                )
                return str(name)

            await here.add("A", "127.0.0.1:9", 1, "dc09")
            await here.add("B", "127.0.0.1:9", 1, "dc09", rank=2)
            await here.add("P", "127.0.0.1:9", 1, "dc09", unit_type="personal")
            assert [route("social", 1), route("social", 2), route("personal", 1)] == ["A", "B", "P"]
            await here.add("N", "127.0.0.1:9", 1, "dc09", unit_type="any")
            assert [route("social", 1), route("personal", 1)] == ["N", "P"]
            # What is typed now has effect, though a dated route is there.
            await here.add("A", "127.0.0.1:9", 1, "dc09")
            assert [route("social", 1), route("personal", 1), route("social", 2)] == ["A", "P", "B"]
            shown = {one["centre"]: one for one in (await asyncio.to_thread(list_centres, here.settings))["centres"]}
            assert shown["P"]["routes"] == ["1 personal rank 1"]
            assert shown["A"]["routes"] == ["1 any rank 1"]

    asyncio.run(run())


def test_a_probe_from_the_command_line_tells_who_answers(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with house(database, tmp_path) as here, dc09_centre(key=KEY) as dc09:
            await here.add("A", f"127.0.0.1:{dc09.port}", 1, "dc09", KEY)
            await here.add("B", f"127.0.0.1:{free_port()}", 1, "dc09", rank=2)
            for name, answered in (("A", True), ("B", False)):
                assert (await asyncio.to_thread(probe_centre, here.settings, name))["answered"] is answered
            assert dc09.kinds() == ["Heartbeat"]
            with pytest.raises(LookupError):
                await asyncio.to_thread(probe_centre, here.settings, "C")

    asyncio.run(run())
