"""Webhooks and JSON lines out of the fleet; the receiver in docs/webhooks.md is run as it stands there."""

from __future__ import annotations

import asyncio
import http.server
import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleet.alarms.decide import TEST
from fleet.forwarding import link_jsonl
from fleet.forwarding.centre_options import OptionError
from fleet.forwarding.link_jsonl import JsonLinesLink, file_of
from fleet.forwarding.link_webhook import WebhookLink, sign
from fleet.forwarding.model import Outcome
from fleet.forwarding.worker import CentreLink
from protocols.centre.alarm import Category, Mode
from protocols.centre.document import read_alarm
from tests.centres import REFUSED_BEFORE, SIGNING, ShiftedClock, http_centre, link, owed
from tests.ports import free_port
from tests.steps import in_loop

PAGE = Path(__file__).parents[2] / "docs/webhooks.md"


def hook_to(port: int, **more: Any) -> CentreLink:
    return link("webhook", port, SIGNING, url=f"http://127.0.0.1:{port}/alarms", **more)


def test_webhook_the_body_is_the_normalized_alarm_signed_with_its_key() -> None:
    async def steps() -> None:
        async with http_centre() as centre:
            way = hook_to(centre.port)
            assert await way.deliver(owed(17)) is Outcome.DELIVERED
            assert await way.deliver(owed(18, kind=TEST)) is Outcome.DELIVERED
            assert await way.deliver(owed(17)) is Outcome.DELIVERED
            assert await way.probe() is Outcome.DELIVERED
            (headers, body), (_, drill), (again, repeated), (probe, heartbeat) = centre.found
            alarm = read_alarm(body)
            assert (alarm.mode, alarm.category, alarm.correlation.reference) == (
                Mode.LIVE, Category.PERSONAL_HELP, "0000002a-3-17"
            )  # fmt: skip
            assert read_alarm(drill).mode is Mode.TEST
            assert headers["idempotency-key"] == again["idempotency-key"] == "0000002a-3-17"
            assert body == repeated
            assert json.loads(heartbeat) == {"kind": "heartbeat"}
            for shown, octets in ((headers, body), (probe, heartbeat)):
                at = int(shown["livlina-signature"].split(",")[0].removeprefix("t="))
                assert shown["livlina-signature"] == sign(SIGNING.encode(), at, octets)
                assert abs(at - datetime.now(UTC).timestamp()) < 60
                assert shown["livlina-signature"] != sign(b"another secret of the same kind", at, octets)

    in_loop(steps)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, Outcome.DELIVERED), (202, Outcome.DELIVERED), (208, Outcome.DELIVERED), (409, Outcome.DELIVERED),
     (307, Outcome.REFUSED), (400, Outcome.REFUSED), (401, Outcome.NOT_AUTHORIZED), (410, Outcome.NOT_AUTHORIZED),
     (422, Outcome.REFUSED), (408, Outcome.NO_ANSWER), (429, Outcome.NO_ANSWER), (500, Outcome.NO_ANSWER),
     (503, Outcome.NO_ANSWER)],
)  # fmt: skip
def test_webhook_what_a_status_means_to_forwarding(
    status: int, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    async def steps() -> None:
        async with http_centre() as centre:
            centre.verdict = status
            way = hook_to(centre.port)
            assert await way.deliver(owed()) is outcome
            await way.close()
            assert len(centre.found) == 1, "a redirect is not followed"
            assert way.said == ("" if outcome is Outcome.DELIVERED else f"HTTP {status}")
            assert SIGNING not in caplog.text

    in_loop(steps)


def test_webhook_after_a_refusal_a_bare_document_goes_under_another_key() -> None:
    async def steps() -> None:
        async with http_centre() as centre:
            way = hook_to(centre.port)
            for before in (None, REFUSED_BEFORE):
                assert await way.deliver(owed(last_outcome=before)) is Outcome.DELIVERED
            await way.close()
            (whole, body), (bare, less) = centre.found
            assert (whole["idempotency-key"], bare["idempotency-key"]) == ("0000002a-3-17", "0000002a-3-17-minimal")
            assert len(less) < len(body)
            assert (read_alarm(less).id, read_alarm(less).mode) == (read_alarm(body).id, Mode.LIVE)

    in_loop(steps)


def test_webhook_silence_a_close_and_a_restart() -> None:
    async def steps() -> None:
        async with http_centre() as centre:
            way = hook_to(centre.port)
            assert await way.deliver(owed()) is Outcome.DELIVERED
            centre.answers = False
            began = asyncio.get_running_loop().time()
            assert await way.deliver(owed()) is Outcome.NO_ANSWER
            assert 3.5 < asyncio.get_running_loop().time() - began < 6.5
        assert await way.deliver(owed()) is Outcome.NO_ANSWER
        assert await WebhookLink(f"http://127.0.0.1:{free_port()}/", SIGNING).deliver(owed()) is Outcome.NO_ANSWER
        await way.close()

    in_loop(steps)


def test_webhook_a_connection_that_was_closed_while_idle_says_nothing_about_the_centre() -> None:
    async def steps() -> None:
        seen: list[bytes] = []

        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """Answers one request a connection, keep-alive, and hangs up at the next one's first octets."""
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            seen.append(await reader.readexactly(length))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await reader.read(1)
            writer.transport.abort()

        server = await asyncio.start_server(once, "127.0.0.1", 0)
        way = hook_to(server.sockets[0].getsockname()[1])
        assert await way.deliver(owed(17)) is Outcome.DELIVERED
        assert await way.deliver(owed(18)) is Outcome.DELIVERED
        assert len(seen) == 2
        await way.close()
        server.close()

    in_loop(steps)


@pytest.mark.parametrize(
    "url", ["http://centre.example/a", "https://user:secret@centre.example/", "ftp://x/", "https:"]
)
def test_webhook_an_address_in_the_clear_or_with_a_password_is_refused(url: str) -> None:
    with pytest.raises(OptionError):
        link("webhook", 443, SIGNING, url=url)


# The receiver of the page --------------------------------------------------------------------------------------------


@pytest.fixture
def page(tmp_path: Path) -> Iterator[tuple[int, dict[str, Any], Path]]:
    """The page's receiver on a port: (port, what its code defines, its store)."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    store = tmp_path / "store.jsonl"
    handler = type(
        "Quiet", (names["Receiver"],), {"secret": SIGNING.encode(), "store": str(store), "log_message": lambda *_: None}
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], names, store
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_receiver_of_the_page_keeps_each_alarm_once(page: tuple[int, dict[str, Any], Path]) -> None:
    port, _, store = page

    async def steps() -> None:
        way = hook_to(port)
        assert await way.probe() is Outcome.DELIVERED
        for seq in (17, 18, 17):
            assert await way.deliver(owed(seq)) is Outcome.DELIVERED
        await way.close()
        assert [read_alarm(line).id for line in store.read_bytes().splitlines()] == ["0000002a-3-17", "0000002a-3-18"]

    in_loop(steps)


def test_the_receiver_of_the_page_takes_no_other_signature(page: tuple[int, dict[str, Any], Path]) -> None:
    """Another secret, an old recording, another body, no signature: the store stays empty."""
    port, names, store = page
    genuine, secret, now = names["genuine"], SIGNING.encode(), 1_780_000_000

    async def steps() -> None:
        stranger = link("webhook", port, "another secret of this kind", url=f"http://127.0.0.1:{port}/alarms")
        old = hook_to(port, clock=ShiftedClock(-3600))
        for way in (stranger, old):
            assert await way.deliver(owed()) is Outcome.NOT_AUTHORIZED
            await way.close()
        assert not store.exists()

    in_loop(steps)
    good = sign(secret, now, b"body")
    assert genuine(secret, good, b"body", now)
    assert genuine(secret, good, b"body", now + 299)
    for header, body, at in [
        (good, b"bodY", now), (good, b"body", now + 301), (good, b"body", now - 301), ("", b"body", now),
        (good.replace("v1=", "v1=0"), b"body", now), (good.replace("t=", "t=1"), b"body", now),
        ("t=\u0661,v1=0", b"body", now), ("v1=" + good.split("v1=")[1], b"body", now),
    ]:  # fmt: skip
        assert not genuine(secret, header, body, at)


# JSON lines ----------------------------------------------------------------------------------------------------------


def test_jsonl_a_line_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = __import__("os").fsync
    monkeypatch.setattr("os.fsync", lambda handle: (synced.append(handle), fsync(handle))[1])

    async def steps() -> None:
        way = link("jsonl", 0, file=str(tmp_path / "alarms.jsonl"))
        assert await way.probe() is Outcome.DELIVERED
        assert not synced
        assert await way.deliver(owed(17)) is Outcome.DELIVERED
        assert len(synced) == 2, "the file, and the folder for its name"
        assert await way.deliver(owed(18, kind=TEST)) is Outcome.DELIVERED
        assert await way.deliver(owed(17)) is Outcome.DELIVERED
        await way.close()
        file = file_of(tmp_path / "alarms.jsonl", datetime.now(UTC).date())
        lines = file.read_bytes().splitlines()
        assert [read_alarm(line).mode for line in lines] == [Mode.LIVE, Mode.TEST, Mode.LIVE]
        assert lines[0] == lines[2]
        assert file.stat().st_mode & 0o777 == 0o600

    in_loop(steps)


def test_jsonl_a_new_day_has_a_new_file_and_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    async def steps() -> None:
        today, tomorrow = ShiftedClock(0), ShiftedClock(86400)
        for clock in (today, tomorrow):
            assert await JsonLinesLink(tmp_path / "a.jsonl", clock).deliver(owed()) is Outcome.DELIVERED
        files = sorted(tmp_path.iterdir())
        assert [file.name for file in files] == [
            file_of(Path("a.jsonl"), clock.now().date()).name for clock in (today, tomorrow)
        ]
        with files[0].open("ab") as torn:
            torn.write(b'{"id": "torn')
        assert await JsonLinesLink(tmp_path / "a.jsonl", today).deliver(owed(18)) is Outcome.DELIVERED
        lines = files[0].read_bytes().split(b"\n")
        assert lines[1] == b'{"id": "torn'
        assert read_alarm(lines[2]).id == "0000002a-3-18"

    in_loop(steps)


def test_jsonl_a_folder_that_is_gone_is_no_answer(tmp_path: Path) -> None:
    async def steps() -> None:
        way = JsonLinesLink(tmp_path / "gone" / "a.jsonl")
        assert await way.deliver(owed()) is Outcome.NO_ANSWER
        assert await way.probe() is Outcome.NO_ANSWER
        (tmp_path / "gone").mkdir()
        assert await way.deliver(owed()) is Outcome.DELIVERED
        await way.close()

    in_loop(steps)


def test_jsonl_a_full_disk_is_no_answer() -> None:
    """/dev/full takes nothing."""
    with pytest.raises(OSError):
        link_jsonl._write(Path("/dev/full"), b"line\n")
