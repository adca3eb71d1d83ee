"""Routines on a real database: what a document changes, which version an open case keeps, whom messages reach."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from fleet.forwarding.link_apprise import THREADS, AppriseLink
from fleet.routines import store as routines
from fleet.routines.document import read_document
from fleet.routines.model import Subject
from tests.database import FreshDatabase
from tests.ports import free_port
from tests.two_centres import MONDAY, Stage, escalation, forwarding, notices, two_centres

SINCE = (MONDAY - timedelta(days=30)).isoformat()
GUARDS = {
    "recipient": [
        {"name": "Guard North patrol", "channel": "sms", "address": "+46700000011"},
        {"name": "Guard South patrol", "channel": "sms", "address": "+46700000022"},
        {"municipality": 1, "name": "Manager", "channel": "email", "address": "manager@example.org", "language": "en"},
    ],
    "role": [{"name": "guard"}, {"municipality": 1, "name": "manager"}],
    "holder": [
        {"role": "guard", "recipient": "Guard North patrol", "valid_from": SINCE},
        {"municipality": 1, "role": "manager", "recipient": "Manager", "valid_from": SINCE},
    ],
    "routine": [
        {
            "name": "personal alarms", "unit_type": "personal", "valid_from": SINCE,
            "step": [
                {"tell": ["primary_centre", "guard"], "limit_s": 60, "next": 2, "say": ["unit", "time", "case"]},
                {"tell": ["secondary_centre"], "limit_s": 120, "next": None},
            ],
        },
        {
            "municipality": 1, "name": "ours", "unit_type": "personal", "valid_from": SINCE,
            "step": [
                {"tell": ["primary_centre", "manager", "guard"], "limit_s": 60, "next": 2},
                {"tell": ["secondary_centre"], "limit_s": 120, "next": None},
            ],
        },
    ],
}  # fmt: skip


HELD_S = 90
"""How long a thread waits for a gateway that says nothing; a centre that has to wait for threads is told later."""


class SmsGateway:
    """An SMS gateway over HTTP, as a server on loopback. ``silent`` takes connections and says nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self.received: list[str] = []
        self.silent = False
        self._server: asyncio.Server | None = None
        self._held: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/send?:to={{to}}&cto={HELD_S}&rto={HELD_S}"

    async def __aenter__(self) -> SmsGateway:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._held:
            task.cancel()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._held.add(task)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        body = await reader.readexactly(length)
        if self.silent:
            try:
                await asyncio.Event().wait()
            finally:
                writer.transport.abort()
        self.received.append(body.decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


class Mailbox:
    """What a mail server has taken."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.messages.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=default)))
        return "250 taken"


async def chain(s: Stage, unit_type: str, at: Any) -> dict[str, Any]:
    async with s.registry.connection() as connection:
        return await routines.explain(connection, Subject(1, unit_type, 1), at)


def names(explained: dict[str, Any], place: int = 1) -> list[str]:
    (step,) = [step for step in explained["steps"] if step["place"] == place]
    return [holder["name"] for told in step["tell"] for holder in told["holders"]]


def test_manager_and_guard_are_told_beside_the_centre(database: FreshDatabase, tmp_path: Path) -> None:
    """SMS over HTTP and e-mail over SMTP, through real servers; nothing in them says who the wearer is."""
    mailbox = Mailbox()
    mail = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    mail.start()

    async def run() -> None:
        async with SmsGateway() as sms, two_centres(database, tmp_path) as s:
            links = {
                "sms": AppriseLink(sms.url),
                "email": AppriseLink(
                    f"mailto://127.0.0.1:{mail.port}/?from=alarm@example.org&to={{to}}&smtp=127.0.0.1&format=text"
                ),
            }
            await s.routine(GUARDS)
            async with forwarding(s), escalation(s), notices(s, links):
                reference = await s.press(21)
                await s.has(s.a, reference)
                await s.until("SELECT count(*) FROM notices WHERE delivered_at IS NOT NULL", 2)
            assert s.value("SELECT count(*) FROM case_log WHERE change = 'told'") == 2
            (text,) = sms.received
            assert '"to": "+46700000011"' in text
            assert "Larm: enhet 00000015, tryckt 1 mars kl. 10.00." in text.encode().decode("unicode_escape")
            ((to, mail_message),) = mailbox.messages
            assert to == ["manager@example.org"]
            body = mail_message.get_body(("plain",))
            assert "Alarm: unit 00000015, pressed 1 March at 10:00." in body.get_content()
            for link in links.values():
                link.close()

    try:
        asyncio.run(run())
    finally:
        mail.stop()


async def _with_dead_gateway(s: Stage, sms: SmsGateway, link: AppriseLink, within_s: float) -> None:
    """Many messages hang at a gateway that says nothing, then an alarm comes."""
    sms.silent = True
    await s.routine(GUARDS)
    with_name = "UPDATE centres SET host = 'localhost' WHERE name = 'A'"
    await asyncio.to_thread(_execute, s, with_name)
    async with escalation(s), notices(s, {"sms": link}):
        await s.presses(range(21, 30))
        await s.until("SELECT count(*) >= %d FROM notices WHERE attempts > 0" % THREADS, True)  # noqa: UP031
        async with forwarding(s):
            reference = await s.press(1)
            async with asyncio.timeout(within_s):
                await s.has(s.a, reference)
        link.close()


def _execute(s: Stage, statement: str) -> None:
    import psycopg

    with psycopg.connect(s.database.owner_url) as connection:
        connection.execute(statement.encode())


def test_a_dead_gateway_delays_no_centre(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with SmsGateway() as sms, two_centres(database, tmp_path, factor=1) as s:
            await _with_dead_gateway(s, sms, AppriseLink(sms.url), 2 * HELD_S / 3)

    asyncio.run(run())


def test_a_gateway_in_the_threads_that_resolve_names_would_delay_it(database: FreshDatabase, tmp_path: Path) -> None:
    """Negative control: the gateway's threads are the event loop's own."""

    async def run() -> None:
        async with SmsGateway() as sms, two_centres(database, tmp_path, factor=1) as s:
            shared = ThreadPoolExecutor(THREADS)
            link = AppriseLink(sms.url)
            link._threads = shared
            asyncio.get_running_loop().set_default_executor(shared)
            s.until = _without_threads(s)  # type: ignore[method-assign]
            with pytest.raises(TimeoutError):
                await _with_dead_gateway(s, sms, link, 6)
            link.close()
            await sms.__aexit__()

    asyncio.run(run())


def _without_threads(s: Stage) -> Any:
    async def until(query: str, expected: object, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while s.value(query) != expected:
                await asyncio.sleep(0.02)

    return until


def test_a_new_guard_company_is_one_row_and_open_cases_keep_the_old_one(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            await s.routine(GUARDS)
            midnight = s.clock.now() + timedelta(seconds=30)
            change = {"holder": [{"role": "guard", "recipient": "Guard South patrol", "valid_from": midnight}]}
            assert await s.routine(change) == 1
            assert await s.routine(change) == 0, "the same document again changes nothing"
            assert names(await chain(s, "personal", s.clock.now())) == ["A", "Manager", "Guard North patrol"]
            assert names(await chain(s, "personal", midnight)) == ["A", "Manager", "Guard South patrol"]
            await s.press(21)
            async with escalation(s):
                await s.until("SELECT count(*) FROM notices", 2)
                await s.clock.until(midnight)
                await s.press(22)
                await s.until("SELECT count(*) FROM notices", 4)
                # A press that opens a taken case of before again still has the old guard.
                await s.take(1)
                await s.press(21)
                await s.until("SELECT count(*) FROM notices", 6)
            told = s.rows(
                "SELECT n.case_id, r.name FROM notices n JOIN recipients r USING (recipient_id) "
                "WHERE who = 'guard' ORDER BY notice_id"
            )
            assert told == [(1, "Guard North patrol"), (2, "Guard South patrol"), (1, "Guard North patrol")]
            assert s.value("SELECT count(*) FROM unit_commands") == 0, "no unit is written to"

    asyncio.run(run())


def test_a_version_that_holds_is_not_changed(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            await s.routine(GUARDS)
            with pytest.raises(ValueError, match="history"):
                await s.routine({"holder": [{"role": "guard", "recipient": "Guard South patrol", "valid_from": SINCE}]})
            with pytest.raises(LookupError, match="no recipient"):
                await s.routine({"holder": [{"role": "guard", "recipient": "Nobody", "valid_from": MONDAY}]})
            with pytest.raises(LookupError, match="no centre"):
                await s.routine({"route": [{"municipality": 1, "rank": 1, "centre": "C", "valid_from": MONDAY}]})
            with pytest.raises(ValueError, match="tells night watch"):
                await s.routine({"routine": [{"name": "x", "valid_from": MONDAY, "step": [{"tell": ["night watch"]}]}]})

    asyncio.run(run())


def test_office_hours_and_on_call_have_routines_of_their_own(database: FreshDatabase, tmp_path: Path) -> None:
    office = {"tell": ["office"], "limit_s": 60, "next": None}
    on_call = {"municipality": 1, "role": "on_call", "valid_from": SINCE}
    call = {"tell": ["on_call"], "limit_s": 60, "next": None}
    document = {
        "recipient": [
            {"municipality": 1, "name": name, "channel": "sms", "address": f"+4670000003{number}"}
            for number, name in enumerate(("Office", "First", "Second", "Weekend"))
        ],
        "role": [{"municipality": 1, "name": "office"}, {"municipality": 1, "name": "on_call"}],
        "holder": [
            {"municipality": 1, "role": "office", "recipient": "Office", "valid_from": SINCE},
            {**on_call, "recipient": "First", "week": "mon-fri 00:00-24:00"},
            {**on_call, "recipient": "Second", "week": "mon-fri 00:00-24:00", "place": 2},
            {**on_call, "recipient": "Weekend", "week": "sat-sun 00:00-24:00"},
        ],
        "office_hours": [{"municipality": 1, "valid_from": SINCE, "week": ["mon-fri 08:00-17:00"]}],
        "routine": [
            {"municipality": 1, "name": "by day", "hours": "office", "valid_from": SINCE, "step": [office]},
            {"municipality": 1, "name": "by night", "hours": "on_call", "valid_from": SINCE, "step": [call]},
        ],
    }  # fmt: skip

    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            await s.routine(document)
            day, night, sunday = MONDAY, MONDAY + timedelta(hours=12), MONDAY + timedelta(days=6)
            assert names(await chain(s, "social", day)) == ["Office"]
            assert names(await chain(s, "social", night)) == ["First", "Second"]
            assert names(await chain(s, "social", sunday)) == ["Weekend"]

    asyncio.run(run())


def test_a_document_may_say_nothing_else() -> None:
    for wrong in (
        {"rutine": []},
        {"role": [{"name": "primary_centre"}]},
        {"role": [{"name": "guard", "colour": "red"}]},
        {"holder": [{"role": "guard", "recipient": "x", "valid_from": "2027-01-01T00:00:00"}]},
        {"recipient": [{"name": "x", "channel": "fax", "address": "1"}]},
        {"office_hours": [{"valid_from": SINCE, "week": ["mon-fri 17:00-08:00"]}]},
        {"route": [{"municipality": 1, "rank": 3, "centre": "A", "valid_from": SINCE}]},
        {"role": [{"name": "a"}, {"name": "a"}]},
    ):
        with pytest.raises(ValueError):
            read_document(wrong)
