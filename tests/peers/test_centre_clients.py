"""Our receivers against public senders: the sos-access client, and the my-dc09-spt dialler over TCP and UDP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from my_dc09_spt.dc09_spt import dc09_spt
from sos_access.client import SOSAccessClient
from sos_access.exceptions import SOSAccessClientException

from livlina.centre_receive_dc09 import Dc09Receiver
from livlina.centre_receive_sosaccess import SosAccessReceiver
from protocols.centre.alarm import Action, Category
from protocols.centre.sia_dc09 import AlarmReceived, Key, Verdict
from protocols.centre.sia_dc09.receiver import Event
from protocols.centre.sos_access.receiver import AlarmReceived as SosAlarm
from protocols.centre.sos_access.receiver import Event as SosEvent
from protocols.centre.sos_access.receiver import NewAuthentication, Ping, PingLimit

SECRET = "hxp4x9nnwxjatv8"
NEW_SECRET = "abcdefghijklmno"


def beside(serve: Callable[[Callable[[int], None]], Coroutine[Any, Any, None]], talk: Callable[[int], Any]) -> Any:
    """Runs ``serve`` in a loop of its own thread while ``talk(port)`` runs here: the clients block."""
    opened: list[int] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()

    def tell(port: int) -> None:
        opened.append(port)
        ready.set()

    task = loop.create_task(serve(tell))

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(60)
        return talk(opened[0])
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(60)
        loop.close()


def sos_told(secrets: set[str], talk: Callable[[int], Any]) -> tuple[list[SosEvent], Any]:
    events: list[SosEvent] = []

    async def took(event: SosEvent) -> tuple[int, str | None]:
        events.append(event)
        if isinstance(event, NewAuthentication):
            secrets.add(NEW_SECRET)
            return event.verdict, NEW_SECRET
        return event.verdict, None

    async def serve(tell: Callable[[int], None]) -> None:
        receiver = SosAccessReceiver(took, lambda code, kind, secret: secret in secrets, pings=PingLimit(180))
        tell(await receiver.listen("127.0.0.1", 0))
        await receiver.run()

    return events, beside(serve, talk)


def client(port: int, secret: str = SECRET) -> SOSAccessClient:
    return SOSAccessClient("0043", "SV300", secret, "42", ("127.0.0.1", port), use_single_receiver=True)


def test_the_sos_access_client_is_understood() -> None:
    def talk(port: int) -> Any:
        one = client(port)
        return (
            one.send_alarm("QA", reference="r1", additional_info=["kitchen", "second floor"], detector="001"),
            one.restore_alarm("AT", reference="r2"),
            one.ping(reference="p1"),
            one.request_new_auth(reference="n1"),
            client(port, NEW_SECRET).send_alarm("MA", reference="r3"),
        )

    events, (alarm, restored, ping, new, later) = sos_told({SECRET}, talk)
    assert [one.status for one in (alarm, restored, ping, new, later)] == [0] * 5
    assert (alarm.reference, ping.reference, new.new_authentication) == ("r1", "p1", NEW_SECRET)
    assert [type(event) for event in events] == [SosAlarm, SosAlarm, Ping, NewAuthentication, SosAlarm]
    first, second = events[0], events[1]
    assert isinstance(first, SosAlarm) and isinstance(second, SosAlarm)
    assert (first.alarm.category, first.alarm.where.zone) == (Category.PERSONAL_HELP, "001")
    assert [text.value for text in first.alarm.text] == ["kitchen", "second floor"]
    assert (second.alarm.category, second.alarm.action) == (Category.MAINS_FAIL, Action.RESTORE)


def test_the_sos_access_client_without_its_password_is_refused() -> None:
    def talk(port: int) -> None:
        with pytest.raises(SOSAccessClientException):
            client(port, "x" * 15).send_alarm("QA", reference="r1")

    events, _ = sos_told({SECRET}, talk)
    assert not [event for event in events if isinstance(event, SosAlarm)]


def dc09_told(transport: str, key: Key | None, talk: Callable[[int], Any]) -> list[Event]:
    events: list[Event] = []

    async def took(event: Event) -> Verdict:
        events.append(event)
        return event.verdict

    async def serve(tell: Callable[[int], None]) -> None:
        receiver = Dc09Receiver(took, None if key is None else lambda account: key)
        tell(await receiver.listen("127.0.0.1", 0, transport))
        await receiver.run()

    beside(serve, talk)
    return events


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("key", [None, Key(bytes(range(16))), Key(bytes(range(32)))])
def test_the_dialler_is_understood(transport: str, key: Key | None) -> None:
    def talk(port: int) -> None:
        spt = dc09_spt("0043", 0, 0)
        octets = None if key is None else key.octets
        spt.set_path(
            "main", "primary", "127.0.0.1", port, account="0043", key=octets, receiver=0, line=0, type=transport.upper()
        )
        spt.send_msg("SIA-DCS", {"code": "QA", "zone": 1, "text": "kitchen"})
        spt.send_msg("ADM-CID", {"code": 101, "q": 1, "area": 1, "zone": 1})
        assert spt.notSent() == 0

    events = dc09_told(transport, key, talk)
    alarms = [event for event in events if isinstance(event, AlarmReceived)]
    assert len(alarms) == len(events) == 2
    for event in alarms:
        assert event.fresh
        assert event.frame.encrypted is (key is not None)
        assert event.alarms[0].transmitter.id == "0043"
        assert event.alarms[0].category is Category.PERSONAL_HELP
    assert {event.alarms[0].native[0].scheme for event in alarms} == {"dcs", "cid"}


def test_the_dialler_with_another_key_is_not_believed() -> None:
    def talk(port: int) -> None:
        spt = dc09_spt("0043", 0, 0)
        spt.set_path("main", "primary", "127.0.0.1", port, account="0043", key=bytes(16), receiver=0, line=0)
        with pytest.raises(Exception, match="not sent"):
            spt.send_msg("SIA-DCS", {"code": "QA", "zone": 1})

    events = dc09_told("tcp", Key(bytes(range(16))), talk)
    assert events
    assert not [event for event in events if isinstance(event, AlarmReceived)]
